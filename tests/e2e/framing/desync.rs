//! How one side is made to count otherwise than the other: the known classes
//! of desynchronisation (CL.0, 0.CL, TE.0, obfuscated fields, early answers),
//! where no single line is malformed or where a line only looks like another.

use super::case::{Bench, CHUNKED, Case, get, post, request, seen, seen_get};
use super::response_case::{self, ResponseCase};
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router};

/// What must never come to be a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn sized(method: &str, target: &str, lines: &str) -> String {
    let lines = format!("{lines}Content-Length: {}\r\n", SMUGGLED.len());
    request(method, target, &lines) + SMUGGLED
}

fn chunked(method: &str, target: &str, lines: &str) -> String {
    let lines = format!("{lines}Transfer-Encoding: chunked\r\n");
    let size = SMUGGLED.len();
    request(method, target, &lines) + &format!("{size:x}\r\n{SMUGGLED}\r\n0\r\n\r\n")
}

/// Whatever is answered without an endpoint takes its content with it.
#[test]
fn content_of_what_the_router_answers_itself_is_no_request() {
    let cut = "RFC 9112 §6.3: the framing decides, not whether anybody wants the content";
    let own = |name, method, status, send: String| {
        Case::forwarded(name, cut, send + &get(""))
            .answered_first(method, status)
            .seen(seen_get(""), "")
    };
    let elsewhere = |send: String| send.replacen("Host: a.test", "Host: none.test", 1);
    let ended = |name, code, send| Case::ended(name, cut, code, send);
    Bench::run(&[
        own("OPTIONS * with a length", "OPTIONS", 204, sized("OPTIONS", "*", "")),
        own("OPTIONS * in chunks", "OPTIONS", 204, chunked("OPTIONS", "*", "")),
        own("at its last hop", "OPTIONS", 204, sized("OPTIONS", "/", "Max-Forwards: 0\r\n")),
        own("no route, with a length", "POST", 404, elsewhere(sized("POST", "/", ""))),
        own("no route, in chunks", "POST", 404, elsewhere(chunked("POST", "/", ""))),
        own("no route, HEAD", "HEAD", 404, elsewhere(sized("HEAD", "/", ""))),
        own("no route, no content", "GET", 404, elsewhere(get(""))),
        own("TRACE", "TRACE", 405, sized("TRACE", "/", "")),
        own("a path above the root", "GET", 400, sized("GET", "/../x", "")),
        ended("CONNECT", "method-not-allowed", sized("CONNECT", "a.test:80", "") + &get("")),
        ended(
            "no route, a bad chunk",
            "no-route",
            elsewhere(post("Transfer-Encoding: chunked\r\n", "zz\r\n")) + SMUGGLED,
        ),
    ]);
}

/// Who asked for a head only takes what is behind it for something else.
#[test]
fn a_request_for_a_head_that_is_refused_gets_one_length_and_no_content() {
    let router = Router::start(&Config::new());
    for lines in ["Host: a.test\r\nHost: b.test\r\n", "Host: a.test\r\nx y: 1\r\n"] {
        let mut client = Connection::open(router.address());
        client.send(format!("HEAD / HTTP/1.1\r\n{lines}\r\n"));
        let answer = client.answer("HEAD");
        assert_eq!(answer.status, 400, "{lines}");
        // Said once, of what a GET would get.
        assert_ne!(answer.field("content-length"), "0", "{lines}");
        assert_eq!(client.ending(), (Vec::new(), Fault::Closed), "{lines}");
    }
}

/// Fields that a reader behind us may take for framing, or not.
#[test]
fn what_only_looks_like_framing_is_none_and_does_not_travel() {
    let alias = "design: some servers fold `_` and `.` into `-`; framing has no honest aliases";
    let length = format!("content-length: {}\r\n", SMUGGLED.len());
    let mut cases = Vec::new();
    for name in ["Content_Length", "content.length", "CONTENT_LENGTH"] {
        let lines = format!("{name}: {}\r\n", SMUGGLED.len());
        cases.push(
            Case::forwarded("an alias alone is no length", alias, post(&lines, "") + &get(""))
                .seen(seen("POST", "/", "", ""), "")
                .seen(seen_get(""), ""),
        );
        cases.push(
            Case::forwarded("an alias beside a coding", alias, chunked("POST", "/", &lines))
                .seen(seen("POST", "/", "", CHUNKED), SMUGGLED),
        );
    }
    for name in ["Transfer_Encoding", "transfer.encoding", "TRANSFER_ENCODING"] {
        let lines = format!("{name}: chunked\r\n");
        cases.push(
            Case::forwarded("an alias beside a length", alias, sized("POST", "/", &lines))
                .seen(seen("POST", "/", "", &length), SMUGGLED),
        );
    }
    let token = "RFC 9110 §5.1: field-name = token";
    for name in [
        "\u{feff}Transfer-Encoding",
        "Transfer-Encoding\u{a0}",
        "Transfer\u{2010}Encoding",
        "\"Transfer-Encoding\"",
        "Transfer-Encoding\x0b",
        "\x7fTransfer-Encoding",
        "\x00Transfer-Encoding",
        "Transfer Encoding",
        "Transfer-Encoding\\",
        "(Transfer-Encoding)",
        ":transfer-encoding",
    ] {
        let lines = format!("{name}: chunked\r\n");
        let send = sized("POST", "/", &lines);
        cases.push(Case::refused("a coding in disguise", token, "bad-request", send));
    }
    Bench::run(&cases);
}

/// `Expect` in disguise makes one side wait where the other does not.
#[test]
fn an_expectation_never_moves_the_end_of_a_request() {
    let expect = "RFC 9110 §10.1.1";
    let unknown = "RFC 9110 §10.1.1: 417 for what is not known";
    let length = format!("content-length: {}\r\n", SMUGGLED.len());
    let disguised = |value: &str| {
        let send = sized("POST", "/", &format!("Expect: {value}\r\n"));
        Case::ended("in disguise", unknown, "expectation-failed", send)
    };
    let spelled = |lines: &str, passed: &str| {
        Case::forwarded("with content", expect, sized("POST", "/", lines) + &get(""))
            .seen(seen("POST", "/", passed, &length), SMUGGLED)
            .seen(seen_get(""), "")
    };
    let without = |name, send: String, head: String| {
        Case::forwarded(name, expect, send + &get("")).seen(head, "").seen(seen_get(""), "")
    };
    let asks = "Expect: 100-continue\r\n";
    Bench::run(&[
        spelled("Expect: 100-continue\r\n", "expect: 100-continue\r\n"),
        spelled("EXPECT:\t100-CONTINUE \r\n", "expect: 100-CONTINUE\r\n"),
        without("GET without content", get(asks), seen_get("")),
        without(
            "no content, and it is said",
            post("Expect: 100-continue\r\nContent-Length: 0\r\n", ""),
            seen("POST", "/", "", "content-length: 0\r\n"),
        ),
        disguised("y 100-continue"),
        disguised("100-continue y"),
        disguised("100-continue,"),
        disguised("100 -continue"),
        disguised("100-continue;"),
        disguised("\"100-continue\""),
        disguised("100-contin\u{fc}e"),
        disguised(""),
        Case::refused(
            "behind a control byte",
            "RFC 9110 §5.5: other control bytes are invalid",
            "bad-request",
            sized("POST", "/", "Expect:\x0b100-continue\r\n"),
        ),
        Case::refused(
            "folded",
            "RFC 9112 §5.2: MUST reject obs-fold",
            "bad-framing",
            sized("POST", "/", "Expect:\r\n 100-continue\r\n"),
        ),
    ]);
}

/// The same from endpoints, whose next answer would go to somebody else.
#[test]
fn answers_cannot_be_made_to_hold_another() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let none = "RFC 9112 §6.3 item 1: no content, whatever the framing says";
    let coding = "RFC 9112 §6.1: a coding not understood";
    let length = "RFC 9110 §8.6: Content-Length = 1*DIGIT";
    let splitting = "RFC 9110 §5.5: CR, LF and NUL end lines for some";
    let seen = response_case::seen;
    let bad = |cite, head: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
        let answer = head + "5\r\nhello\r\n0\r\n\r\n";
        ResponseCase::new("in disguise", cite, answer).closing().refused("upstream-protocol-error")
    };
    let hint = |name, framing: &str, rest: &str| {
        let answer = format!("HTTP/1.1 103 Early Hints\r\n{framing}\r\n\r\n{rest}");
        ResponseCase::new(name, none, answer)
    };
    let hi = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let length_2 = "content-length: 2\r\n";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n";
    let late = "RFC 9110 §15.2: before the final response";
    let reset = "HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nhi";
    let mut cases = vec![
        ResponseCase::new("chunks for HEAD", none, format!("HTTP/1.1 200 OK\r\n{chunks}{evil}"))
            .to("HEAD")
            .passes(seen("200 OK", "", ""), ""),
        hint("a hint with a length", "Content-Length: 99", hi)
            .passes(seen("200 OK", "", length_2), "hi"),
        hint("a hint with a coding", "Transfer-Encoding: chunked", hi)
            .passes(seen("200 OK", "", length_2), "hi"),
        hint("a hint with content", "Content-Length: 5", &format!("hello{evil}"))
            .refused("upstream-protocol-error"),
        ResponseCase::new("late hints", late, format!("{hi}HTTP/1.1 103 Hints\r\n\r\n{evil}"))
            .passes(seen("200 OK", "", length_2), "hi"),
        ResponseCase::new("content of a 205", "RFC 9112 §6.3: framed as any other", reset)
            .passes(seen("205 Reset Content", "", length_2), "hi"),
    ];
    for value in [
        "chunked, identity",
        "identity, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "xchunked",
        "chunked,",
        ",chunked",
        "",
        "chunked\x0b",
        "\x0cchunked",
        "chunked\u{85}",
        "chunked\r\nTransfer-Encoding: identity",
    ] {
        cases.push(bad(coding, &format!("Transfer-Encoding: {value}")));
    }
    for value in ["5 5", "0x5", "5;", "5,", "_5", "5.0", "\"5\"", "5\x0b", "\u{665}"] {
        cases.push(bad(length, &format!("Content-Length: {value}")));
    }
    for head in [
        "X-A: a\rSet-Cookie: b",
        "X-A: a\nSet-Cookie: b",
        "X-A: a\r\r\nSet-Cookie: b",
        "X-A: a\n\nSet-Cookie: b",
        "X-A: \0",
        "X\0A: 1",
        "\rX-A: 1",
        " X-A: 1",
    ] {
        cases.push(bad(splitting, head));
    }
    for reason in ["O\rK", "O\nK", "O\0K", "OK\r\r\nX: 1"] {
        let answer = format!("HTTP/1.1 200 {reason}\r\nContent-Length: 2\r\n\r\nhi");
        let case = ResponseCase::new("in the reason", splitting, answer);
        cases.push(case.refused("upstream-protocol-error"));
    }
    response_case::run(&cases);
}
