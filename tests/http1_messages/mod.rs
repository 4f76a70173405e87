//! Generated HTTP/1 messages: well-formed ones, ones with a known oddity, and
//! both with bytes changed at random.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const REQUEST_LINES: &[&str] = &[
    "GET / HTTP/1.1",
    "POST /a/b?c=d HTTP/1.1",
    "PUT /%2F;x HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "HEAD http://a.example/x HTTP/1.1",
    "DELETE /d HTTP/1.0",
    "PURGE /ext HTTP/1.1",
    "POST /e HTTP/1.0",
];

const ODD_REQUEST_LINES: &[&str] = &[
    "GET /#frag HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "GET /\"<>\\^`{|} HTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET / HTTP/1.2",
    "GET / HTTP/2.0",
    "GET / HTTP/0.9",
    "GET / http/1.1",
    "GET /",
    "G@T / HTTP/1.1",
    "GET example HTTP/1.1",
    "GET a.example:80 HTTP/1.1",
    "\r\nGET / HTTP/1.1",
    "\r\n\r\nGET / HTTP/1.1",
];

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 500 ",
    "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK",
];

const ODD_STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200",
    "HTTP/1.1 999 x",
    "HTTP/1.1 099 x",
    "HTTP/1.1  200 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 200 \u{e9}\tx",
    "HTTP/1.2 200 OK",
    "HTTP/2.0 200 OK",
    "http/1.1 200 OK",
    "\r\nHTTP/1.1 200 OK",
];

const FIELDS: &[&str] = &[
    "Host: a.example",
    "Accept: */*",
    "Cookie: a=b; c=d",
    "X-Empty:",
    "X-Spaces: \t a  b \t ",
    "Set-Cookie: a=1",
    "Set-Cookie: b=2",
    "X-Latin: \u{e9}",
    "Connection: keep-alive",
    "Connection: close",
    "Connection: x, Close",
];

const ODD_FIELDS: &[&str] = &[
    "X-Space : a",
    "No colon",
    ": no name",
    "X(: a",
    " folded",
    "\tfolded",
    "X-Control: a\u{1}b",
    "X-Delete: a\u{7f}b",
    "X-Cr: a\rb",
    "X-Lf: a\nX-Next: b",
    "Expect: 100-continue",
    "Expect: tea",
    "Content-Length: 3",
    "Content-Length: +3",
    "Content-Length: 3, 3",
    "Content-Length: 003",
    "Content-Length: 99999999999999999999",
    "Content-Length: ",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: ",
];

const CHUNKS: &[&str] = &["3\r\nabc\r\n", "A\r\n0123456789\r\n", "0001\r\n\n\r\n"];

const ODD_CHUNKS: &[&str] = &[
    "3;x=y\r\nabc\r\n",
    "3;x=\"a;\\\"\"\r\nabc\r\n",
    "3;x=\"a\r\nabc\r\n",
    "3 ;x\r\nabc\r\n",
    "3 \r\nabc\r\n",
    "3\t\r\nabc\r\n",
    " 3\r\nabc\r\n",
    "0x3\r\nabc\r\n",
    "+3\r\nabc\r\n",
    "3\nabc\r\n",
    "3;x\nabc\r\n",
    "3\r\nabc\n",
    "3\r\nabcd\r\n",
    "3\r\nab\r\n",
    "00000000000000003\r\nabc\r\n",
    "\r\n",
    ";x\r\n",
];

const TRAILERS: &[&str] = &["", "X-Sum: 1\r\n", "X-Sum: 1\r\nx-sum: 2\r\n"];

const ODD_TRAILERS: &[&str] = &[
    "Host: b\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "X-Space : 1\r\n",
    "no colon\r\n",
    " folded\r\n",
    "X-Lf: 1\n",
];

/// A request, most likely well-formed, with its content.
pub(crate) fn request() -> impl Strategy<Value = Vec<u8>> {
    message(REQUEST_LINES, ODD_REQUEST_LINES)
}

/// A response, most likely well-formed, with its content.
pub(crate) fn response() -> impl Strategy<Value = Vec<u8>> {
    message(STATUS_LINES, ODD_STATUS_LINES)
}

/// The same bytes with up to three of them changed, inserted or left out.
pub(crate) fn mutated(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let other = prop_oneof![select(b" \t\r\n\0:;,\"0f\x7f\xe9".as_slice()), any::<u8>()];
    let changes = prop_oneof![
        3 => Just(vec![]),
        2 => vec((any::<Index>(), 0..3u8, other), 1..4),
    ];
    (bytes, changes).prop_map(|(mut bytes, changes)| {
        for (index, kind, byte) in changes {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

fn message(
    lines: &'static [&'static str],
    odd_lines: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let start = mostly(lines, odd_lines);
    let fields = vec(mostly(FIELDS, ODD_FIELDS), 0..6);
    let end = prop_oneof![40 => Just("\r\n"), 1 => Just("\n")];
    (start, fields, content(), end).prop_map(|(start, fields, (framing, content), end)| {
        let mut message = vec![start];
        message.extend(fields);
        message.extend(framing);
        message.push("");
        let mut bytes = message.join(end).into_bytes();
        bytes.extend_from_slice(end.as_bytes());
        bytes.extend_from_slice(content.as_bytes());
        bytes
    })
}

/// The line that frames some content, and the content.
fn content() -> impl Strategy<Value = (Option<&'static str>, String)> {
    let chunks = vec(mostly(CHUNKS, ODD_CHUNKS), 0..4);
    let chunked = (chunks, mostly(TRAILERS, ODD_TRAILERS)).prop_map(|(chunks, trailers)| {
        (Some("Transfer-Encoding: chunked"), format!("{}0\r\n{trailers}\r\n", chunks.concat()))
    });
    prop_oneof![
        2 => Just((None, String::new())),
        1 => Just((Some("Content-Length: 0"), String::new())),
        2 => Just((Some("Content-Length: 5"), "hello".to_owned())),
        4 => chunked,
    ]
}

fn mostly(
    usual: &'static [&'static str],
    odd: &'static [&'static str],
) -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => select(usual), 1 => select(odd)]
}
