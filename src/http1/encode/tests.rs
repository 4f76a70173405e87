use super::*;
use http::HeaderValue;

fn fields(lines: &[(&'static str, &'static str)]) -> FieldLines {
    lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

fn lying() -> FieldLines {
    fields(&[("content-length", "99"), ("x", "y"), ("transfer-encoding", "gzip")])
}

fn request(target: &[u8], framing: Framing) -> String {
    let mut out = BytesMut::new();
    encode_request_head(&mut out, &Method::PUT, target, &lying(), framing);
    String::from_utf8(out.to_vec()).unwrap()
}

fn response(
    version: Version,
    status: u16,
    reason: Option<&[u8]>,
    framing: Framing,
    keep: bool,
) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    let mut out = BytesMut::new();
    encode_response_head(&mut out, version, status, reason, &lying(), framing, keep);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn a_requests_framing_is_written_by_the_encoder_alone() {
    let start = "PUT /a HTTP/1.1\r\nx: y\r\n";
    let cases = [
        (Framing::None, ""),
        (Framing::UntilClose, ""),
        (Framing::Length(0), "content-length: 0\r\n"),
        (Framing::Length(u64::MAX), "content-length: 18446744073709551615\r\n"),
        (Framing::Chunked, "transfer-encoding: chunked\r\n"),
    ];
    for (framing, line) in cases {
        assert_eq!(request(b"/a", framing), format!("{start}{line}\r\n"));
    }
}

#[test]
fn a_target_cannot_end_its_line() {
    let cases = [
        ("/a\r\nx: y", "/a%0D%0Ax:%20y"),
        ("/a\nb", "/a%0Ab"),
        ("/a b", "/a%20b"),
        ("/a\tb", "/a%09b"),
        ("/\0\x7f", "/%00%7F"),
        ("/\u{e9}#\"<>", "/\u{e9}#\"<>"),
    ];
    for (target, written) in cases {
        let head = request(target.as_bytes(), Framing::None);
        assert_eq!(head, format!("PUT {written} HTTP/1.1\r\nx: y\r\n\r\n"));
    }
}

#[test]
fn a_responses_framing_is_written_by_the_encoder_alone() {
    let cases = [
        (200, Framing::Length(5), "x: y\r\ncontent-length: 5\r\n"),
        (200, Framing::Chunked, "x: y\r\ntransfer-encoding: chunked\r\n"),
        (200, Framing::UntilClose, "x: y\r\nconnection: close\r\n"),
        (200, Framing::None, "content-length: 99\r\nx: y\r\n"),
        (304, Framing::None, "content-length: 99\r\nx: y\r\n"),
        (204, Framing::None, "x: y\r\n"),
        (101, Framing::None, "x: y\r\n"),
    ];
    for (status, framing, lines) in cases {
        let head = response(Version::Http11, status, Some(b"R"), framing, true);
        assert_eq!(head, format!("HTTP/1.1 {status} R\r\n{lines}\r\n"), "{framing:?}");
    }
}

#[test]
fn connection_options_are_written_only_where_they_change_the_default() {
    let tail = |version, framing, keep| {
        let head = response(version, 200, Some(b""), framing, keep);
        head.trim_start_matches("HTTP/1.1 200 \r\nx: y\r\n").replace("\r\n", "|")
    };
    let length = Framing::Length(1);
    assert_eq!(tail(Version::Http11, length, true), "content-length: 1||");
    assert_eq!(tail(Version::Http11, length, false), "content-length: 1|connection: close||");
    assert_eq!(tail(Version::Http10, length, true), "content-length: 1|connection: keep-alive||");
    assert_eq!(tail(Version::Http10, length, false), "content-length: 1|connection: close||");
}

#[test]
fn http_1_0_is_never_sent_chunks() {
    let head = response(Version::Http10, 200, Some(b""), Framing::Chunked, true);
    assert_eq!(head, "HTTP/1.1 200 \r\nx: y\r\nconnection: close\r\n\r\n");
}

#[test]
fn a_reason_is_kept_unless_it_could_break_the_line() {
    let line = |status, reason| {
        let head = response(Version::Http11, status, reason, Framing::None, true);
        head.lines().next().map(str::to_owned).unwrap()
    };
    assert_eq!(line(200, Some(b"Fine\tso")), "HTTP/1.1 200 Fine\tso");
    assert_eq!(line(200, Some(b"")), "HTTP/1.1 200 ");
    assert_eq!(line(200, None), "HTTP/1.1 200 OK");
    assert_eq!(line(200, Some(b"a\r\nx: y")), "HTTP/1.1 200 OK");
    assert_eq!(line(799, None), "HTTP/1.1 799 ");
}

#[test]
fn an_informational_head_has_no_framing_and_no_connection_option() {
    let mut out = BytesMut::new();
    encode_informational(&mut out, StatusCode::CONTINUE, &lying());
    assert_eq!(out, &b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n"[..]);
}
