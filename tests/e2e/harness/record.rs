//! What a scripted endpoint received, byte for byte.

use std::time::Instant;

use super::wire::{self, Fault, Fields, Head};

/// One request, as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// On which connection, counted from 0.
    pub(crate) connection: usize,
    /// The head, byte for byte, as text.
    pub(crate) head: String,
    /// The head's field lines.
    pub(crate) fields: Fields,
    /// The content, framing taken off: its first MiB.
    pub(crate) content: Vec<u8>,
    /// How many bytes the content had so far.
    pub(crate) content_bytes: u64,
    /// Whether the content is the pattern so far.
    pub(crate) is_pattern: bool,
    /// The trailers.
    pub(crate) trailers: Fields,
    /// Whether head and body came whole.
    pub(crate) complete: bool,
}

impl Received {
    /// The content that is kept, in bytes.
    pub(crate) const KEPT: usize = 1 << 20;

    pub(super) fn new(connection: usize, raw: &[u8], head: &Head) -> Self {
        Self {
            connection,
            head: wire::latin1(raw),
            fields: head.fields.clone(),
            content: Vec::new(),
            content_bytes: 0,
            is_pattern: true,
            trailers: Fields::default(),
            complete: false,
        }
    }

    /// The request line.
    pub(crate) fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap_or_default()
    }
}

/// Replaces the value of every `x-request-id` line by `ID`.
pub(crate) fn mask(head: &str) -> String {
    let masked = head.split("\r\n").map(|line| match line.split_once(": ") {
        Some(("x-request-id", _)) => "x-request-id: ID",
        _ => line,
    });
    masked.collect::<Vec<_>>().join("\r\n")
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visited {
    /// When it was seen to end, and how, if it has been.
    pub(crate) ended: Option<(Instant, Ended)>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The script ended it.
    ByScript,
    /// The peer did.
    ByPeer(Fault),
}

/// Everything an endpoint knows.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The connections, in the order they were accepted.
    pub(crate) connections: Vec<Visited>,
    /// The requests whose head came whole, in the order their heads did.
    pub(crate) requests: Vec<Received>,
    /// What was forwarded and is not HTTP. Always a bug of the router.
    pub(crate) violations: Vec<String>,
}
