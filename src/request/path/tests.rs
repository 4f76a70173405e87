use proptest::prelude::*;

use super::*;

/// Path received, its form for matching, the path forwarded, and the source.
const READ: &[(&str, &str, &str, &str)] = &[
    ("/", "/", "/", "RFC 9112 3.2.1"),
    ("/a/b", "/a/b", "/a/b", "RFC 9112 3.2.1"),
    ("/a/", "/a/", "/a/", "RFC 3986 6.2.3: a slash more is another path"),
    ("/A", "/A", "/A", "RFC 3986 6.2.2.1: paths keep their case"),
    ("/a.css", "/a.css", "/a.css", "RFC 3986 3.3: a dot inside a name"),
    ("/a..b", "/a..b", "/a..b", "RFC 3986 3.3: dots inside a name"),
    ("/.well-known/x", "/.well-known/x", "/.well-known/x", "RFC 8615 3"),
    ("/.../x", "/.../x", "/.../x", "RFC 3986 3.3: three dots are a name"),
    ("/..a", "/..a", "/..a", "RFC 3986 3.3: a name"),
    ("/a;v=.", "/a;v=.", "/a;v=.", "RFC 3986 3.3: a parameter"),
    ("/%41", "/A", "/%41", "RFC 3986 6.2.2.2: unreserved"),
    ("/%7Euser", "/~user", "/%7Euser", "RFC 3986 2.3: ~ is unreserved"),
    ("/a%2Eb%2D%5F", "/a.b-_", "/a%2Eb%2D%5F", "RFC 3986 2.3"),
    ("/%2e%2e%2e", "/...", "/%2e%2e%2e", "RFC 3986 3.3: three dots are a name"),
    ("/a%2Fb", "/a%2Fb", "/a%2Fb", "RFC 3986 2.2: a reserved character is data"),
    ("/a%2fb", "/a%2Fb", "/a%2fb", "RFC 3986 6.2.2.1: case of the digits"),
    ("/a%5Cb", "/a%5Cb", "/a%5Cb", "RFC 3986 2.4"),
    ("/a\\b", "/a\\b", "/a\\b", "no URI, forwarded as received"),
    ("/a%00b", "/a%00b", "/a%00b", "RFC 3986 7.3: the app's to refuse"),
    ("/a%20b", "/a%20b", "/a%20b", "RFC 3986 2.1"),
    ("/a%c3%a9", "/a%C3%A9", "/a%c3%a9", "RFC 3986 6.2.2.1"),
    ("/%252e%252e/", "/%252e%252e/", "/%252e%252e/", "RFC 3986 2.4: never decode twice"),
    ("//a", "//a", "//a", "RFC 3986 3.3: an empty segment"),
    ("/a//b", "/a//b", "/a//b", "RFC 3986 3.3: an empty segment"),
    ("/a;b", "/a;b", "/a;b", "RFC 3986 3.3: a parameter"),
    ("/50%off", "/50%25off", "/50%off", "RFC 3986 2.1: no escape"),
    ("/a%4", "/a%254", "/a%4", "RFC 3986 2.1: no escape"),
    ("/%", "/%25", "/%", "RFC 3986 2.1: no escape"),
    ("/%zz", "/%25zz", "/%zz", "RFC 3986 2.1: no escape"),
    ("/%+1", "/%25+1", "/%+1", "RFC 3986 2.1: a sign is no digit"),
    ("/%%34%31", "/%2541", "/%%34%31", "a stray % makes no new escape"),
    ("/%%32f", "/%252f", "/%%32f", "a stray % makes no new escape"),
    ("/a/./b", "/a/b", "/a/b", "RFC 3986 5.2.4"),
    ("/a/../b", "/b", "/b", "RFC 3986 5.2.4"),
    ("/a/b/c/./../../g", "/a/g", "/a/g", "RFC 3986 5.2.4, its first example"),
    ("/a/.", "/a/", "/a/", "RFC 3986 5.4: b/c/. gives b/c/"),
    ("/a/b/..", "/a/", "/a/", "RFC 3986 5.4.1"),
    ("/.", "/", "/", "RFC 3986 5.2.4"),
    ("/a/..", "/", "/", "RFC 3986 5.2.4"),
    ("/a/../b/../c/", "/c/", "/c/", "RFC 3986 5.2.4"),
    ("/a//../b", "/a/b", "/a/b", "RFC 3986 5.2.4: .. takes the empty segment"),
    ("//..", "/", "/", "RFC 3986 5.2.4: .. takes the empty segment"),
    ("/a/..//b", "//b", "//b", "RFC 3986 5.2.4"),
    ("/a%2Fb/../c", "/c", "/c", "%2F ends no segment"),
    ("/%41/./%2f%42", "/A/%2FB", "/%41/%2f%42", "what is left is forwarded as received"),
    ("/./50%off", "/50%25off", "/50%off", "what is left is forwarded as received"),
];

/// Path received, why it is refused, and the source.
const REFUSED: &[(&str, AmbiguousPath, &str)] = &[
    ("", AmbiguousPath::NotRooted, "RFC 9112 3.2.1"),
    ("a/b", AmbiguousPath::NotRooted, "RFC 9112 3.2.1"),
    ("*", AmbiguousPath::NotRooted, "RFC 9112 3.2.4: not origin-form"),
    ("/..", AmbiguousPath::AboveRoot, "RFC 3986 5.2.4 would stop at the root"),
    ("/../a", AmbiguousPath::AboveRoot, "RFC 3986 5.2.4"),
    ("/a/../../b", AmbiguousPath::AboveRoot, "RFC 3986 5.2.4"),
    ("/a/../../a/b", AmbiguousPath::AboveRoot, "RFC 3986 5.2.4: back below is no excuse"),
    ("/./../a", AmbiguousPath::AboveRoot, "RFC 3986 5.2.4"),
    ("/%2e%2e/", AmbiguousPath::HiddenDotSegment, "RFC 3986 6.2.2.3"),
    ("/a/%2e%2E/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 6.2.2.3"),
    ("/a/.%2e/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 6.2.2.3"),
    ("/a/%2e./b", AmbiguousPath::HiddenDotSegment, "RFC 3986 6.2.2.3"),
    ("/a/%2e/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 6.2.2.3"),
    ("/a/%2e", AmbiguousPath::HiddenDotSegment, "RFC 3986 6.2.2.3"),
    ("/..%2f..", AmbiguousPath::HiddenDotSegment, "RFC 3986 7.3"),
    ("/a/..%2Fb", AmbiguousPath::HiddenDotSegment, "RFC 3986 7.3"),
    ("/a%2f..", AmbiguousPath::HiddenDotSegment, "RFC 3986 7.3"),
    ("/a%2F%2e%2e%2Fb", AmbiguousPath::HiddenDotSegment, "RFC 3986 7.3"),
    ("/a%2F.%2Fb", AmbiguousPath::HiddenDotSegment, "RFC 3986 7.3"),
    ("/..%5c", AmbiguousPath::HiddenDotSegment, "a backslash is a slash to some"),
    ("/a%5C..%5Cb", AmbiguousPath::HiddenDotSegment, "a backslash is a slash to some"),
    ("/..\\a", AmbiguousPath::HiddenDotSegment, "a backslash is a slash to some"),
    ("/a\\..", AmbiguousPath::HiddenDotSegment, "a backslash is a slash to some"),
    ("/a/..;/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 3.3: parameters are cut off"),
    ("/a/..;x=1/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 3.3"),
    ("/a/.;/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 3.3"),
    ("/a/%2e%2e;/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 3.3"),
    ("/a/..%3b/b", AmbiguousPath::HiddenDotSegment, "RFC 3986 3.3"),
    ("/a/..%00/b", AmbiguousPath::HiddenDotSegment, "a NUL ends a C string"),
    ("/a/..%23", AmbiguousPath::HiddenDotSegment, "a fragment is cut off"),
    ("/a/..#b", AmbiguousPath::HiddenDotSegment, "a fragment is cut off"),
    ("/a/..%3fb", AmbiguousPath::HiddenDotSegment, "a query is cut off"),
    ("/a/../%2e%2e", AmbiguousPath::HiddenDotSegment, "plain ones beside it do not help"),
    ("/a;x%2F..", AmbiguousPath::HiddenDotSegment, "a slash begins a new segment"),
];

#[test]
fn every_path_with_one_reading_is_matched_and_forwarded_that_way() {
    for (received, matching, forwarded, source) in READ {
        let path = MatchPath::parse(received.as_bytes());
        let path = path.unwrap_or_else(|e| panic!("{received:?} ({source}): {e}"));
        assert_eq!(path.matching().escape_ascii().to_string(), escape(matching), "{received:?}");
        let forward = path.forward();
        let forward = forward.as_deref().unwrap_or(received.as_bytes());
        assert_eq!(forward.escape_ascii().to_string(), escape(forwarded), "{received:?} {source}");
        assert_eq!(path.rewritten().is_some(), received != matching || received != forwarded);
    }
}

#[test]
fn every_path_with_two_readings_is_refused_by_its_reason() {
    for (received, reason, source) in REFUSED {
        let path = MatchPath::parse(received.as_bytes());
        assert_eq!(path, Err(*reason), "{received:?} ({source})");
    }
}

#[test]
fn a_path_that_needs_no_work_is_borrowed() {
    let received = b"/assets/app.min.js";
    let path = MatchPath::parse(received).unwrap();
    assert_eq!(path.matching().as_ptr(), received.as_ptr());
    assert_eq!(path.rewritten(), None);
    assert_eq!(path.forward(), None);
}

#[test]
fn bytes_outside_ascii_are_opaque() {
    let received = b"/\xc3\xa9/\xff";
    assert_eq!(MatchPath::parse(received).unwrap().matching(), received);
}

fn escape(text: &str) -> String {
    text.as_bytes().escape_ascii().to_string()
}

/// Paths of the pieces that make trouble, in any order.
fn troublesome_paths() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3B", "%", "%25", "%41", "%4", "1",
        "a", "e", "2", "%00", "#", "/../", "/./", "//",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn the_form_for_matching_is_its_own_normal_form(path in troublesome_paths()) {
        if let Ok(once) = MatchPath::parse(path.as_bytes()) {
            let twice = MatchPath::parse(once.matching());
            let twice = twice.unwrap_or_else(|e| panic!("{path}: {e}"));
            prop_assert_eq!(twice.rewritten(), None);
            prop_assert_eq!(twice.forward(), None);
        }
    }

    #[test]
    fn what_is_forwarded_is_read_like_what_was_matched(path in troublesome_paths()) {
        if let Ok(read) = MatchPath::parse(path.as_bytes()) {
            let forward = read.forward().unwrap_or_else(|| Bytes::copy_from_slice(path.as_bytes()));
            let again = MatchPath::parse(&forward);
            let again = again.unwrap_or_else(|e| panic!("{path}: {e}"));
            prop_assert_eq!(again.matching(), read.matching());
            prop_assert_eq!(again.forward(), None);
        }
    }

    #[test]
    fn no_endpoint_finds_a_dot_segment_in_what_is_forwarded(path in troublesome_paths()) {
        if let Ok(read) = MatchPath::parse(path.as_bytes()) {
            let forward = read.forward().unwrap_or_else(|| Bytes::copy_from_slice(path.as_bytes()));
            let plain: Vec<u8> = decoded(&forward).collect();
            let names = plain.split(|byte| matches!(byte, b'/' | b'\\'));
            for name in names {
                let name = name.split(|byte| matches!(byte, b';' | b'#' | b'?' | b'\0')).next();
                prop_assert!(!matches!(name, Some(b"." | b"..")), "{}", path);
            }
        }
    }
}
