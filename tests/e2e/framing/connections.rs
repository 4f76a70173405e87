//! What ends with this hop: RFC 9110 sections 7.6.1, 7.8 and 10.1.1, and
//! HTTP/1.0 clients.

use super::case::{Bench, CHUNKED, Case, get, post, request, seen, seen_get};

#[test]
fn fields_of_this_hop_do_not_travel() {
    let hop = "RFC 9110 §7.6.1: intermediaries MUST remove";
    let case = |name, lines: &str, passed: &str| {
        Case::forwarded(name, hop, get(lines)).seen(seen_get(passed), "")
    };
    Bench::run(&[
        case("Connection", "Connection: keep-alive\r\nX-A: 1\r\n", "x-a: 1\r\n"),
        case("Keep-Alive", "Keep-Alive: timeout=5\r\nX-A: 1\r\n", "x-a: 1\r\n"),
        case("Proxy-Connection", "Proxy-Connection: close\r\n", ""),
        case("Proxy-Authorization", "Proxy-Authorization: Basic eA==\r\n", ""),
        case("Proxy-Authenticate", "Proxy-Authenticate: Basic\r\n", ""),
        case("TE without trailers", "TE: gzip\r\nConnection: te\r\n", ""),
        case("a named field", "Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\n", "x-b: 2\r\n"),
        case("a named field in another case", "Connection: X-A\r\nx-a: 1\r\n", ""),
        case("a field before it is named", "X-A: 1\r\nConnection: x-a\r\n", ""),
        case("named in a list", "Connection: keep-alive , x-a,,x-b\r\nX-A: 1\r\nX-B: 1\r\n", ""),
        case(
            "named in two lines",
            "Connection: x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 1\r\n",
            "",
        ),
        case("named and repeated", "Connection: x-a\r\nX-A: 1\r\nX-A: 2\r\n", ""),
        case("a field that is not there", "Connection: x-none\r\nX-A: 1\r\n", "x-a: 1\r\n"),
        case(
            "the request id is not named away",
            "Connection: x-request-id\r\nX-Request-Id: 1\r\n",
            "",
        ),
        case("a trailing comma", "Connection: x-a,\r\nX-A: 1\r\n", ""),
    ]);
}

#[test]
fn an_upgrade_is_asked_for_anew_and_never_to_http() {
    let anew = "RFC 9110 §7.8: of this hop, and HTTP/1.1 only";
    let case = |name, lines: &str| Case::forwarded(name, anew, get(lines)).seen(seen_get(""), "");
    let asked = "GET / HTTP/1.1\r\nhost: a.test\r\nx-request-id: ID\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let asks = |name, lines: &str| Case::forwarded(name, anew, get(lines)).seen(asked, "");
    Bench::run(&[
        asks("websocket", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        asks("odd spelling", "Connection: x, UpGrade\r\nuPgRaDe: websocket\r\n"),
        asks("beside h2c", "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"),
        case("not named", "Upgrade: websocket\r\n"),
        case("named alone", "Connection: upgrade\r\n"),
        case("no protocol", "Connection: upgrade\r\nUpgrade: web socket\r\n"),
        case("TLS", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n"),
        case("HTTP", "Connection: upgrade\r\nUpgrade: HTTP/2.0, h2\r\n"),
        case(
            "h2c with its settings",
            "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        ),
        case("h2c not named", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        case("in odd spelling", "Connection: UpGrade\r\nuPgRaDe: H2C\r\n"),
    ]);
}

#[test]
fn trailers_are_asked_for_when_the_client_takes_them() {
    let te = "RFC 9110 §10.1.4: TE is of this hop; a Connection option goes with it";
    let passed = "GET / HTTP/1.1\r\nhost: a.test\r\nx-request-id: ID\r\nconnection: te\r\nte: trailers\r\n\r\n";
    Bench::run(&[
        Case::forwarded("trailers", te, get("TE: trailers\r\nConnection: te\r\n")).seen(passed, ""),
        Case::forwarded("among others", te, get("TE: gzip;q=0.5, trailers\r\nConnection: te\r\n"))
            .seen(passed, ""),
    ]);
}

#[test]
fn expectations_are_met_or_refused() {
    let expect = "RFC 9110 §10.1.1";
    let unknown = "RFC 9110 §10.1.1: 417 for an expectation that is not known";
    let bad = |name, lines| {
        Case::refused(name, unknown, "expectation-failed", request("GET", "/", lines))
    };
    Bench::run(&[
        Case::forwarded(
            "with the body behind it",
            expect,
            post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
        )
        .seen(seen("POST", "/", "expect: 100-continue\r\n", "content-length: 5\r\n"), "hello"),
        Case::forwarded(
            "in odd case and chunked",
            "RFC 9110 §10.1.1: its value ignores case",
            post("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        )
        .seen(seen("POST", "/", "expect: 100-Continue\r\n", CHUNKED), "hello"),
        Case::forwarded(
            "from HTTP/1.0",
            "RFC 9110 §10.1.1: MUST ignore in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        )
        .seen(seen("POST", "/", "", "content-length: 2\r\n"), "hi")
        .then_closed(),
        bad("another", "Expect: 200-ok\r\n"),
        bad("a list", "Expect: 100-continue, x\r\n"),
        bad("with a parameter", "Expect: 100-continue; a=b\r\n"),
        bad("a second line", "Expect: 100-continue\r\nExpect: x\r\n"),
    ]);
}

#[test]
fn http_1_0_clients_are_served_as_they_ask() {
    let v10 = "RFC 9112 §9.3: HTTP/1.0 closes unless it asks to keep the connection";
    let send = |lines| format!("GET / HTTP/1.0\r\nHost: a.test\r\n{lines}\r\n");
    Bench::run(&[
        Case::forwarded("plain", v10, send("")).seen(seen_get(""), "").then_closed(),
        Case::forwarded("keep-alive", v10, send("Connection: keep-alive\r\n")).seen(seen_get(""), ""),
        Case::forwarded("keep-alive used twice", v10, send("Connection: keep-alive\r\n").repeat(2))
            .seen(seen_get(""), "")
            .seen(seen_get(""), ""),
        Case::forwarded(
            "keep-alive and close",
            "RFC 9112 §9.3: close beats keep-alive",
            send("Connection: keep-alive, close\r\n") + &send(""),
        )
        .seen(seen_get(""), "")
        .then_closed(),
        Case::forwarded("plain and a second request", v10, send("").repeat(2))
            .seen(seen_get(""), "")
            .then_closed(),
        Case::forwarded(
            "a length",
            "RFC 9112 §6.2",
            "POST / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi",
        )
        .seen(seen("POST", "/", "", "content-length: 2\r\n"), "hi")
        .then_closed(),
        Case::forwarded(
            "a length, then more bytes than it says",
            "RFC 9112 §6.3: the rest is no part of the request",
            "POST / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhiGET /evil HTTP/1.0\r\n\r\n",
        )
        .seen(seen("POST", "/", "", "content-length: 2\r\n"), "hi")
        .then_closed(),
    ]);
}
