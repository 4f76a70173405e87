use super::super::{Framing, Version};
use super::*;
use RefusalKind as No;

const LIMITS: HeadLimits = HeadLimits { bytes: 512, fields: 8 };

fn request(bytes: &[u8]) -> Result<Option<ParsedRequest>, No> {
    let mut buf = BytesMut::from(bytes);
    HeadReader::new().request(&mut buf, &LIMITS).map_err(|refusal| refusal.kind)
}

fn response(bytes: &[u8], method: &Method) -> Result<Option<ParsedResponse>, No> {
    let mut buf = BytesMut::from(bytes);
    HeadReader::new().response(&mut buf, &LIMITS, method).map_err(|refusal| refusal.kind)
}

fn whole_request(head: &str) -> ParsedRequest {
    request(head.as_bytes()).unwrap().unwrap()
}

fn whole_response(head: &str, method: &Method) -> ParsedResponse {
    response(head.as_bytes(), method).unwrap().unwrap()
}

#[test]
fn a_request_line_gives_its_parts_byte_for_byte() {
    let parsed = whole_request("PROPFIND /a%2Fb?c#d|\u{e9}\"<>\\^`{} HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(parsed.method.as_str(), "PROPFIND");
    assert_eq!(parsed.target, "/a%2Fb?c#d|\u{e9}\"<>\\^`{}".as_bytes());
    assert_eq!((parsed.version, parsed.framing), (Version::Http11, Framing::None));
    assert!(parsed.keep_alive && !parsed.expect_continue);
    let latin1 = request(b"GET /\xe9\xff HTTP/1.1\r\n\r\n").unwrap().unwrap();
    assert_eq!(latin1.target, &b"/\xe9\xff"[..]);
    assert_eq!(whole_request("get * HTTP/1.0\r\n\r\n").method.as_str(), "get");
}

#[test]
fn request_lines_that_are_not_three_parts_are_refused() {
    let cases: &[(&[u8], No)] = &[
        (b"GET /\r\n\r\n", No::RequestLineMalformed),
        (b"GET\r\n\r\n", No::RequestLineMalformed),
        (b"GET  / HTTP/1.1\r\n\r\n", No::RequestLineMalformed),
        (b"GET /  HTTP/1.1\r\n\r\n", No::RequestLineMalformed),
        (b"GET / HTTP/1.1 \r\n\r\n", No::RequestLineMalformed),
        (b"GET  HTTP/1.1\r\n\r\n", No::RequestLineMalformed),
        (b"GET /a b HTTP/1.1\r\n\r\n", No::RequestLineMalformed),
        (b"GET /a\tb HTTP/1.1\r\n\r\n", No::RequestLineMalformed),
        (b"GET / HTTP/1.1\t\r\n\r\n", No::RequestLineMalformed),
        (b"GET\t/ HTTP/1.1\r\n\r\n", No::MethodNotToken),
        (b" GET / HTTP/1.1\r\n\r\n", No::MethodNotToken),
        (b"G(T / HTTP/1.1\r\n\r\n", No::MethodNotToken),
        (b"GET /\0 HTTP/1.1\r\n\r\n", No::ControlByte),
        (b"GET /\x7f HTTP/1.1\r\n\r\n", No::ControlByte),
        (b"GET / HTTP/1.1\n\r\n", No::BareLf),
        (b"GET / HTTP/1.1\rX\r\n\r\n", No::BareCr),
        (b"\nGET / HTTP/1.1\r\n\r\n", No::BareLf),
        (b"\r\rGET / HTTP/1.1\r\n\r\n", No::BareCr),
        (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", No::RequestLineMalformed),
    ];
    for (head, fault) in cases {
        assert_eq!(request(head), Err(*fault), "{:?}", String::from_utf8_lossy(head));
    }
}

#[test]
fn versions_are_1_0_or_1_x_and_others_are_told_from_malformed_ones() {
    let version = |version: &str| {
        let head = format!("GET / {version}\r\n\r\n");
        request(head.as_bytes()).map(|parsed| parsed.unwrap().version)
    };
    assert_eq!(version("HTTP/1.0"), Ok(Version::Http10));
    assert_eq!(version("HTTP/1.1"), Ok(Version::Http11));
    assert_eq!(version("HTTP/1.2"), Ok(Version::Http11));
    assert_eq!(version("HTTP/1.9"), Ok(Version::Http11));
    for other in ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0"] {
        assert_eq!(version(other), Err(No::VersionUnsupported), "{other}");
    }
    for odd in ["HTTP/1", "HTTP/2", "HTTP/1.10", "HTTP/11.1", "http/1.1", "HTTP/1,1", "HTP/1.1", ""]
    {
        assert_eq!(version(odd), Err(No::VersionMalformed), "{odd}");
    }
}

#[test]
fn garbage_is_refused_at_its_first_wrong_byte() {
    assert_eq!(request(b"\x16\x03\x01\x02"), Err(No::MethodNotToken));
    assert_eq!(request(b"{"), Err(No::MethodNotToken));
    assert_eq!(request(&[b'A'; MAX_METHOD]), Ok(None));
    assert_eq!(request(&[b'A'; MAX_METHOD + 1]), Err(No::MethodTooLong));
    for (bytes, result) in [
        ("HTTP/1.", Ok(None)),
        ("H", Ok(None)),
        ("S", Err(No::NotHttp)),
        ("HTTP/2", Err(No::NotHttp)),
        ("http", Err(No::NotHttp)),
        ("\r\n", Err(No::NotHttp)),
    ] {
        assert_eq!(response(bytes.as_bytes(), &Method::GET), result, "{bytes}");
    }
}

const MAX_METHOD: usize = super::super::MAX_METHOD_BYTES;

#[test]
fn one_empty_line_before_a_request_is_dropped_and_counted() {
    let mut buf = BytesMut::from(&b"\r\nGET / HTTP/1.1\r\n\r\nrest"[..]);
    let parsed = HeadReader::new().request(&mut buf, &LIMITS).unwrap().unwrap();
    assert_eq!(parsed.head_bytes, 20);
    assert_eq!(&buf[..], b"rest");
}

#[test]
fn a_second_empty_line_is_no_request_however_it_comes() {
    let mut reader = HeadReader::new();
    let mut buf = BytesMut::from(&b"\r\n"[..]);
    assert_eq!(reader.request(&mut buf, &LIMITS), Ok(None));
    buf.extend_from_slice(b"\r\n");
    let apart = reader.request(&mut buf, &LIMITS).unwrap_err().kind;
    let mut buf = BytesMut::from(&b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"[..]);
    let at_once = HeadReader::new().request(&mut buf, &LIMITS).unwrap_err().kind;
    assert_eq!([apart, at_once], [RefusalKind::RequestLineMalformed; 2]);
}

#[test]
fn a_reader_goes_on_to_the_next_head() {
    let mut buf =
        BytesMut::from(&b"GET /1 HTTP/1.1\r\na: b\r\n\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"[..]);
    let mut reader = HeadReader::new();
    for target in [b"/1", b"/2"] {
        let parsed = reader.request(&mut buf, &LIMITS).unwrap().unwrap();
        assert_eq!(parsed.target, &target[..]);
    }
    assert_eq!(reader.request(&mut buf, &LIMITS), Ok(None));
}

#[test]
fn a_head_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let head = |len: usize| {
        let rest = len - "GET / HTTP/1.1\r\na: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(rest))
    };
    assert_eq!(whole_request(&head(LIMITS.bytes)).head_bytes, LIMITS.bytes);
    assert_eq!(request(head(LIMITS.bytes + 1).as_bytes()), Err(No::HeadTooLong));
    assert_eq!(request(&head(LIMITS.bytes).as_bytes()[..LIMITS.bytes - 1]), Ok(None));
    // Full and without an end: no further byte could make it pass.
    let full = &head(LIMITS.bytes + 1).into_bytes()[..LIMITS.bytes];
    assert_eq!(request(full), Err(No::HeadTooLong));
    let answer = |len: usize| head(len).replace("GET / HTTP/1.1", "HTTP/1.1 200 O");
    assert_eq!(whole_response(&answer(LIMITS.bytes), &Method::GET).head_bytes, LIMITS.bytes);
    let over = answer(LIMITS.bytes + 1);
    let full = &over.as_bytes()[..LIMITS.bytes];
    assert_eq!(response(full, &Method::GET), Err(No::HeadTooLong));
    assert_eq!(response(over.as_bytes(), &Method::GET), Err(No::HeadTooLong));
}

#[test]
fn a_line_over_the_limit_is_blamed_on_the_target() {
    let head = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(LIMITS.bytes));
    assert_eq!(request(head.as_bytes()), Err(No::RequestLineTooLong));
    let answer = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(LIMITS.bytes));
    assert_eq!(response(answer.as_bytes(), &Method::GET), Err(No::HeadTooLong));
}

#[test]
fn field_lines_are_counted_as_they_come() {
    let head = |lines: usize| format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(lines));
    assert_eq!(whole_request(&(head(8) + "\r\n")).fields.len(), 8);
    assert_eq!(request(head(9).as_bytes()), Err(No::TooManyFields));
    let answer = head(9).replace("GET / HTTP/1.1", "HTTP/1.1 200 OK");
    assert_eq!(response(answer.as_bytes(), &Method::GET), Err(No::TooManyFields));
}

#[test]
fn the_framing_of_a_request_is_its_fields_alone() {
    let framing = |line: &str, fields: &str| {
        request(format!("{line}\r\n{fields}\r\n").as_bytes()).map(|parsed| parsed.unwrap().framing)
    };
    assert_eq!(framing("POST / HTTP/1.1", ""), Ok(Framing::None));
    assert_eq!(framing("GET / HTTP/1.1", "Content-Length: 0\r\n"), Ok(Framing::Length(0)));
    assert_eq!(framing("HEAD / HTTP/1.1", "Content-Length: 5\r\n"), Ok(Framing::Length(5)));
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(framing("GET / HTTP/1.1", chunked), Ok(Framing::Chunked));
    assert_eq!(framing("GET / HTTP/1.0", chunked), Err(No::TransferEncodingInHttp10));
    assert_eq!(
        framing("GET / HTTP/1.1", &format!("{chunked}Content-Length: 5\r\n")),
        Err(No::LengthAndTransferEncoding)
    );
}

#[test]
fn only_100_continue_may_be_expected_and_not_in_http_1_0() {
    let expects = |version: &str, expectation: &str| {
        let head = format!("PUT / {version}\r\nContent-Length: 1\r\nExpect: {expectation}\r\n\r\n");
        request(head.as_bytes()).map(|parsed| parsed.unwrap().expect_continue)
    };
    assert_eq!(expects("HTTP/1.1", "100-Continue"), Ok(true));
    assert_eq!(expects("HTTP/1.0", "100-continue"), Ok(false));
    assert_eq!(expects("HTTP/1.1", "tea"), Err(No::ExpectationUnknown));
}

#[test]
fn the_status_of_an_answer_without_a_sound_head_is_known_once_its_line_is() {
    let status = |bytes: &str| {
        let (mut reader, mut buf) = (HeadReader::new(), BytesMut::from(bytes));
        let read = reader.response(&mut buf, &LIMITS, &Method::GET);
        assert!(!matches!(read, Ok(Some(_))), "{bytes:?}");
        reader.status().map(|status| status.as_u16())
    };
    assert_eq!(status("HTTP/1.1 404 Not Found\r"), None);
    assert_eq!(status("HTTP/1.1 404 Not Found\r\nx"), Some(404));
    assert_eq!(status("HTTP/1.1 200 OK\r\na b: 1\r\n\r\n"), Some(200));
    assert_eq!(status("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Some(200));
    assert_eq!(status(&format!("HTTP/1.1 200 OK\r\na: {}", "a".repeat(600))), Some(200));
    assert_eq!(status("HTTP/1.1 103 Early Hints\r\nlink"), None, "that is no answer");
    assert_eq!(status("HTTP/2.0 200 OK\r\n\r\n"), None);
}

#[test]
fn status_lines_are_read_with_or_without_a_reason() {
    let parsed = |line: &str| {
        let head = format!("{line}\r\n\r\n");
        response(head.as_bytes(), &Method::GET).map(|parsed| {
            let parsed = parsed.unwrap();
            (parsed.status.as_u16(), String::from_utf8(parsed.reason.to_vec()).unwrap())
        })
    };
    assert_eq!(parsed("HTTP/1.1 200 OK"), Ok((200, "OK".into())));
    assert_eq!(parsed("HTTP/1.0 404 Not\tF\u{f6}und "), Ok((404, "Not\tF\u{f6}und ".into())));
    assert_eq!(parsed("HTTP/1.1 200 "), Ok((200, String::new())));
    assert_eq!(parsed("HTTP/1.7 200"), Ok((200, String::new())));
    assert_eq!(parsed("HTTP/1.1 999 x"), Ok((999, "x".into())));
    for odd in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1 099 x",
        "HTTP/1.1  200",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.x 200 OK",
        "HTTP/1.11 200 OK",
    ] {
        assert_eq!(parsed(odd), Err(No::StatusLineMalformed), "{odd}");
    }
    assert_eq!(parsed("HTTP/1.1 200 O\0K"), Err(No::ControlByte));
}

#[test]
fn the_framing_of_a_response_depends_on_what_it_answers() {
    let get = Method::GET;
    let none = (Framing::None, true);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases = [
        (&get, "200", "Content-Length: 5\r\n", (Framing::Length(5), true)),
        (&get, "200", "Content-Length: 0\r\n", (Framing::Length(0), true)),
        (&get, "200", chunked, (Framing::Chunked, true)),
        (&get, "200", "", (Framing::UntilClose, false)),
        (&get, "205", "Content-Length: 0\r\n", (Framing::Length(0), true)),
        (&Method::HEAD, "200", "Content-Length: 5\r\n", none),
        (&Method::HEAD, "200", chunked, none),
        (&Method::HEAD, "200", "", none),
        (&get, "304", "Content-Length: 5\r\n", none),
        (&get, "100", "", none),
        (&get, "101", "Upgrade: x\r\n", none),
        (&get, "103", "Link: x\r\n", none),
        (&get, "204", "", none),
        (&get, "204", "Content-Length: 0\r\n", none),
        (&get, "204", "Content-Length: 5\r\n", (Framing::None, false)),
        (&get, "204", chunked, (Framing::None, false)),
    ];
    for (method, status, fields, expected) in cases {
        let parsed = whole_response(&format!("HTTP/1.1 {status} x\r\n{fields}\r\n"), method);
        assert_eq!((parsed.framing, parsed.keep_alive), expected, "{method} {status} {fields}");
    }
}

#[test]
fn framing_faults_of_responses_are_refused_even_where_no_content_follows() {
    let cases = [
        ("1.1", "Content-Length: 5, 5\r\n", No::ContentLengthMalformed),
        ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", No::ContentLengthRepeated),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n", No::TransferEncodingUnknown),
        ("1.0", "Transfer-Encoding: chunked\r\n", No::TransferEncodingInHttp10),
        (
            "1.1",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            No::LengthAndTransferEncoding,
        ),
    ];
    for (version, fields, fault) in cases {
        for (method, status) in [(&Method::GET, 200), (&Method::HEAD, 200), (&Method::GET, 304)] {
            let head = format!("HTTP/{version} {status} x\r\n{fields}\r\n");
            assert_eq!(response(head.as_bytes(), method), Err(fault), "{head:?}");
        }
    }
}

#[test]
fn a_refused_request_shows_what_could_be_read_whenever_it_was_refused() {
    let seen = |head: &str| {
        let mut buf = BytesMut::from(head);
        HeadReader::new().request(&mut buf, &LIMITS).unwrap_err().seen.unwrap()
    };
    let early = "POST /a HTTP/1.1\r\nAccept: text/html\r\nb\0: c";
    let late = "POST /a HTTP/1.1\r\nAccept: text/html\r\nContent-Length: x\r\n\r\n";
    for head in [early, late] {
        let seen = seen(head);
        assert_eq!(seen.method, Some(Method::POST));
        assert_eq!(seen.target.as_deref(), Some(&b"/a"[..]));
        assert_eq!(seen.fields.first(&http::header::ACCEPT).unwrap(), "text/html");
    }
}

#[test]
fn a_trickled_head_is_not_looked_through_again() {
    let mut reader = HeadReader::new();
    let mut buf = BytesMut::from(&b"GET / HTTP/1.1\r\na: b"[..]);
    assert_eq!(reader.request(&mut buf, &LIMITS), Ok(None));
    // A byte that was found fine is not looked at a second time.
    buf[2] = 0;
    buf[18] = 0;
    buf.extend_from_slice(b"c\r\n");
    assert_eq!(reader.request(&mut buf, &LIMITS), Ok(None));
}
