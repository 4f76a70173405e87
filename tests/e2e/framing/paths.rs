//! Paths and queries: RFC 3986, and the design's lookup rules.

use super::case::{Bench, Case, request, seen};

fn case(name: &'static str, cite: &'static str, target: &str, forwarded: &str) -> Case {
    Case::forwarded(name, cite, request("GET", target, "")).seen(seen("GET", forwarded, "", ""), "")
}

#[test]
fn the_bytes_of_a_path_are_forwarded_as_received() {
    let opaque = "design: opaque, forwarded as received";
    let same = |name, target| case(name, opaque, target, target);
    Bench::run(&[
        same("an encoded slash", "/a%2fb"),
        same("an encoded slash in upper case", "/a%2Fb"),
        same("an encoded backslash", "/a%5Cb"),
        same("a backslash", "/a\\b"),
        same("two slashes", "//a//b//"),
        same("what looks like a host", "//a.test/x"),
        same("a parameter", "/a;b=c/d"),
        same("an unreserved byte encoded", "/%7Euser/%61"),
        same("an encoded space", "/a%20b"),
        same("a plus", "/a+b"),
        same("an encoded NUL", "/a%00b"),
        same("an encoded line end", "/a%0d%0ab"),
        same("an encoded percent sign", "/a%252fb"),
        same("a percent sign alone", "/50%off"),
        same("a percent sign at the end", "/50%"),
        same("three dots", "/.../x"),
        same("a file that begins with a dot", "/.well-known/x"),
        same("a file that ends with dots", "/x../y."),
        same("brackets and bars", "/[a]{b}|^`\"<c>"),
        same("a fragment", "/a#b"),
        same("an empty query", "/a?"),
        same("dots in a query", "/a?b=../../c&d=%2e%2e"),
        same("a second question mark", "/a?b?c"),
        same("a slash in a query", "/a?b=/c//d"),
        Case::forwarded(
            "bytes above ASCII",
            opaque,
            b"GET /caf\xc3\xa9\xff HTTP/1.1\r\nHost: a.test\r\n\r\n",
        )
        .seen(seen("GET", "/caf\u{c3}\u{a9}\u{ff}", "", ""), ""),
    ]);
}

#[test]
fn plain_dot_segments_are_removed_before_a_path_goes_on() {
    let dots = "RFC 3986 §5.2.4; design: goes on without them";
    Bench::run(&[
        case("a single dot", dots, "/a/./b", "/a/b"),
        case("a double dot", dots, "/a/../b", "/b"),
        case("a double dot at the end", dots, "/a/b/..", "/a/"),
        case("a single dot at the end", dots, "/a/b/.", "/a/b/"),
        case("down to the root", dots, "/a/..", "/"),
        case("several", dots, "/a/b/c/../../d/./e", "/a/d/e"),
        case("before a query", dots, "/a/../b?c=../d", "/b?c=../d"),
        case("beside an encoded slash", dots, "/a%2fb/../c", "/c"),
        case("in absolute-form", dots, "http://a.test/a/../b", "/b"),
    ]);
}

#[test]
fn paths_that_climb_out_or_hide_that_they_do_are_refused() {
    let root = "design: dot segments that climb above the root";
    let hidden = "design: dot segments that hide behind encoding";
    let bad = |name, cite, target: &str| {
        Case::refused(name, cite, "ambiguous-path", request("GET", target, ""))
    };
    Bench::run(&[
        bad("above the root", root, "/.."),
        bad("above the root and down", root, "/../x"),
        bad("above the root later", root, "/a/../../x"),
        bad("above the root in absolute-form", root, "http://a.test/../x"),
        bad("both dots encoded", hidden, "/a/%2e%2e/b"),
        bad("both dots encoded in upper case", hidden, "/a/%2E%2E/b"),
        bad("the first dot encoded", hidden, "/a/%2e./b"),
        bad("the second dot encoded", hidden, "/a/.%2e/b"),
        bad("a single dot encoded", hidden, "/a/%2e/b"),
        bad("encoded at the end", hidden, "/a/%2e%2e"),
        bad("before an encoded slash", hidden, "/a/..%2fb"),
        bad("between encoded slashes", hidden, "/a%2f..%2fb"),
        bad("before an encoded backslash", hidden, "/a/..%5cb"),
        bad("before a backslash", hidden, "/a/..\\b"),
        bad("behind a backslash", hidden, "/a\\..\\b"),
        bad("before a parameter", hidden, "/a/..;x=1/b"),
        bad("before an encoded NUL", hidden, "/a/..%00/b"),
    ]);
}
