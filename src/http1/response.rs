//! The status line, and what a whole response head means.

use std::ops::Range;

use bytes::Bytes;
use http::{Method, StatusCode};

use super::meaning::Meaning;
use super::section::{BeforeColon, keep_only, parse_section};
use super::{FieldLines, Framing, RefusalKind, Version};

/// A response head as it was received (RFC 9112 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedResponse {
    /// Three digits, 100 to 999. RFC 9110 section 15 calls those from 600 up
    /// invalid and asks a client to treat them as a server error; a router
    /// passes them on, since an answer is the app's own whatever its status.
    pub status: StatusCode,
    /// The reason phrase, byte for byte; empty if there was none.
    pub reason: Bytes,
    /// The sender's version.
    pub version: Version,
    /// Every field line as received, framing and hop-by-hop fields too.
    pub fields: FieldLines,
    /// How the content ends. [`Framing::None`] for an answer to HEAD and for
    /// 1xx, 204 and 304, whatever their fields say (RFC 9112 section 6.3).
    pub framing: Framing,
    /// Whether the connection can carry another exchange after this one.
    pub keep_alive: bool,
    /// The bytes taken from the buffer.
    pub head_bytes: usize,
}

impl ParsedResponse {
    /// Reads a whole head that answers a request with `method`.
    pub(super) fn from_head(
        head: &mut Bytes,
        line: StatusLine,
        fields_start: usize,
        lines: usize,
        method: &Method,
    ) -> Result<Self, RefusalKind> {
        let StatusLine { status, reason, version } = line;
        let head_bytes = head.len();
        let mut meaning = Meaning::default();
        let before_colon = BeforeColon::Removed;
        let fields = parse_section(head, fields_start, lines, before_colon, |name, value| {
            meaning.note(name, value)
        })?;
        meaning.refuse_contradictions(version)?;
        let framing = framing(status, method, &meaning);
        Ok(Self {
            status,
            reason: keep_only(head, reason),
            version,
            fields,
            framing,
            keep_alive: meaning.keeps_alive(version)
                && framing != Framing::UntilClose
                && !announces_impossible_content(status, &meaning),
            head_bytes,
        })
    }
}

/// RFC 9112 section 6.3, without CONNECT, which this router refuses.
fn framing(status: StatusCode, method: &Method, meaning: &Meaning) -> Framing {
    if *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        return Framing::None;
    }
    match (meaning.chunked, meaning.content_length) {
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    }
}

/// A 204 that says content follows (RFC 9112 section 6.1 and RFC 9110 section
/// 8.6 forbid it). It is read without content as section 6.3 demands, but its
/// sender may mean otherwise, so nothing behind it may be read as an answer.
fn announces_impossible_content(status: StatusCode, meaning: &Meaning) -> bool {
    status == StatusCode::NO_CONTENT
        && (meaning.chunked || meaning.content_length.is_some_and(|length| length > 0))
}

/// A status line whose parts were found.
#[derive(Debug, Clone)]
pub(super) struct StatusLine {
    status: StatusCode,
    reason: Range<usize>,
    version: Version,
}

impl StatusLine {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Refuses bytes that cannot begin an answer, at the first wrong one: an
    /// endpoint that speaks another protocol is not waited for.
    pub(super) fn refuse_bad_start(window: &[u8]) -> Result<(), RefusalKind> {
        if window.iter().zip(b"HTTP/1.").all(|(got, wanted)| got == wanted) {
            return Ok(());
        }
        Err(RefusalKind::NotHttp)
    }

    /// Reads a whole line, which stands at the start of its head and went
    /// through the line scan. Both `HTTP/1.1 200` and `HTTP/1.1 200 ` are taken:
    /// the space is demanded by RFC 9112 section 4, left out by many servers,
    /// and nothing can be misread without it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, RefusalKind> {
        let malformed = RefusalKind::StatusLineMalformed;
        let (fixed, rest) = line.split_at_checked(12).ok_or(malformed)?;
        let version = match &fixed[..9] {
            b"HTTP/1.1 " => Version::Http11,
            b"HTTP/1.0 " => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9', b' '] => Version::Http11,
            _ => return Err(malformed),
        };
        let status = StatusCode::from_bytes(&fixed[9..]).map_err(|_| malformed)?;
        let reason = match rest {
            [] => 12..12,
            [b' ', ..] => 13..line.len(),
            _ => return Err(malformed),
        };
        Ok(Self { status, reason, version })
    }
}
