//! `Content-Length`: RFC 9110 section 8.6, RFC 9112 section 6.

use super::case::{Bench, Case, get, post, request, seen};

const LENGTH: &str = "RFC 9110 §8.6: Content-Length = 1*DIGIT";
const TWICE: &str = "RFC 9110 §8.6: a second line may be refused, and here is";

#[test]
fn content_lengths_that_are_not_one_number_are_refused() {
    let odd = [
        ("empty", ""),
        ("plus sign", "+5"),
        ("minus sign", "-5"),
        ("minus nought", "-0"),
        ("two numbers", "5 5"),
        ("list of the same", "5, 5"),
        ("list without a space", "5,5"),
        ("list of two", "5, 6"),
        ("list with an empty member", "5,"),
        ("leading comma", ",5"),
        ("hexadecimal", "0x5"),
        ("octal prefix", "0o5"),
        ("letters behind", "5a"),
        ("fraction", "5.0"),
        ("exponent", "1e1"),
        ("underscore", "1_0"),
        ("parameter", "5;a=b"),
        ("trailing semicolon", "5;"),
        ("quoted", "\"5\""),
        ("words", "five"),
        ("digits of another script", "\u{ff15}"),
        ("one too many for 64 bits", "18446744073709551616"),
        ("far too many for 64 bits", "99999999999999999999999999999999999999"),
        ("a tab inside", "1\t0"),
    ];
    let mut cases: Vec<_> = odd
        .iter()
        .map(|(name, value)| {
            let line = format!("Content-Length: {value}\r\n");
            Case::refused(name, LENGTH, "bad-framing", post(&line, "hello"))
        })
        .collect();
    cases.extend([
        Case::refused(
            "the same twice",
            TWICE,
            "bad-framing",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        ),
        Case::refused(
            "two that differ",
            "RFC 9112 §6.3 item 5: an unrecoverable error",
            "bad-framing",
            post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
        ),
        Case::refused(
            "two in different case",
            TWICE,
            "bad-framing",
            post("content-length: 0\r\nCONTENT-LENGTH: 5\r\n", "hello"),
        ),
        Case::refused(
            "two with a line between",
            TWICE,
            "bad-framing",
            post("Content-Length: 5\r\nX-A: 1\r\nContent-Length: 5\r\n", "hello"),
        ),
        Case::refused(
            "space before the colon",
            "RFC 9112 §5.1: MUST reject with 400",
            "bad-framing",
            post("Content-Length : 5\r\n", "hello"),
        ),
        Case::refused(
            "tab before the colon",
            "RFC 9112 §5.1: MUST reject with 400",
            "bad-framing",
            post("Content-Length\t: 5\r\n", "hello"),
        ),
        Case::refused(
            "folded value",
            "RFC 9112 §5.2: MUST reject obs-fold",
            "bad-framing",
            post("Content-Length:\r\n 5\r\n", "hello"),
        ),
        Case::refused(
            "a vertical tab behind",
            "RFC 9110 §5.5: other control bytes are invalid",
            "bad-request",
            post("Content-Length: 5\x0b\r\n", "hello"),
        ),
    ]);
    Bench::run(&cases);
}

#[test]
fn content_lengths_that_are_one_number_travel_in_one_spelling() {
    let five = || seen("POST", "/", "", "content-length: 5\r\n");
    let spelled = |name, cite, line: &str| {
        Case::forwarded(name, cite, post(line, "hello")).seen(five(), "hello")
    };
    Bench::run(&[
        spelled("plain", LENGTH, "Content-Length: 5\r\n"),
        spelled("lower case", "RFC 9110 §5.1: names ignore case", "content-length: 5\r\n"),
        spelled("odd case", "RFC 9110 §5.1: names ignore case", "cOnTeNt-LeNgTh: 5\r\n"),
        spelled("no space", "RFC 9112 §5: OWS may be nothing", "Content-Length:5\r\n"),
        spelled("blanks around", "RFC 9112 §5.1: OWS is no part", "Content-Length: \t 5 \t \r\n"),
        spelled("leading noughts", LENGTH, "Content-Length: 0000000000000000000000005\r\n"),
        spelled(
            "named by Connection",
            "RFC 9110 §7.6.1: framing is the router's own",
            "Connection: content-length\r\nContent-Length: 5\r\n",
        ),
        spelled(
            "an alias with underscores",
            "design: framing has no honest aliases",
            "Content-Length: 5\r\nContent_Length: 7\r\n",
        ),
        Case::forwarded("nought", LENGTH, post("Content-Length: 0\r\n", ""))
            .seen(seen("POST", "/", "", "content-length: 0\r\n"), ""),
        Case::forwarded("none on POST", "RFC 9112 §6.3 item 7: no body", post("", ""))
            .seen(seen("POST", "/", "", ""), ""),
        Case::forwarded(
            "on GET",
            "RFC 9110 §9.3.1: framing holds whatever the method",
            get("Content-Length: 5\r\n") + "hello",
        )
        .seen(seen("GET", "/", "", "content-length: 5\r\n"), "hello"),
        Case::forwarded(
            "on DELETE",
            "RFC 9110 §9.3.5: framing holds whatever the method",
            request("DELETE", "/", "Content-Length: 5\r\n") + "hello",
        )
        .seen(seen("DELETE", "/", "", "content-length: 5\r\n"), "hello"),
        Case::forwarded(
            "content that looks like a request",
            "RFC 9112 §6.3 item 6: the length alone decides",
            post("Content-Length: 38\r\n", "GET /evil HTTP/1.1\r\nHost: a.test\r\n\r\nxx"),
        )
        .seen(
            seen("POST", "/", "", "content-length: 38\r\n"),
            "GET /evil HTTP/1.1\r\nHost: a.test\r\n\r\nxx",
        ),
    ]);
}
