//! What both directions share: version, limits and framing.

/// The minor versions of HTTP/1 that are told apart (RFC 9112 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, connections close unless asked otherwise.
    Http10,
    /// HTTP/1.1, and every later HTTP/1.x, which promises to be read as it.
    Http11,
}

impl Version {
    /// As it stands in a start line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// How large a head, or a trailer section, may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first of the start line to the end of the empty line
    /// that closes the section. A head of exactly this size passes.
    pub bytes: usize,
    /// Field lines.
    pub fields: usize,
}

/// How the end of a message's content is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// No content follows the head. A request without framing fields, an
    /// answer to HEAD, and every 1xx, 204 and 304.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything up to the end of the connection; responses only.
    UntilClose,
}

impl Framing {
    /// The framing that can be used towards a recipient of this version:
    /// HTTP/1.0 does not know chunks (RFC 9112 section 6.1), so content of
    /// unknown length goes to it until the connection closes.
    pub const fn towards(self, recipient: Version) -> Self {
        match (self, recipient) {
            (Self::Chunked, Version::Http10) => Self::UntilClose,
            _ => self,
        }
    }
}
