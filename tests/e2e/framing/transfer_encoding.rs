//! `Transfer-Encoding`, alone and beside `Content-Length`: RFC 9112 section 6.

use super::case::{Bench, CHUNKED, Case, post, request, seen};

const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";
const CODING: &str = "RFC 9112 §6.1: a coding not understood; only `chunked` alone is";

#[test]
fn codings_other_than_chunked_alone_are_refused() {
    let odd = [
        ("empty", ""),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("gzip first", "gzip, chunked"),
        ("chunked first", "chunked, gzip"),
        ("chunked twice", "chunked, chunked"),
        ("identity and chunked", "identity, chunked"),
        ("chunked and identity", "chunked, identity"),
        ("empty member behind", "chunked,"),
        ("empty member before", ",chunked"),
        ("parameter", "chunked;a=b"),
        ("quality", "chunked;q=1"),
        ("quoted", "\"chunked\""),
        ("single quotes", "'chunked'"),
        ("prefix", "xchunked"),
        ("suffix", "chunkedx"),
        ("cut short", "chunke"),
        ("two words", "chunked chunked"),
        ("a byte above ASCII", "chunked\u{e9}"),
        ("no-break space behind", "chunked\u{a0}"),
        ("long s", "chun\u{212a}ed"),
    ];
    let mut cases: Vec<_> = odd
        .iter()
        .map(|(name, value)| {
            let line = format!("Transfer-Encoding: {value}\r\n");
            Case::refused(name, CODING, "bad-framing", post(&line, BODY))
        })
        .collect();
    let refused = |name, cite, lines| Case::refused(name, cite, "bad-framing", post(lines, BODY));
    cases.extend([
        refused(
            "chunked in two lines",
            "RFC 9112 §6.1: chunked is applied once at most",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        refused(
            "identity in a second line",
            CODING,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        refused(
            "gzip in a first line",
            CODING,
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ),
        refused(
            "an empty second line",
            CODING,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
        ),
        refused(
            "space before the colon",
            "RFC 9112 §5.1: MUST reject with 400",
            "Transfer-Encoding : chunked\r\n",
        ),
        refused(
            "folded value",
            "RFC 9112 §5.2: MUST reject obs-fold",
            "Transfer-Encoding:\r\n chunked\r\n",
        ),
        refused(
            "folded on to another field",
            "RFC 9112 §5.2: MUST reject obs-fold",
            "X-A: 1\r\n Transfer-Encoding: chunked\r\n",
        ),
        refused(
            "a bare LF hides it",
            "RFC 9112 §2.2: a bare LF may be a line end to others",
            "X-A: 1\nTransfer-Encoding: chunked\r\n",
        ),
        refused(
            "a bare CR hides it",
            "RFC 9112 §2.2: a bare CR is invalid",
            "X-A: 1\rTransfer-Encoding: chunked\r\n",
        ),
        Case::refused(
            "a control byte behind",
            "RFC 9110 §5.5: other control bytes are invalid",
            "bad-request",
            post("Transfer-Encoding: chunked\x0b\r\n", BODY),
        ),
        Case::refused(
            "a control byte before",
            "RFC 9110 §5.5: other control bytes are invalid",
            "bad-request",
            post("Transfer-Encoding: \x0cchunked\r\n", BODY),
        ),
        Case::refused(
            "in HTTP/1.0",
            "RFC 9112 §6.1: treat the framing as faulty",
            "bad-framing",
            format!("POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}"),
        ),
        Case::refused(
            "in HTTP/1.0 with keep-alive",
            "RFC 9112 §6.1: treat the framing as faulty",
            "bad-framing",
            format!(
                "POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{BODY}"
            ),
        ),
    ]);
    Bench::run(&cases);
}

#[test]
fn a_length_beside_a_coding_is_refused_in_every_combination() {
    let both = "RFC 9112 §6.1: may be refused as a smuggling attempt, and here is";
    let lengths =
        ["Content-Length: 5", "Content-Length: 0", "content-length: 15", "Content-Length:"];
    let codings = [
        "Transfer-Encoding: chunked",
        "transfer-encoding: Chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding:",
    ];
    let mut cases = Vec::new();
    for length in lengths {
        for coding in codings {
            for lines in [format!("{length}\r\n{coding}\r\n"), format!("{coding}\r\n{length}\r\n")]
            {
                let name = "a length and a coding";
                cases.push(Case::refused(name, both, "bad-framing", post(&lines, BODY)));
            }
        }
    }
    cases.push(Case::refused(
        "Connection names the length away",
        "RFC 9110 §7.6.1: framing is judged before hop-by-hop fields go",
        "bad-framing",
        post(
            "Connection: content-length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            BODY,
        ),
    ));
    cases.push(Case::refused(
        "Connection names the coding away",
        "RFC 9110 §7.6.1: framing is judged before hop-by-hop fields go",
        "bad-framing",
        post(
            "Connection: transfer-encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            BODY,
        ),
    ));
    Bench::run(&cases);
}

#[test]
fn chunked_alone_travels_in_one_spelling() {
    let spelled = |name, cite, lines: &str| {
        Case::forwarded(name, cite, post(lines, BODY)).seen(seen("POST", "/", "", CHUNKED), "hello")
    };
    let case = "RFC 9112 §7: names of codings ignore case";
    let blanks = "RFC 9112 §5.1: OWS is no part of the value";
    Bench::run(&[
        spelled("plain", "RFC 9112 §7.1", "Transfer-Encoding: chunked\r\n"),
        spelled("upper case", case, "TRANSFER-ENCODING: CHUNKED\r\n"),
        spelled("odd case", case, "transfer-encoding: cHuNkEd\r\n"),
        spelled("no space", blanks, "Transfer-Encoding:chunked\r\n"),
        spelled("blanks around", blanks, "Transfer-Encoding: \t chunked \t\r\n"),
        spelled(
            "named by Connection",
            "RFC 9110 §7.6.1: framing is the router's own",
            "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
        ),
        spelled(
            "an alias with underscores",
            "design: framing has no honest aliases",
            "Transfer-Encoding: chunked\r\nTransfer_Encoding: gzip\r\nContent_Length: 3\r\n",
        ),
        Case::forwarded(
            "on GET",
            "RFC 9110 §9.3.1: framing holds whatever the method",
            request("GET", "/", "Transfer-Encoding: chunked\r\n") + BODY,
        )
        .seen(seen("GET", "/", "", CHUNKED), "hello"),
        Case::forwarded(
            "on HEAD",
            "RFC 9110 §9.3.2: framing holds whatever the method",
            request("HEAD", "/", "Transfer-Encoding: chunked\r\n") + BODY,
        )
        .seen(seen("HEAD", "/", "", CHUNKED), "hello"),
    ]);
}
