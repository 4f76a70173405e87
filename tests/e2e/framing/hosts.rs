//! `Host`: RFC 9112 section 3.2, RFC 9110 section 7.2.

use super::case::{Bench, Case, seen_get};

fn with_host(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\n{lines}\r\n")
}

#[test]
fn hosts_that_two_readers_could_see_differently_are_refused() {
    let must = "RFC 9112 §3.2: MUST 400: none, several, or an invalid value";
    let mut cases = vec![
        Case::refused("none", must, "ambiguous-host", with_host("X-A: 1\r\n")),
        Case::refused("nothing at all", must, "ambiguous-host", with_host("")),
        Case::refused(
            "the same twice",
            must,
            "ambiguous-host",
            with_host("Host: a.test\r\nHost: a.test\r\n"),
        ),
        Case::refused("two", must, "ambiguous-host", with_host("Host: a.test\r\nHost: b.test\r\n")),
        Case::refused(
            "two apart and in another case",
            must,
            "ambiguous-host",
            with_host("HOST: a.test\r\nX-A: 1\r\nhost: b.test\r\n"),
        ),
        Case::refused(
            "one and an empty one",
            must,
            "ambiguous-host",
            with_host("Host: a.test\r\nHost:\r\n"),
        ),
        Case::refused(
            "none in HTTP/1.0",
            "design: none is ambiguous; RFC 9112 §3.2 requires it of 1.1 only",
            "ambiguous-host",
            "GET / HTTP/1.0\r\n\r\n",
        ),
        Case::refused(
            "two in HTTP/1.0",
            must,
            "ambiguous-host",
            "GET / HTTP/1.0\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
        ),
    ];
    for value in [
        "",
        "a.test, b.test",
        "a.test,a.test",
        "a.test b.test",
        "a.test\tb.test",
        "http://a.test",
        "a.test/",
        "a.test/x",
        "/a.test",
        "a.test\\",
        "a.test?x",
        "a.test#x",
        "user@a.test",
        "@a.test",
        "a.test@evil.test",
        "a.test:x",
        "a.test:-1",
        "a.test:+80",
        "a.test:80:80",
        "a.test:65536",
        "a.test:99999999999999999999",
        "a.test:0x50",
        ":80",
        "..",
        "a..test",
        ".a.test",
        "a.test..",
        "[::1",
        "::1",
        "[::1]x",
        "[a.test]",
        "[]",
        "[fe80::1%25lo]",
        "[v1.x]",
        "a%2etest",
        "%61.test",
        "a.test%00",
        "a\"test",
        "<a.test>",
        "a'test",
        "a(test",
        "a!test",
        "a$test",
        "a&test",
        "a*test",
        "*",
        "*.test",
        "a;test",
        "a=test",
        "a~test",
        "a{test}",
        "a|test",
        "a^test",
        "a`test",
        "caf\u{e9}.test",
        "127.1",
        "0x7f.0.0.1",
        "010.0.0.1",
        "1.2.3.256",
        "1.2.3.4.5",
    ] {
        let send = with_host(&format!("Host: {value}\r\n"));
        cases.push(Case::refused("not a host, perhaps with a port", must, "ambiguous-host", send));
    }
    let label = format!("Host: {}.test\r\n", "a".repeat(64));
    cases.push(Case::refused(
        "a label of 64 bytes",
        "RFC 1035 §2.3.4",
        "ambiguous-host",
        with_host(&label),
    ));
    let long = format!("Host: {}test\r\n", "a.".repeat(130));
    cases.push(Case::refused("264 bytes", "RFC 1035 §2.3.4", "ambiguous-host", with_host(&long)));
    Bench::run(&cases);
}

#[test]
fn hosts_with_one_reading_are_forwarded_as_received() {
    let same = "design: the client's Host goes to the endpoint unchanged";
    let case = |name, value: &str| {
        let head = seen_get("").replace("a.test", value);
        Case::forwarded(name, same, with_host(&format!("Host: {value}\r\n"))).seen(head, "")
    };
    Bench::run(&[
        case("plain", "a.test"),
        case("a port", "a.test:80"),
        case("the largest port", "a.test:65535"),
        case("an empty port (RFC 3986 §3.2.3)", "a.test:"),
        case("upper case", "A.TeSt"),
        case("a trailing dot", "a.test."),
        case("a trailing dot and a port", "a.test.:8080"),
        Case::forwarded(
            "not the first line",
            "RFC 9110 §7.2: SHOULD be first, need not",
            with_host("X-A: 1\r\nHost: a.test\r\n"),
        )
        .seen(seen_get("x-a: 1\r\n"), ""),
        Case::forwarded(
            "named by Connection",
            "RFC 9110 §7.6.1; design: cannot name away what the router sets",
            with_host("Connection: host\r\nHost: a.test\r\n"),
        )
        .seen(seen_get(""), ""),
    ]);
}

#[test]
fn hosts_without_a_route_are_not_found() {
    let none = "design: no-route";
    let case = |name, value: &str| {
        Case::refused(name, none, "no-route", with_host(&format!("Host: {value}\r\n")))
    };
    Bench::run(&[
        case("another name", "b.test"),
        case("a name below", "x.a.test"),
        case("the name above", "test"),
        case("an underscore", "a_b.test"),
        case("an IPv4 address", "127.0.0.1"),
        case("an IPv6 address", "[::1]:8080"),
        case("a name of digits and letters", "1a.2b"),
    ]);
}
