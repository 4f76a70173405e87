//! The request line: RFC 9112 sections 2.2, 2.3 and 3.

use super::case::{Bench, Case, request, seen, seen_get};

const REST: &str = "\r\nHost: a.test\r\n\r\n";

#[test]
fn request_lines_that_are_none_are_refused() {
    let line = "RFC 9112 §3: method SP request-target SP HTTP-version";
    let version = "RFC 9112 §2.3: HTTP-version = HTTP/ DIGIT . DIGIT";
    let method = "RFC 9110 §9.1: method = token";
    let bad = [
        ("a space before", line, " GET / HTTP/1.1"),
        ("a tab before", line, "\tGET / HTTP/1.1"),
        ("two spaces after the method", line, "GET  / HTTP/1.1"),
        ("two spaces after the target", line, "GET /  HTTP/1.1"),
        ("a tab after the method", line, "GET\t/ HTTP/1.1"),
        ("a tab after the target", line, "GET /\tHTTP/1.1"),
        ("a tab in the target", line, "GET /a\tb HTTP/1.1"),
        ("a space in the target", line, "GET /a b HTTP/1.1"),
        ("a space behind", line, "GET / HTTP/1.1 "),
        ("a word behind", line, "GET / HTTP/1.1 x"),
        ("no version", line, "GET /"),
        ("no version but a space", line, "GET / "),
        ("no target", line, "GET HTTP/1.1"),
        ("an empty target", line, "GET  HTTP/1.1"),
        ("no method", line, "/ HTTP/1.1"),
        ("one word", line, "GET"),
        ("lower-case http", version, "GET / http/1.1"),
        ("two digits", version, "GET / HTTP/1.10"),
        ("a leading nought", version, "GET / HTTP/01.1"),
        ("no minor", version, "GET / HTTP/1"),
        ("no point", version, "GET / HTTP/11"),
        ("a comma", version, "GET / HTTP/1,1"),
        ("a sign", version, "GET / HTTP/+1.1"),
        ("a letter behind", version, "GET / HTTP/1.1a"),
        ("another protocol", version, "GET / ICY/1.1"),
        ("no slash", version, "GET / HTTP1.1"),
        ("a delimiter in the method", method, "G(T / HTTP/1.1"),
        ("a colon in the method", method, "GET: / HTTP/1.1"),
        ("a byte above ASCII in the method", method, "G\u{c9}T / HTTP/1.1"),
        ("NUL in the target", "RFC 9110 §5.5", "GET /\0 HTTP/1.1"),
        ("a control byte in the target", "RFC 3986 §2", "GET /\x1b HTTP/1.1"),
        ("DEL in the target", "RFC 3986 §2", "GET /\x7f HTTP/1.1"),
    ];
    let mut cases: Vec<_> = bad
        .iter()
        .map(|(name, cite, first)| {
            Case::refused(name, cite, "bad-request", format!("{first}{REST}"))
        })
        .collect();
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    cases.push(Case::refused("a TLS handshake", method, "bad-request", client_hello));
    let major = "RFC 9110 §15.6.6: 505 for a major version not supported";
    for first in ["GET / HTTP/2.0", "GET / HTTP/3.0", "GET / HTTP/0.9", "GET / HTTP/9.9"] {
        let send = format!("{first}{REST}");
        cases.push(Case::refused("another major version", major, "version-not-supported", send));
    }
    cases.push(Case::refused(
        "the preface of HTTP/2",
        "RFC 9113 §3.4: chosen so that an HTTP/1 server refuses it",
        "version-not-supported",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ));
    let line_end = "RFC 9112 §2.2: only CRLF ends a line";
    cases.extend([
        Case::refused(
            "CR in the target",
            line_end,
            "bad-framing",
            format!("GET /a\rb HTTP/1.1{REST}"),
        ),
        Case::refused(
            "a bare LF before",
            line_end,
            "bad-framing",
            format!("\nGET / HTTP/1.1{REST}"),
        ),
        Case::refused(
            "two empty lines before",
            "RFC 9112 §2.2: at least one is ignored, here one only",
            "bad-request",
            format!("\r\n\r\nGET / HTTP/1.1{REST}"),
        ),
    ]);
    Bench::run(&cases);
}

#[test]
fn request_lines_that_are_one_pass_with_their_bytes() {
    let method = |name, method| {
        Case::forwarded(name, "RFC 9110 §9.1: any token, case-sensitive", request(method, "/", ""))
            .seen(seen(method, "/", "", ""), "")
    };
    Bench::run(&[
        Case::forwarded(
            "an empty line before",
            "RFC 9112 §2.2: SHOULD ignore at least one",
            format!("\r\nGET / HTTP/1.1{REST}"),
        )
        .seen(seen_get(""), ""),
        Case::forwarded(
            "a higher minor version",
            "RFC 9110 §2.5: processed as the highest one conforms to",
            format!("GET / HTTP/1.2{REST}"),
        )
        .seen(seen_get(""), ""),
        method("an unregistered method", "PURGE"),
        method("a method in lower case", "get"),
        method("PATCH", "PATCH"),
        method("DELETE", "DELETE"),
        method("OPTIONS of a path", "OPTIONS"),
        method("a method with a dash", "M-SEARCH"),
        method("every mark of a token", "!#$%&'*+-.^_`|~"),
    ]);
}

#[test]
fn methods_that_a_router_cannot_serve_are_refused() {
    let trace = "design: TRACE is 405; RFC 9110 §9.3.8";
    let connect = "design: CONNECT is 405; RFC 9110 §9.3.6";
    Bench::run(&[
        Case::refused("TRACE", trace, "method-not-allowed", request("TRACE", "/", "")),
        Case::refused(
            "CONNECT",
            connect,
            "method-not-allowed",
            request("CONNECT", "a.test:443", ""),
        ),
        Case::refused(
            "CONNECT of a path",
            connect,
            "method-not-allowed",
            request("CONNECT", "/", ""),
        ),
        Case::ended(
            "a request sent early into the tunnel of a CONNECT",
            "RFC 9931: what is sent early may be somebody else's",
            "method-not-allowed",
            request("CONNECT", "a.test:443", "") + &request("GET", "/early", ""),
        ),
        Case::answered(
            "OPTIONS of everything",
            "design: answered by the router; RFC 9110 §9.3.7",
            204,
            request("OPTIONS", "*", ""),
        ),
    ]);
}
