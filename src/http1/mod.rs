//! HTTP/1 without I/O.

mod fields;

pub use fields::FieldLines;

/// The protocol version of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How the end of a message body is found (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked coding, with a trailer section.
    Chunked,
    /// Everything until the connection closes; responses only.
    UntilClose,
}
