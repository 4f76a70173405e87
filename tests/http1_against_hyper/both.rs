//! The same bytes through both codecs.

use bytes::Bytes;
use http::Method;
use tokio::runtime::Runtime;

use super::differences::{Difference, compare};
use super::{ours, theirs};

/// The plain request behind each generated one.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nhost: next.example\r\n\r\n";

/// How the request is read differently, if so; an error if that is not listed.
pub(crate) fn compare_request(
    runtime: &Runtime,
    bytes: &[u8],
) -> Result<Option<Difference>, String> {
    let bytes = Bytes::from([bytes, NEXT].concat());
    let theirs = runtime.block_on(theirs::read_requests(&bytes));
    compare(&ours::read_requests(&bytes), &theirs)
}

/// As [`compare_request`], for the answer to a request with `method`.
pub(crate) fn compare_response(
    runtime: &Runtime,
    bytes: &[u8],
    method: &Method,
) -> Result<Option<Difference>, String> {
    let theirs = runtime.block_on(theirs::read_response(bytes, method));
    compare(&ours::read_response(bytes, method), &theirs)
}
