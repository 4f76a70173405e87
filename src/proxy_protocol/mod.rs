//! The PROXY protocol, versions 1 and 2: who is behind a connection, said by
//! the balancer that made it, before its first byte.
//!
//! Pure, as `http1` is. [`step`] is shown what has been read and says how many
//! bytes may be read next: never past the header's end, so that nothing is left
//! over for what follows on the connection. The source is HAProxy's
//! `proxy-protocol.txt` (2.x); section numbers are its own.

mod crc32c;
mod v1;
mod v2;

use std::net::SocketAddr;

use thiserror::Error;

pub use v2::encode as encode_v2;

/// The longest header that is read, in bytes: room for the client certificate
/// that a balancer may add to version 2, which has no limit below 64 KiB.
pub const MAX_BYTES: usize = 16 + (4 << 10);

/// Bytes that both versions have at least; version 2 is told by them.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Who is behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, and the address it connected to.
    Client {
        /// The client's end.
        source: SocketAddr,
        /// The balancer's end.
        destination: SocketAddr,
    },
    /// The balancer itself (a health check), or one it cannot name: the
    /// connection's own addresses count.
    Unnamed,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// At most so many bytes more belong to the header; at least one.
    Read(usize),
    /// The header is whole.
    Done(Origin),
}

/// Why a header cannot be read. Nothing that follows it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It begins as neither version does.
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    /// A line of version 1 that is not one (section 2.1).
    #[error("the PROXY line is not \"PROXY TCP4|TCP6|UNKNOWN ...\" as it has to be")]
    Line,
    /// A version 1 line without end (section 2.1: 107 bytes at most).
    #[error("the PROXY line is longer than 107 bytes")]
    LineTooLong,
    /// A version or command that is not known (section 2.2).
    #[error("the PROXY header has an unknown version or command")]
    Command,
    /// A family or transport that is not known (section 2.2).
    #[error("the PROXY header has an unknown address family or transport")]
    Family,
    /// Addresses that do not fit into the length.
    #[error("the PROXY header is too short for its addresses")]
    TooShort,
    /// TLVs that do not end where the header does (section 2.2).
    #[error("the TLVs of the PROXY header do not fit into its length")]
    Tlvs,
    /// A checksum that is another one's (section 2.2.3).
    #[error("the checksum of the PROXY header is not that of its bytes")]
    Checksum,
    /// More than [`MAX_BYTES`].
    #[error("the PROXY header is longer than 4 KiB")]
    TooLong,
}

/// Looks at what has been read of a connection so far.
///
/// # Errors
/// As soon as it cannot become a header any more.
pub fn step(read: &[u8]) -> Result<Step, Malformed> {
    let head = &read[..read.len().min(SIGNATURE.len())];
    if v1::PREFIX.starts_with(head) || head.starts_with(v1::PREFIX) {
        v1::step(read)
    } else if SIGNATURE.starts_with(head) {
        v2::step(read)
    } else {
        Err(Malformed::NoHeader)
    }
}

#[cfg(test)]
mod tests;
