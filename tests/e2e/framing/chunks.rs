//! Chunked request bodies: RFC 9112 section 7.1.

use super::case::{Bench, CHUNKED, Case, post, seen};

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn chunks_that_two_readers_could_cut_differently_are_refused() {
    let size = "RFC 9112 §7.1: chunk-size = 1*HEXDIG";
    let end = "RFC 9112 §7.1: chunk-data CRLF";
    let line = "RFC 9112 §2.2: only CRLF ends a line";
    let blanks = "RFC 9112 §7.1.1: blanks stand only round an extension";
    let extension = "RFC 9112 §7.1.1: chunk-ext is a token or a quoted string";
    let bad = [
        ("no size", size, "\r\nhello\r\n0\r\n\r\n"),
        ("hexadecimal prefix", size, "0x5\r\nhello\r\n0\r\n\r\n"),
        ("plus sign", size, "+5\r\nhello\r\n0\r\n\r\n"),
        ("minus sign", size, "-5\r\nhello\r\n0\r\n\r\n"),
        ("no digit", size, "g\r\nhello\r\n0\r\n\r\n"),
        ("a letter behind the digits", size, "5g\r\nhello\r\n0\r\n\r\n"),
        ("suffix h", size, "5h\r\nhello\r\n0\r\n\r\n"),
        ("underscore", size, "0_5\r\nhello\r\n0\r\n\r\n"),
        ("comma", size, "5,5\r\nhello\r\n0\r\n\r\n"),
        ("quoted", size, "\"5\"\r\nhello\r\n0\r\n\r\n"),
        ("digits of another script", size, "\u{ff15}\r\nhello\r\n0\r\n\r\n"),
        (
            "17 digits",
            "RFC 9112 §7.1: beware of overflow",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "17 digits with noughts",
            "RFC 9112 §7.1: beware of overflow",
            "00000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        ("space before", blanks, " 5\r\nhello\r\n0\r\n\r\n"),
        ("tab before", blanks, "\t5\r\nhello\r\n0\r\n\r\n"),
        ("space behind", blanks, "5 \r\nhello\r\n0\r\n\r\n"),
        ("tab behind", blanks, "5\t\r\nhello\r\n0\r\n\r\n"),
        ("two sizes", blanks, "5 5\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the size", line, "5\nhello\r\n0\r\n\r\n"),
        ("CR behind the size", line, "5\rhello\r\n0\r\n\r\n"),
        ("CR CR LF behind the size", line, "5\r\r\nhello\r\n0\r\n\r\n"),
        ("LF inside an extension", line, "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("CR inside an extension", line, "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("LF inside a quoted extension", line, "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
        ("CRLF inside a quoted extension", extension, "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
        ("an unclosed quote", extension, "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
        ("NUL inside an extension", extension, "5;a=\0\r\nhello\r\n0\r\n\r\n"),
        ("a longer chunk than said", end, "4\r\nhello\r\n0\r\n\r\n"),
        ("a shorter chunk than said", end, "6\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the data", line, "5\r\nhello\n0\r\n\r\n"),
        ("CR behind the data", line, "5\r\nhello\r0\r\n\r\n"),
        ("nothing behind the data", end, "5\r\nhello0\r\n\r\n"),
        ("a blank behind the data", end, "5\r\nhello \r\n0\r\n\r\n"),
        ("no last chunk but a request", size, "5\r\nhello\r\nGET / HTTP/1.1\r\n\r\n"),
        ("LF behind the last chunk", line, "5\r\nhello\r\n0\n\r\n"),
        ("LF at the end", line, "5\r\nhello\r\n0\r\n\n"),
        ("CR at the end", line, "5\r\nhello\r\n0\r\n\rX"),
    ];
    let mut cases: Vec<_> = bad
        .iter()
        .map(|(name, cite, body)| Case::aborted(name, cite, "bad-framing", chunked(body)))
        .collect();
    let long = format!("5;a={}\r\nhello\r\n0\r\n\r\n", "b".repeat(8 << 10));
    cases.push(Case::aborted(
        "8 KiB of extension on one chunk",
        "RFC 9112 §7.1.1: a server ought to limit extensions",
        "bad-framing",
        chunked(&long),
    ));
    let many = "1;a=bbbbbbbbbbbbbbbb\r\nx\r\n".repeat(4 << 10) + "0\r\n\r\n";
    cases.push(Case::aborted(
        "4,096 chunks with an extension each",
        "RFC 9112 §7.1.1: a server ought to limit extensions",
        "bad-framing",
        chunked(&many),
    ));
    Bench::run(&cases);
}

#[test]
fn chunks_are_taken_apart_and_put_together_anew() {
    let grammar = "RFC 9112 §7.1";
    let extension = "RFC 9112 §7.1.1: MUST ignore unknown extensions";
    let case = |name, cite, body: &str, content: &str| {
        Case::forwarded(name, cite, chunked(body)).seen(seen("POST", "/", "", CHUNKED), content)
    };
    let noughts = "0000000000000005\r\nhello\r\n0\r\n\r\n";
    Bench::run(&[
        case("one chunk", grammar, "5\r\nhello\r\n0\r\n\r\n", "hello"),
        case("many chunks", grammar, "1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        case("no content", grammar, "0\r\n\r\n", ""),
        case("lower-case digits", grammar, "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        case("upper-case digits", grammar, "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        case("16 digits", grammar, noughts, "hello"),
        case("many noughts at the end", grammar, "5\r\nhello\r\n000000\r\n\r\n", "hello"),
        case("an extension", extension, "5;a\r\nhello\r\n0\r\n\r\n", "hello"),
        case("an extension with a value", extension, "5;a=b\r\nhello\r\n0\r\n\r\n", "hello"),
        case("two extensions", extension, "5;a=b;c\r\nhello\r\n0\r\n\r\n", "hello"),
        case("quoted", extension, "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "hello"),
        case("a quoted pair", extension, "5;a=\"\\\"\"\r\nhello\r\n0\r\n\r\n", "hello"),
        case("on the last chunk", extension, "5\r\nhello\r\n0;a=b\r\n\r\n", "hello"),
        case(
            "blanks round an extension",
            "RFC 9112 §7.1.1: MUST parse and remove BWS",
            "5 \t; \ta = b\r\nhello\r\n0\r\n\r\n",
            "hello",
        ),
        case(
            "an extension that looks like a size",
            extension,
            "5;0\r\nhello\r\n0\r\n\r\n",
            "hello",
        ),
        case(
            "content with line ends",
            grammar,
            "8\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n",
            "0\r\n\r\n0\r\n",
        ),
        case("control bytes are content", grammar, "3\r\n\0\x01\x7f\r\n0\r\n\r\n", "\0\x01\x7f"),
    ]);
}
