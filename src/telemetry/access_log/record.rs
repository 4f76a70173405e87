//! What is known about a request when it has ended.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::error::Code;

/// One line of the access log, with everything borrowed: it lives for the one
/// call that formats it. Text comes as the bytes received, however hostile.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'r> {
    /// When the request's first byte arrived.
    pub time: SystemTime,
    /// The request's id.
    pub request_id: &'r [u8],
    /// Who asked.
    pub client: SocketAddr,
    /// The method; like host, target and version `None` if none could be read.
    pub method: Option<&'r [u8]>,
    /// The host, as looked up.
    pub host: Option<&'r [u8]>,
    /// The request target as received. Only the part before `?` is written:
    /// query strings carry tokens and names, and logs are kept.
    pub target: Option<&'r [u8]>,
    /// `HTTP/1.1` and the like.
    pub version: Option<&'r str>,
    /// The status sent; `None` if there was no answer.
    pub status: Option<u16>,
    /// What the router had to say about it.
    pub code: Option<Code>,
    /// The route's name.
    pub route: Option<&'r str>,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// How many attempts were begun.
    pub attempts: u32,
    /// Bytes of body received from the client.
    pub bytes_in: u64,
    /// Bytes of body sent to the client.
    pub bytes_out: u64,
    /// First byte of the request to last byte of the answer.
    pub duration: Duration,
    /// First byte of the request to the response head; `None` without one.
    pub head: Option<Duration>,
    /// Wait for a free place at an endpoint, in all; `None` if it neither came to
    /// be sent to one nor to wait.
    pub queue: Option<Duration>,
    /// `User-Agent`.
    pub user_agent: Option<&'r [u8]>,
    /// `Referer`. Its query, too, is not written.
    pub referer: Option<&'r [u8]>,
    /// TLS version and cipher suite towards the client.
    pub tls: Option<&'r str>,
    /// The trace id of `traceparent`.
    pub trace_id: Option<&'r str>,
}

/// What stands before the query.
pub(super) fn without_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    &target[..end]
}
