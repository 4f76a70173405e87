//! Each listed difference, shown.

use std::collections::BTreeSet;

use http::Method;

use super::both::{compare_request, compare_response};
use super::differences::Difference;
use super::theirs;

const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

fn requests() -> Vec<(Difference, Vec<u8>)> {
    let chunked = |chunks: &str| format!("{CHUNKED}{chunks}0\r\n\r\n").into_bytes();
    let head = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n").into_bytes();
    let with_length = |fields: &str| [head(fields), b"abc".to_vec()].concat();
    vec![
        (Difference::BareLf, b"GET / HTTP/1.1\nA: b\n\n".to_vec()),
        (Difference::EmptyLinesBefore, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            Difference::LengthAndTransferEncoding,
            head("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (Difference::RepeatedLength, with_length("Content-Length: 3\r\nContent-Length: 3\r\n")),
        (Difference::UnreadLength, head("Transfer-Encoding: chunked\r\nContent-Length: x\r\n")),
        (Difference::OtherCoding, head("Transfer-Encoding: gzip, chunked\r\n")),
        (
            Difference::RepeatedTransferEncoding,
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (Difference::UnknownExpectation, head("Expect: tea\r\n")),
        (Difference::LongMethod, format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(65)).into_bytes()),
        (Difference::SpaceAfterChunkSize, chunked("3 \r\nabc\r\n")),
        (Difference::ChunkSizeDigits, chunked("00000000000000003\r\nabc\r\n")),
        (Difference::ChunkExtension, chunked("3;a=\"b\r\nabc\r\n")),
        (Difference::ChunkExtension, chunked("3;a\0b\r\nabc\r\n")),
        (Difference::LongChunkExtension, chunked(&format!("3;{}\r\nabc\r\n", "a".repeat(2000)))),
        (
            Difference::FramingInTrailers,
            format!("{CHUNKED}0\r\nContent-Length: 3\r\n\r\n").into_bytes(),
        ),
        (Difference::HigherMinorVersion, b"GET / HTTP/1.2\r\n\r\n".to_vec()),
        (Difference::TargetIsNoUri, b"GET /\xff HTTP/1.1\r\n\r\n".to_vec()),
        (Difference::TargetIsNoUri, b"GET ?a HTTP/1.1\r\n\r\n".to_vec()),
        (Difference::GreatestLengths, head(&format!("Content-Length: {}\r\n", u64::MAX))),
        (Difference::BehindConnect, b"CONNECT a.example:80 HTTP/1.1\r\n\r\n".to_vec()),
        (Difference::SteeringTrailer, format!("{CHUNKED}0\r\nHost: b\r\n\r\n").into_bytes()),
        (Difference::CloseBesideObsText, head("Connection: \u{e9}, close\r\n")),
    ]
}

fn responses() -> Vec<(Difference, &'static Method, &'static str)> {
    let (get, head) = (&Method::GET, &Method::HEAD);
    let unread = Difference::UnreadLength;
    vec![
        (Difference::BareLf, get, "HTTP/1.1 200 OK\n\n"),
        (Difference::EmptyLinesBefore, get, "\r\nHTTP/1.1 200 OK\r\n\r\n"),
        (unread, get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 3, 3\r\n\r\n"),
        (unread, head, "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n"),
        (Difference::OtherCoding, get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (
            Difference::TransferEncodingInHttp10,
            head,
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (Difference::HigherMinorVersion, get, "HTTP/1.2 200 OK\r\n\r\n"),
        (Difference::SpacedFraming, get, "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        (
            Difference::SpacedTrailer,
            get,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum : 1\r\n\r\n",
        ),
    ]
}

#[test]
fn each_listed_difference_is_there() {
    let runtime = theirs::runtime();
    let mut shown = BTreeSet::new();
    for (difference, bytes) in requests() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(compare_request(&runtime, &bytes), Ok(Some(difference)), "{text:?}");
        shown.insert(difference);
    }
    for (difference, method, text) in responses() {
        let found = compare_response(&runtime, text.as_bytes(), method);
        assert_eq!(found, Ok(Some(difference)), "{method} {text:?}");
        shown.insert(difference);
    }
    assert_eq!(shown, BTreeSet::from(Difference::ALL));
}
