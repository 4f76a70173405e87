//! The request line, and what a whole request head means.

use std::ops::Range;

use bytes::Bytes;
use http::Method;

use super::meaning::{Expect, Meaning};
use super::octets::is_token;
use super::section::{BeforeColon, keep_only, parse_section};
use super::{FieldLines, Framing, RefusalKind, Version};

/// The longest method taken, in bytes. The longest registered one has 17
/// (IANA); without a bound a head of garbage would be read as one method up
/// to the limit of the head.
pub const MAX_METHOD_BYTES: usize = 64;

/// A request head as it was received (RFC 9112 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedRequest {
    /// The method: any token, case-sensitive.
    pub method: Method,
    /// The request target, byte for byte: no space and no control byte in it,
    /// everything else kept, bytes above 0x7f and `#` too. Which of the four
    /// forms it has is for admission to say.
    pub target: Bytes,
    /// The sender's version.
    pub version: Version,
    /// Every field line as received, framing and hop-by-hop fields too.
    pub fields: FieldLines,
    /// [`Framing::None`], [`Framing::Length`] or [`Framing::Chunked`].
    pub framing: Framing,
    /// Whether the client wants to go on with the connection.
    pub keep_alive: bool,
    /// Whether the client waits for a `100 Continue` (never in HTTP/1.0).
    pub expect_continue: bool,
    /// The bytes taken from the buffer, an ignored empty line before the
    /// request line included.
    pub head_bytes: usize,
}

impl ParsedRequest {
    /// Reads a whole head, which is left as it was if it is refused.
    /// `fields_start` is where the first field line begins, `lines` how many
    /// of them there are.
    pub(super) fn from_head(
        head: &mut Bytes,
        line: RequestLine,
        fields_start: usize,
        lines: usize,
    ) -> Result<Self, RefusalKind> {
        let RequestLine { method, target, version } = line;
        let head_bytes = head.len();
        let mut meaning = Meaning::default();
        let before_colon = BeforeColon::Refused;
        let fields = parse_section(head, fields_start, lines, before_colon, |name, value| {
            meaning.note(name, value)
        })?;
        meaning.refuse_contradictions(version)?;
        let framing = match (meaning.chunked, meaning.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::None,
        };
        if meaning.expect == Expect::Unknown {
            return Err(RefusalKind::ExpectationUnknown);
        }
        Ok(Self {
            method,
            target: keep_only(head, target),
            version,
            fields,
            framing,
            keep_alive: meaning.keeps_alive(version),
            expect_continue: meaning.expect == Expect::Continue && version == Version::Http11,
            head_bytes,
        })
    }
}

/// A request line whose parts were found.
#[derive(Debug, Clone)]
pub(super) struct RequestLine {
    method: Method,
    target: Range<usize>,
    version: Version,
}

impl RequestLine {
    /// Refuses bytes that cannot begin a request line, before the line is
    /// whole: a TLS handshake sent to a plain port ends here, at its first
    /// byte.
    pub(super) fn refuse_bad_start(window: &[u8]) -> Result<(), RefusalKind> {
        for (at, &byte) in window.iter().enumerate() {
            match byte {
                b' ' if at > 0 => break,
                // Line ends are the line scan's to judge.
                b'\r' | b'\n' => break,
                _ if !is_token(byte) => return Err(RefusalKind::MethodNotToken),
                _ if at == MAX_METHOD_BYTES => return Err(RefusalKind::MethodTooLong),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a whole line, which stands at the start of its head and went
    /// through the line scan. RFC 9112 section 3 allows recipients to split on
    /// any whitespace; one that forwards must not, since others do not.
    pub(super) fn parse(line: &[u8]) -> Result<Self, RefusalKind> {
        let malformed = RefusalKind::RequestLineMalformed;
        let method_end = memchr::memchr(b' ', line).ok_or(malformed)?;
        let target_start = method_end + 1;
        let target_len = memchr::memchr(b' ', &line[target_start..]).ok_or(malformed)?;
        let target = target_start..target_start + target_len;
        let version = &line[target.end + 1..];
        if target.is_empty() || memchr::memchr2(b' ', b'\t', version).is_some() {
            return Err(malformed);
        }
        if memchr::memchr(b'\t', &line[target.clone()]).is_some() {
            return Err(malformed);
        }
        let method =
            Method::from_bytes(&line[..method_end]).map_err(|_| RefusalKind::MethodNotToken)?;
        Ok(Self { method, target, version: version_of(version)? })
    }
}

/// RFC 9112 section 2.3. A higher minor version is read as 1.1, the highest
/// this router conforms to (RFC 9110 section 2.5).
fn version_of(bytes: &[u8]) -> Result<Version, RefusalKind> {
    match bytes {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', b'0'..=b'9'] => match major {
            b'1' => Ok(Version::Http11),
            _ => Err(RefusalKind::VersionUnsupported),
        },
        _ => Err(RefusalKind::VersionMalformed),
    }
}
