//! Chunked answers, and answers that break off: RFC 9112 sections 7.1 and 8.

use super::response_case::{CHUNKED, ResponseCase, run, seen};

fn chunked(name: &'static str, cite: &'static str, body: &str) -> ResponseCase {
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    ResponseCase::new(name, cite, answer)
}

#[test]
fn chunked_answers_are_put_together_anew() {
    let grammar = "RFC 9112 §7.1";
    let case = |name, body, content: &str| {
        chunked(name, grammar, body).passes(seen("200 OK", "", CHUNKED), content)
    };
    run(&[
        case("one chunk", "2\r\nhi\r\n0\r\n\r\n", "hi"),
        case("many chunks", "1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "hi"),
        case("no content", "0\r\n\r\n", ""),
        case("an extension", "2;a=\"b\"\r\nhi\r\n0\r\n\r\n", "hi"),
        case("trailers", "2\r\nhi\r\n0\r\nX-B: 1\r\nX-A: 2\r\nX-B: 3\r\n\r\n", "hi")
            .trailing(&[("x-b", "1"), ("x-a", "2"), ("x-b", "3")]),
        case("space before the colon of a trailer", "2\r\nhi\r\n0\r\nX-A : 1\r\nSet-Cookie : a=b\r\n\r\n", "hi")
            .trailing(&[("x-a", "1")]),
        case("steering trailers", "2\r\nhi\r\n0\r\nSet-Cookie: a=b\r\nX-A: 2\r\nX-Request-Id: 1\r\n\r\n", "hi")
            .trailing(&[("x-a", "2")]),
        ResponseCase::new(
            "trailers that Connection names",
            "RFC 9110 §7.6.1: any header or trailer field",
            "HTTP/1.1 200 OK\r\nConnection: X-Hop, X-Hop-T\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Hop-T: secret\r\nX-A: 1\r\nX-Hop: 2\r\n\r\n",
        )
        .passes(seen("200 OK", "", CHUNKED), "hi")
        .trailing(&[("x-a", "1")]),
        ResponseCase::new(
            "closing behind the last chunk",
            "RFC 9112 §9.6",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        )
        .closing()
        .passes(seen("200 OK", "", CHUNKED), "hi"),
    ]);
}

#[test]
fn answers_that_break_off_are_never_taken_for_whole() {
    let length = |name, rest: &str| {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{rest}");
        ResponseCase::new(name, "RFC 9112 §8: incomplete unless the length came", answer)
    };
    let cut = |name, body| chunked(name, "RFC 9112 §8: incomplete without the last chunk", body);
    run(&[
        length("no byte of the length", "").closing(),
        length("half of the length", "hell").closing(),
        length("all but one of the length", "hello, w").closing(),
        length("half of the length and a reset", "hell").resetting(),
        cut("no chunk", "").closing(),
        cut("a size", "5").closing(),
        cut("a size line", "5\r\n").closing(),
        cut("half a chunk", "5\r\nhel").closing(),
        cut("a chunk without its end", "5\r\nhello").closing(),
        cut("a chunk with half its end", "5\r\nhello\r").closing(),
        cut("no last chunk", "5\r\nhello\r\n").closing(),
        cut("half a last chunk", "5\r\nhello\r\n0").closing(),
        cut("no end of the trailers", "5\r\nhello\r\n0\r\n").closing(),
        cut("half a trailer", "5\r\nhello\r\n0\r\nX-A").closing(),
        cut("no last chunk and a reset", "5\r\nhello\r\n").resetting(),
    ]);
}

#[test]
fn answers_with_bad_chunks_are_never_taken_for_whole() {
    let grammar = "RFC 9112 §7.1";
    run(&[
        chunked("no digit", grammar, "2\r\nhi\r\nxyz\r\n0\r\n\r\n"),
        chunked("a hexadecimal prefix", grammar, "2\r\nhi\r\n0x0\r\n\r\n"),
        chunked("a negative size", grammar, "2\r\nhi\r\n-1\r\n\r\n"),
        chunked("17 digits", grammar, "2\r\nhi\r\n10000000000000000\r\n\r\n"),
        chunked("a longer chunk than said", grammar, "2\r\nhi\r\n1\r\nhi\r\n0\r\n\r\n"),
        chunked("a bare LF", "RFC 9112 §2.2", "2\r\nhi\r\n0\n\r\n"),
        chunked(
            "a length in the trailers",
            "RFC 9110 §6.5.1",
            "2\r\nhi\r\n0\r\nContent-Length: 2\r\n\r\n",
        ),
        chunked("a trailer without a colon", "RFC 9112 §5", "2\r\nhi\r\n0\r\nX-A\r\n\r\n"),
        chunked("a folded trailer", "RFC 9112 §5.2", "2\r\nhi\r\n0\r\nX-A: 1\r\n 2\r\n\r\n"),
    ]);
}
