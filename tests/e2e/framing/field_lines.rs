//! Field lines: RFC 9112 sections 2.2 and 5, RFC 9110 section 5.

use super::case::{Bench, Case, get, seen_get};

#[test]
fn field_lines_that_two_readers_could_see_differently_are_refused() {
    let line = "RFC 9112 §2.2: a bare LF or CR is no line end and no part of a line";
    let fold = "RFC 9112 §5.2: a server MUST reject obs-fold or replace it";
    let colon = "RFC 9112 §5.1: MUST reject whitespace before the colon";
    let first = "RFC 9112 §2.2: whitespace between the start line and the first field";
    let refused = |name, cite, lines| Case::refused(name, cite, "bad-framing", get(lines));
    Bench::run(&[
        refused("LF in a value", line, "X-A: 1\nX-B: 2\r\n"),
        refused("CR in a value", line, "X-A: 1\rX-B: 2\r\n"),
        refused("CR at the end of a value", line, "X-A: 1\r\r\n"),
        refused("LF at the start of a value", line, "X-A: \nX-B: 2\r\n"),
        refused("LF ends the last field", line, "X-A: 1\n"),
        refused("LF in a name", line, "X\n-A: 1\r\n"),
        Case::refused("LF everywhere", line, "bad-framing", "GET / HTTP/1.1\nHost: a.test\n\n"),
        Case::refused(
            "LF ends the head",
            line,
            "bad-framing",
            "GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        ),
        Case::refused(
            "LF ends the request line",
            line,
            "bad-framing",
            "GET / HTTP/1.1\nHost: a.test\r\n\r\n",
        ),
        Case::refused("CR everywhere", line, "bad-framing", "GET / HTTP/1.1\rHost: a.test\r\r"),
        refused("folded with a space", fold, "X-A: 1\r\n 2\r\n"),
        refused("folded with a tab", fold, "X-A: 1\r\n\t2\r\n"),
        refused("folded into nothing", fold, "X-A: 1\r\n \r\n"),
        refused("folded into a field", fold, "X-A: 1\r\n X-B: 2\r\n"),
        Case::refused(
            "a space before the first field",
            first,
            "bad-framing",
            "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
        ),
        Case::refused(
            "a tab before the first field",
            first,
            "bad-framing",
            "GET / HTTP/1.1\r\n\tX: 1\r\nHost: a.test\r\n\r\n",
        ),
        refused("space before the colon", colon, "X-A : 1\r\n"),
        refused("tab before the colon", colon, "X-A\t: 1\r\n"),
        Case::refused(
            "space before the colon of Host",
            colon,
            "bad-framing",
            "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        ),
    ]);
}

#[test]
fn field_lines_with_bytes_that_have_no_place_are_refused() {
    let value = "RFC 9110 §5.5: CR, LF and NUL are dangerous; other CTLs are invalid";
    let name = "RFC 9110 §5.1: field-name = token";
    let mut cases = vec![
        Case::refused("no colon", "RFC 9112 §5", "bad-request", get("X-A\r\n")),
        Case::refused("no name", name, "bad-request", get(": 1\r\n")),
        Case::refused("NUL in a name", name, "bad-request", get("X\0A: 1\r\n")),
        Case::refused("a byte above ASCII in a name", name, "bad-request", get("X\u{e9}: 1\r\n")),
    ];
    for control in ['\0', '\x01', '\x08', '\x0b', '\x0c', '\x1b', '\x1f', '\x7f'] {
        let line = format!("X-A: a{control}b\r\n");
        cases.push(Case::refused("a control byte in a value", value, "bad-request", get(&line)));
    }
    for delimiter in "(),/;<=>?@[\\]{}\" ".chars() {
        let line = format!("X{delimiter}A: 1\r\n");
        cases.push(Case::refused("a delimiter in a name", name, "bad-request", get(&line)));
    }
    Bench::run(&cases);
}

#[test]
fn field_lines_that_mean_one_thing_pass_in_order() {
    let case = |name, cite, lines: &str, passed: &str| {
        Case::forwarded(name, cite, get(lines)).seen(seen_get(passed), "")
    };
    let long = "a".repeat(40 << 10);
    let long_line = format!("x-long: {long}\r\n");
    let latin: Vec<u8> =
        [&b"GET / HTTP/1.1\r\nHost: a.test\r\nX-A: caf\xe9 \x80\xff\r\n\r\n"[..]].concat();
    Bench::run(&[
        case(
            "names in lower case",
            "RFC 9110 §5.1: names ignore case",
            "X-AbC: Q\r\n",
            "x-abc: Q\r\n",
        ),
        case(
            "repeated lines stay apart",
            "RFC 9110 §5.3: the order of lines of one name matters",
            "X-B: 1\r\nX-A: 2\r\nX-B: 3, 4\r\n",
            "x-b: 1\r\nx-a: 2\r\nx-b: 3, 4\r\n",
        ),
        case("no blank", "RFC 9112 §5: OWS may be nothing", "X-A:1\r\n", "x-a: 1\r\n"),
        case("blanks around", "RFC 9112 §5.1: OWS is no part", "X-A: \t 1 \t\r\n", "x-a: 1\r\n"),
        case(
            "a tab inside",
            "RFC 9110 §5.5: HTAB may stand inside",
            "X-A: 1\t2\r\n",
            "x-a: 1\t2\r\n",
        ),
        case("spaces inside", "RFC 9110 §5.5: not combined", "X-A: 1   2\r\n", "x-a: 1   2\r\n"),
        case("an empty value", "RFC 9112 §5", "X-A:\r\n", "x-a: \r\n"),
        case("a value of blanks", "RFC 9112 §5.1", "X-A: \t \r\n", "x-a: \r\n"),
        case(
            "colons in a value",
            "RFC 9112 §5: the first colon ends the name",
            "X-A: :b:\r\n",
            "x-a: :b:\r\n",
        ),
        case(
            "every mark of a token",
            "RFC 9110 §5.6.2",
            "!#$%&'*+-.^_`|~09aZ: 1\r\n",
            "!#$%&'*+-.^_`|~09az: 1\r\n",
        ),
        case(
            "quotes and commas",
            "RFC 9110 §5.5",
            "X-A: \"a, b\", (c)\r\n",
            "x-a: \"a, b\", (c)\r\n",
        ),
        case("an underscore", "RFC 9110 §5.1: a token", "X_A: 1\r\n", "x_a: 1\r\n"),
        case("40 KiB", "RFC 9110 §5.4: within the limit", &long_line, &long_line),
        Case::forwarded("bytes above ASCII", "RFC 9110 §5.5: obs-text is opaque", latin)
            .seen(seen_get("x-a: caf\u{e9} \u{80}\u{ff}\r\n"), ""),
    ]);
}
