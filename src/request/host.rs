//! The host a request is for, read in one way only.
//!
//! A router picks the app by this value and forwards the bytes, so any second
//! reading of it at the endpoint is a way round the routing. RFC 3986 section
//! 3.2.2 lets a registered name hold percent-encoding and punctuation; names of
//! web hosts have neither, so what is accepted here is what a DNS name, an IPv4
//! address or a bracketed IPv6 address can be, and everything else is refused:
//!
//! - Percent-encoding: `%61pp.example` is `app.example` to one reader and an
//!   unknown host to the next. Names outside ASCII travel as A-labels (RFC 5890).
//! - A name that ends in a number without being a dotted quad (`127.1`,
//!   `0x7f.0.0.1`, `010.0.0.1`, `1.2.3.4.`): a registered name by RFC 3986, an
//!   address to `inet_aton` and to browsers.
//! - Zone identifiers and IPvFuture: they mean nothing beyond one machine
//!   (RFC 9844 section 3), or nothing at all.
//! - Empty labels, labels of more than 63 bytes: not DNS names (RFC 1035
//!   section 2.3.4), and a second trailing dot would survive normalisation.
//!
//! Underscores are accepted, because apps use them. So is an empty port
//! (`example.com:`), which RFC 3986 section 3.2.3 allows and calls equal to
//! none. IPv6 addresses are compared in the form of RFC 5952, whatever way
//! they were written.

mod name;

#[cfg(test)]
mod tests;

use memchr::memchr;
use thiserror::Error;

pub(crate) use name::HostName;

/// The longest host accepted, in bytes, without its port: no DNS name is longer
/// (RFC 1035 section 2.3.4).
pub const MAX_HOST_BYTES: usize = 255;

/// The longest label of a host name, in bytes (RFC 1035 section 2.3.4).
pub const MAX_LABEL_BYTES: usize = 63;

/// The host and port of a `Host` field value, an absolute-form target or an
/// `:authority` (RFC 9110 sections 4.2.1 and 7.2), checked and normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHost {
    name: HostName,
    port: Option<u16>,
}

impl RequestHost {
    /// Reads `host [":" port]` (RFC 9110 section 7.2), strictly.
    ///
    /// # Errors
    ///
    /// [`AmbiguousHost`] says what two readers could understand differently.
    pub fn from_authority(authority: &[u8]) -> Result<Self, AmbiguousHost> {
        authority.iter().copied().try_for_each(check_byte)?;
        let (host, port) = split_port(authority)?;
        Ok(Self { name: HostName::parse(host)?, port: parse_port(port)? })
    }

    /// The form routes are looked up by: lower-case, without port, without the
    /// trailing dot; an IPv6 address in brackets, spelled as RFC 5952 has it.
    pub fn lookup(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the host is an IPv4 or IPv6 address and not a name.
    pub fn is_ip_literal(&self) -> bool {
        self.name.is_address()
    }

    /// The port, if one was given: none for `example.com` and `example.com:`.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Whether two authorities of one message name the same host and port.
///
/// A port left out stands for `default_port`, the scheme's own (80 or 443; RFC
/// 9110 sections 4.2.1 and 4.2.2), so `example.com` and `EXAMPLE.com:80` are
/// the same for `http`. A trailing dot makes no difference, as in lookup.
pub fn same_host(a: &RequestHost, b: &RequestHost, default_port: u16) -> bool {
    a.name == b.name && a.port.unwrap_or(default_port) == b.port.unwrap_or(default_port)
}

/// Why a host has more than one reading, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmbiguousHost {
    /// Nothing before the port: http and https URIs need a host (RFC 9110
    /// section 4.2.1).
    #[error("the host is empty")]
    Empty,
    /// More than [`MAX_HOST_BYTES`].
    #[error("the host is longer than {MAX_HOST_BYTES} bytes")]
    TooLong,
    /// `user@host` (RFC 9110 section 4.2.4).
    #[error("the host carries user information before an @")]
    UserInformation,
    /// `a, b`: a list, perhaps of field lines combined on the way.
    #[error("the host holds a comma, as if several hosts had been combined")]
    List,
    /// A space, a tab or another control character.
    #[error("the host holds white space or a control character")]
    WhiteSpace,
    /// `/`, `\`, `?` or `#`: more of a URI than its authority.
    #[error("the host goes on with a path, a query or a fragment")]
    BeyondAuthority,
    /// `%`, in a name or before an IPv6 zone.
    #[error("the host is percent-encoded, or names an IPv6 zone")]
    PercentEncoded,
    /// A byte of a name in Unicode, which is to be sent as A-labels.
    #[error("the host holds a byte outside ASCII")]
    NotAscii,
    /// A byte that stands in no name and no address.
    #[error("the host holds the byte {}, which stands in no name", .0.escape_ascii())]
    ForbiddenByte(u8),
    /// `.example.com`, `a..b`, `example.com..` or `.`.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// More than [`MAX_LABEL_BYTES`] between two dots.
    #[error("the host has a label longer than {MAX_LABEL_BYTES} bytes")]
    LabelTooLong,
    /// It ends in a number, as only an IPv4 address may, and is none.
    #[error("the host ends in a number and is not an IPv4 address in four decimal parts")]
    OddNumber,
    /// `[…]` without an IPv6 address inside, or with something odd after it.
    #[error("the host opens a bracket that holds no IPv6 address")]
    Ipv6,
    /// `a:b:c`: perhaps an IPv6 address without its brackets.
    #[error("the host has a second colon outside brackets")]
    SecondColon,
    /// Something else than digits after the colon.
    #[error("the port is not a number")]
    PortNotNumber,
    /// More than five digits, or more than 65535.
    #[error("the port is beyond 65535 or written with more than five digits")]
    PortTooLarge,
}

/// Names the reason a byte can be in no authority, so that the sentence in the
/// answer says what the sender did.
fn check_byte(byte: u8) -> Result<(), AmbiguousHost> {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Ok(()),
        b'-' | b'.' | b'_' | b':' | b'[' | b']' => Ok(()),
        b'@' => Err(AmbiguousHost::UserInformation),
        b',' => Err(AmbiguousHost::List),
        b'/' | b'\\' | b'?' | b'#' => Err(AmbiguousHost::BeyondAuthority),
        b'%' => Err(AmbiguousHost::PercentEncoded),
        b' ' => Err(AmbiguousHost::WhiteSpace),
        other if other.is_ascii_control() => Err(AmbiguousHost::WhiteSpace),
        other if !other.is_ascii() => Err(AmbiguousHost::NotAscii),
        other => Err(AmbiguousHost::ForbiddenByte(other)),
    }
}

/// Splits at the colon before the port; a missing port and an empty one are the
/// same (RFC 3986 section 3.2.3).
fn split_port(authority: &[u8]) -> Result<(&[u8], &[u8]), AmbiguousHost> {
    let host_bytes = match authority.first() {
        Some(b'[') => memchr(b']', authority).ok_or(AmbiguousHost::Ipv6)? + 1,
        _ => memchr(b':', authority).unwrap_or(authority.len()),
    };
    match authority.split_at(host_bytes) {
        (host, []) => Ok((host, b"")),
        (_, [b':', port @ ..]) if port.contains(&b':') => Err(AmbiguousHost::SecondColon),
        (host, [b':', port @ ..]) => Ok((host, port)),
        // Only after a bracket: a name ends at a colon or at the end.
        _ => Err(AmbiguousHost::Ipv6),
    }
}

fn parse_port(digits: &[u8]) -> Result<Option<u16>, AmbiguousHost> {
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(AmbiguousHost::PortNotNumber);
    }
    if digits.len() > 5 {
        return Err(AmbiguousHost::PortTooLarge);
    }
    let value = digits.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    u16::try_from(value).map(Some).map_err(|_| AmbiguousHost::PortTooLarge)
}
