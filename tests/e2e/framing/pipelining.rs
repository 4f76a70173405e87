//! Several requests in one piece: RFC 9112 sections 9.3 and 9.3.2.

use super::case::{Bench, CHUNKED, Case, get, post, request, seen, seen_get};

#[test]
fn pipelined_requests_are_cut_where_their_framing_says() {
    let order = "RFC 9112 §9.3.2: answered in the order they came";
    let cut = "RFC 9112 §6.3: the length of the body decides, nothing else";
    let length = |n: usize| format!("content-length: {n}\r\n");
    let smuggled = "GET /evil HTTP/1.1\r\nHost: a.test\r\n\r\n";
    Bench::run(&[
        Case::forwarded("two", order, get("X-A: 1\r\n") + &get("X-A: 2\r\n"))
            .seen(seen_get("x-a: 1\r\n"), "")
            .seen(seen_get("x-a: 2\r\n"), ""),
        Case::forwarded("twenty", order, get("").repeat(20)).seen_times(20, seen_get("")),
        Case::forwarded("behind a body", cut, post("Content-Length: 5\r\n", "hello") + &get(""))
            .seen(seen("POST", "/", "", &length(5)), "hello")
            .seen(seen_get(""), ""),
        Case::forwarded("behind no body", cut, post("Content-Length: 0\r\n", "") + &get(""))
            .seen(seen("POST", "/", "", &length(0)), "")
            .seen(seen_get(""), ""),
        Case::forwarded("behind a POST without framing", cut, post("", "") + &get(""))
            .seen(seen("POST", "/", "", ""), "")
            .seen(seen_get(""), ""),
        Case::forwarded(
            "behind chunks",
            cut,
            post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n") + &get(""),
        )
        .seen(seen("POST", "/", "", CHUNKED), "hello")
        .seen(seen_get(""), ""),
        Case::forwarded(
            "behind trailers",
            cut,
            post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\nX-T: 1\r\n\r\n") + &get(""),
        )
        .seen(seen("POST", "/", "", CHUNKED), "a")
        .trailing(&[("x-t", "1")])
        .seen(seen_get(""), ""),
        Case::forwarded(
            "a request inside a body",
            cut,
            post(&format!("Content-Length: {}\r\n", smuggled.len()), smuggled) + &get(""),
        )
        .seen(seen("POST", "/", "", &length(smuggled.len())), smuggled)
        .seen(seen_get(""), ""),
        Case::forwarded(
            "a request inside the body of a GET",
            cut,
            get(&format!("Content-Length: {}\r\n", smuggled.len())) + smuggled + &get(""),
        )
        .seen(seen("GET", "/", "", &length(smuggled.len())), smuggled)
        .seen(seen_get(""), ""),
        Case::forwarded(
            "HEAD in between",
            "RFC 9110 §9.3.2: no content to HEAD, whatever its Content-Length",
            get("") + &request("HEAD", "/", "") + &get(""),
        )
        .seen(seen_get(""), "")
        .seen(seen("HEAD", "/", "", ""), "")
        .seen(seen_get(""), ""),
        Case::forwarded(
            "an empty line in between",
            "RFC 9112 §2.2: SHOULD ignore an empty line before a request",
            get("") + "\r\n" + &get(""),
        )
        .seen(seen_get(""), "")
        .seen(seen_get(""), ""),
    ]);
}

#[test]
fn what_comes_behind_an_end_is_not_forwarded() {
    let close = "RFC 9112 §9.6: close: no further request is processed";
    let length = |n: usize| format!("content-length: {n}\r\n");
    Bench::run(&[
        Case::forwarded("behind close", close, get("Connection: close\r\n") + &get(""))
            .seen(seen_get(""), "")
            .then_closed(),
        Case::forwarded(
            "behind close in a list",
            close,
            get("Connection: x, CLOSE\r\n") + &get(""),
        )
        .seen(seen_get(""), "")
        .then_closed(),
        Case::forwarded(
            "garbage behind a body",
            "RFC 9112 §6.3: bytes beyond the body are the next request",
            post("Content-Length: 5\r\n", "hello there\r\n\r\n"),
        )
        .seen(seen("POST", "/", "", &length(5)), "hello")
        .then_refused("bad-request"),
        Case::forwarded(
            "a bad one behind a good one",
            "RFC 9112 §9.3.2: each judged on its own",
            get("") + &post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        )
        .seen(seen_get(""), "")
        .then_refused("bad-framing"),
        Case::refused(
            "a good one behind a bad one",
            "RFC 9112 §6.3 item 5: close; where the next begins is not known",
            "bad-framing",
            post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello") + &get(""),
        ),
        Case::refused(
            "a good one behind a coding in HTTP/1.0",
            "RFC 9112 §6.1: MUST close after such a message",
            "bad-framing",
            "POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned()
                + &get(""),
        ),
        Case::aborted(
            "a good one behind a bad chunk",
            "RFC 9112 §7.1: where the next request begins is not known",
            "bad-framing",
            post("Transfer-Encoding: chunked\r\n", "xyz\r\n0\r\n\r\n") + &get(""),
        ),
        Case::forwarded(
            "a head that never ends behind a good one",
            "RFC 9112 §8: an incomplete request is not processed",
            get("") + "GET /half HTTP/1.1\r\nHost: a.t",
        )
        .seen(seen_get(""), ""),
    ]);
}
