//! How answers of endpoints are read and passed on: RFC 9112 sections 4 and
//! 6, RFC 9110 section 6.

use super::response_case::{CHUNKED, ResponseCase, run, seen};

const OK: &str = "HTTP/1.1 200 OK\r\n";
const HI: &str = "content-length: 2\r\n";

fn case(name: &'static str, cite: &'static str, answer: impl AsRef<[u8]>) -> ResponseCase {
    ResponseCase::new(name, cite, answer)
}

/// A 200 with these lines, and these bytes behind its head.
fn ok(name: &'static str, cite: &'static str, lines: &str, rest: &str) -> ResponseCase {
    case(name, cite, format!("{OK}{lines}\r\n{rest}"))
}

#[test]
fn answers_with_one_reading_pass() {
    let length = "RFC 9112 §6.3";
    let reason = "RFC 9112 §4: the reason is the sender's own";
    run(&[
        ok("a length", length, "Content-Length: 2\r\n", "hi").passes(seen("200 OK", "", HI), "hi"),
        ok("a length of nought", length, "Content-Length: 0\r\n", "")
            .passes(seen("200 OK", "", "content-length: 0\r\n"), ""),
        ok("until the end", "RFC 9112 §6.3 item 8", "", "hi")
            .closing()
            .passes(seen("200 OK", "", CHUNKED), "hi"),
        ok("nothing until the end", "RFC 9112 §6.3 item 8", "", "")
            .closing()
            .passes(seen("200 OK", "", CHUNKED), ""),
        ok("a length and close", "RFC 9112 §9.6", "Content-Length: 2\r\nConnection: close\r\n", "hi")
            .closing()
            .passes(seen("200 OK", "", HI), "hi"),
        ok("several Set-Cookie", "RFC 6265 §3: MUST NOT be folded", "Set-Cookie: a=1\r\nX-A: 1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n", "hi")
            .passes(seen("200 OK", "set-cookie: a=1\r\nx-a: 1\r\nset-cookie: b=2\r\n", HI), "hi"),
        ok("fields of this hop", "RFC 9110 §7.6.1", "Connection: x-h, keep-alive\r\nX-H: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nContent-Length: 2\r\n", "hi")
            .passes(seen("200 OK", "", HI), "hi"),
        ok("space before a colon", "RFC 9112 §5.1: a proxy MUST remove it", "X-A : 1\r\nSet-Cookie\t : a=b\r\nContent-Length: 2\r\n", "hi")
            .passes(seen("200 OK", "x-a: 1\r\nset-cookie: a=b\r\n", HI), "hi"),
        ok("space before the colon of a field of this hop", "RFC 9112 §5.1, RFC 9110 §7.6.1", "Connection : x-h\r\nX-H : 1\r\nKeep-Alive : timeout=5\r\nContent-Length: 2\r\n", "hi")
            .passes(seen("200 OK", "", HI), "hi"),
        case("an odd reason", reason, "HTTP/1.1 200 Fine \"by\" me\r\nContent-Length: 2\r\n\r\nhi")
            .passes(seen("200 Fine \"by\" me", "", HI), "hi"),
        case("another status of success", "RFC 9110 §15", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nhi")
            .passes(seen("299 Odd", "", HI), "hi"),
        case("an app's own error", "design: passes through untouched", "HTTP/1.1 503 Tired\r\nRetry-After: 9\r\nContent-Length: 2\r\n\r\nhi")
            .passes(seen("503 Tired", "retry-after: 9\r\n", HI), "hi"),
        case("a status beyond the classes", "design: an app's status passes", "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nhi")
            .passes(seen("999 Odd", "", HI), "hi"),
        case("HTTP/1.0", "RFC 9110 §2.5: sent on as the version of the sender", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            .closing()
            .passes(seen("200 OK", "", HI), "hi"),
        case("HTTP/1.0 until the end", "RFC 9112 §6.3 item 8", "HTTP/1.0 200 OK\r\n\r\nhi")
            .closing()
            .passes(seen("200 OK", "", CHUNKED), "hi"),
        ok("bytes above ASCII", "RFC 9110 §5.5: obs-text is opaque", "X-A: \u{e9}\r\nContent-Length: 2\r\n", "hi")
            .passes(seen("200 OK", "x-a: \u{c3}\u{a9}\r\n", HI), "hi"),
        ok("to HEAD, with a length", "RFC 9110 §9.3.2", "Content-Length: 12345\r\n", "")
            .to("HEAD")
            .passes(seen("200 OK", "content-length: 12345\r\n", ""), ""),
        ok("to HEAD, chunked", "RFC 9112 §6.1: may be sent to HEAD", "Transfer-Encoding: chunked\r\n", "")
            .to("HEAD")
            .passes(seen("200 OK", "", ""), ""),
        ok("to HEAD, no length", "RFC 9110 §9.3.2", "X-A: 1\r\n", "")
            .to("HEAD")
            .passes(seen("200 OK", "x-a: 1\r\n", ""), ""),
        case("204", "RFC 9112 §6.3 item 1", "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n")
            .passes(seen("204 No Content", "x-a: 1\r\n", ""), ""),
        case("204 with a length", "RFC 9110 §8.6: MUST NOT be in a 204", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
            .passes(seen("204 No Content", "", ""), ""),
        case("304 with a length", "RFC 9110 §15.4.5", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n")
            .passes(seen("304 Not Modified", "content-length: 99\r\netag: \"a\"\r\n", ""), ""),
    ]);
}

#[test]
fn bytes_behind_an_answer_belong_to_nobody() {
    let behind = "RFC 9112 §9.2: extra data after a response MUST NOT be taken for one";
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let none = "RFC 9112 §6.3 item 1: no content, whatever the fields say";
    run(&[
        ok("a second answer", behind, "Content-Length: 2\r\n", &format!("hi{evil}"))
            .passes(seen("200 OK", "", HI), "hi"),
        ok("more than the length", behind, "Content-Length: 2\r\n", "hi there")
            .passes(seen("200 OK", "", HI), "hi"),
        ok(
            "a second answer behind chunks",
            behind,
            "Transfer-Encoding: chunked\r\n",
            &format!("2\r\nhi\r\n0\r\n\r\n{evil}"),
        )
        .passes(seen("200 OK", "", CHUNKED), "hi"),
        ok("content to HEAD", none, "Content-Length: 47\r\n", evil)
            .to("HEAD")
            .passes(seen("200 OK", "content-length: 47\r\n", ""), ""),
        case(
            "content of a 204",
            none,
            format!("HTTP/1.1 204 No Content\r\nContent-Length: 47\r\n\r\n{evil}"),
        )
        .passes(seen("204 No Content", "", ""), ""),
        case(
            "chunks of a 204",
            none,
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        )
        .passes(seen("204 No Content", "", ""), ""),
        case(
            "content of a 304",
            none,
            format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 47\r\n\r\n{evil}"),
        )
        .passes(seen("304 Not Modified", "content-length: 47\r\n", ""), ""),
    ]);
}

#[test]
fn answers_that_two_readers_could_see_differently_are_refused() {
    let framing = "RFC 9112 §6.3 items 4 and 5: an unrecoverable error";
    let length = "RFC 9110 §8.6: Content-Length = 1*DIGIT";
    let line = "RFC 9112 §4: HTTP-version SP status-code SP [reason]";
    let field = "RFC 9112 §5: field-line = name : value";
    let space = "RFC 9112 §6.3: where it frames, by choice; see docs/architecture.md";
    let bad = |name, cite, lines: &str| {
        ok(name, cite, lines, "5\r\nhello\r\n0\r\n\r\n")
            .closing()
            .refused("upstream-protocol-error")
    };
    let odd = |name, cite, answer: &'static str| {
        case(name, cite, answer).closing().refused("upstream-protocol-error")
    };
    run(&[
        bad(
            "a length and a coding",
            framing,
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        bad(
            "a coding and a length",
            framing,
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ),
        bad("a length twice", framing, "Content-Length: 5\r\nContent-Length: 5\r\n"),
        bad("two lengths", framing, "Content-Length: 5\r\nContent-Length: 6\r\n"),
        bad("a list of lengths", framing, "Content-Length: 5, 5\r\n"),
        bad("a signed length", length, "Content-Length: +5\r\n"),
        bad("a negative length", length, "Content-Length: -5\r\n"),
        bad("an empty length", length, "Content-Length:\r\n"),
        bad("a length beyond 64 bits", length, "Content-Length: 18446744073709551616\r\n"),
        bad("another coding", framing, "Transfer-Encoding: gzip\r\n"),
        bad("identity", framing, "Transfer-Encoding: identity\r\n"),
        bad("two codings", framing, "Transfer-Encoding: gzip, chunked\r\n"),
        bad(
            "chunked twice",
            framing,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        bad("space before the colon of a length", space, "Content-Length : 5\r\n"),
        bad("a tab there, and a length", space, "Content-Length\t: 5\r\nContent-Length: 5\r\n"),
        bad("space before the colon of a coding", space, "Transfer-Encoding : chunked\r\n"),
        bad(
            "space there, and a length",
            space,
            "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
        ),
        bad("space before a colon and within the name", field, "X A : 1\r\nContent-Length: 5\r\n"),
        bad("space and no name", field, " : 1\r\nContent-Length: 5\r\n"),
        bad("a folded line", "RFC 9112 §5.2", "X-A: 1\r\n 2\r\nContent-Length: 5\r\n"),
        bad("a bare LF", "RFC 9112 §2.2", "X-A: 1\nContent-Length: 5\r\n"),
        bad("a bare CR", "RFC 9112 §2.2", "X-A: 1\rX\r\nContent-Length: 5\r\n"),
        bad("a NUL", "RFC 9110 §5.5", "X-A: \0\r\nContent-Length: 5\r\n"),
        bad("no colon", field, "X-A\r\nContent-Length: 5\r\n"),
        bad("no name", field, ": 1\r\nContent-Length: 5\r\n"),
        bad("a name that is none", field, "X A: 1\r\nContent-Length: 5\r\n"),
        odd(
            "HTTP/1.0 with a coding",
            "RFC 9112 §6.1",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        odd("HTTP/2.0", line, "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("lower-case http", line, "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("no version", line, "200 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("no status", line, "HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        odd("two digits", line, "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("four digits", line, "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("below 100", line, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"),
        odd("a sign", line, "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("two spaces", line, "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
        odd("a tab", line, "HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n"),
        odd(
            "an empty line before",
            "RFC 9112 §2.2: for servers only",
            "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        odd("no head at all", "RFC 9112 §2.1", "<html>hello</html>"),
        odd("a banner of another protocol", "RFC 9112 §2.1", "SSH-2.0-OpenSSH_9.9\r\n"),
        odd("a TLS alert", "RFC 9112 §2.1", "\x15\x03\x03\0\x02\x02\x46"),
        case(
            "101 unasked",
            "RFC 9110 §15.2.2: only to a request to upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        )
        .refused("upgrade-failed"),
    ]);
}

#[test]
fn answers_that_never_begin_are_resets() {
    let early = "RFC 9112 §8: an incomplete response";
    let gone = |name, answer: &'static str| case(name, early, answer).refused("upstream-reset");
    run(&[
        gone("nothing and a close", "").closing(),
        gone("nothing and a reset", "").resetting(),
        gone("half a status line", "HTTP/1.1 20").closing(),
        gone("half a head", "HTTP/1.1 200 OK\r\nContent-Le").closing(),
        gone("half a head and a reset", "HTTP/1.1 200 OK\r\nContent-Le").resetting(),
        gone("all but the last LF", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r").closing(),
        gone("an interim answer alone", "HTTP/1.1 103 Early Hints\r\n\r\n").closing(),
    ]);
}

#[test]
fn heads_beyond_their_limits_are_refused() {
    let limit = "design: limits.response_head_bytes";
    let large = |name, answer: String| {
        case(name, limit, answer).closing().refused("upstream-head-too-large")
    };
    let line = |bytes: usize| format!("X-A: {}\r\n", "a".repeat(bytes));
    let many = line(100).repeat(700);
    let exact = (64 << 10) - OK.len() - "X-A: \r\nContent-Length: 2\r\n\r\n".len();
    let fits = line(exact);
    run(&[
        large("65 KiB in a line", format!("{OK}{}\r\n", line(65 << 10))),
        large("2 MiB in a line", format!("{OK}{}\r\n", line(2 << 20))),
        large("2 MiB without an end", format!("{OK}X-A: {}", "a".repeat(2 << 20))),
        large("70 KiB in 700 lines", format!("{OK}{many}\r\n")),
        large("a reason of 70 KiB", format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(70 << 10))),
        ok("64 KiB to the byte", limit, &format!("{fits}Content-Length: 2\r\n"), "hi")
            .passes(seen("200 OK", &fits.to_lowercase(), HI), "hi"),
    ]);
}
