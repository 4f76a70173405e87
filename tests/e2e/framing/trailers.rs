//! Trailer sections of requests: RFC 9110 section 6.5, RFC 9112 section 7.1.2.

use super::case::{Bench, CHUNKED, Case, post, seen};

fn with_trailers(trailers: &str) -> String {
    let body = format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
    post("Transfer-Encoding: chunked\r\n", &body)
}

#[test]
fn trailers_are_kept_in_order_except_those_that_would_steer() {
    let forbidden = "RFC 9110 §6.5.1: not where it affects framing, routing or trust";
    let case = |name, cite, trailers, kept: &[_]| {
        Case::forwarded(name, cite, with_trailers(trailers))
            .seen(seen("POST", "/", "", CHUNKED), "hello")
            .trailing(kept)
    };
    let mut cases = vec![
        case("one", "RFC 9110 §6.5", "X-Sum: 1\r\n", &[("x-sum", "1")]),
        case(
            "repeated, in order",
            "RFC 9110 §5.3",
            "X-B: 1\r\nX-A: 2\r\nX-B: 3\r\n",
            &[("x-b", "1"), ("x-a", "2"), ("x-b", "3")],
        ),
        case("blanks trimmed", "RFC 9112 §5.1", "X-A: \t1 \r\n", &[("x-a", "1")]),
        case("an empty value", "RFC 9112 §5", "X-A:\r\n", &[("x-a", "")]),
    ];
    for steering in [
        "Host: evil.test\r\n",
        "Connection: close\r\n",
        "Authorization: Basic eA==\r\n",
        "Cookie: a=b\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Encoding: gzip\r\n",
        "Expect: 100-continue\r\n",
        "Upgrade: h2c\r\n",
        "TE: trailers\r\n",
        "Trailer: x\r\n",
        "X-Request-Id: forged\r\n",
        "Forwarded: for=1.2.3.4\r\n",
        "X-Forwarded-For: 1.2.3.4\r\n",
        "X-Forwarded-Client-Cert: forged\r\n",
        "Content_Length: 7\r\n",
        "Transfer_Encoding: chunked\r\n",
        "X_Request_Id: forged\r\n",
        "Set-Cookie: a=b\r\n",
        "Range: bytes=0-\r\n",
        "Content-Range: bytes 0-0/1\r\n",
        "Max-Forwards: 0\r\n",
    ] {
        let lines = format!("{steering}X-A: 1\r\n");
        let case = Case::forwarded("a steering field", forbidden, with_trailers(&lines))
            .seen(seen("POST", "/", "", CHUNKED), "hello")
            .trailing(&[("x-a", "1")]);
        cases.push(case);
    }
    Bench::run(&cases);
}

#[test]
fn trailer_sections_are_as_strict_as_heads() {
    let case =
        |name, cite, code, trailers: &str| Case::aborted(name, cite, code, with_trailers(trailers));
    let framing = "RFC 9110 §6.5.1: framing comes before the content";
    let many = "X-A: 1\r\n".repeat(129);
    let long = format!("X-A: {}\r\n", "a".repeat(65 << 10));
    Bench::run(&[
        case("a length", framing, "bad-framing", "Content-Length: 5\r\n"),
        case("a coding", framing, "bad-framing", "Transfer-Encoding: chunked\r\n"),
        case("space before the colon", "RFC 9112 §5.1", "bad-framing", "X-A : 1\r\n"),
        case("a folded line", "RFC 9112 §5.2", "bad-framing", "X-A: 1\r\n 2\r\n"),
        case("a bare LF", "RFC 9112 §2.2", "bad-framing", "X-A: 1\nX-B: 2\r\n"),
        case("a bare CR", "RFC 9112 §2.2", "bad-framing", "X-A: 1\rX-B: 2\r\n"),
        case("a NUL", "RFC 9110 §5.5", "bad-request", "X-A: \0\r\n"),
        case("no colon", "RFC 9112 §5", "bad-request", "X-A\r\n"),
        case("a name that is none", "RFC 9110 §5.1", "bad-request", "X(A): 1\r\n"),
        case("129 lines", "design: limits.request_headers", "request-head-too-large", &many),
        case("65 KiB", "design: limits.request_head_bytes", "request-head-too-large", &long),
    ]);
}
