//! A host in the one form it is compared in.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{AmbiguousHost, MAX_HOST_BYTES, MAX_LABEL_BYTES};

/// Hosts up to this many bytes are kept in place: an allocation per request for
/// nearly every real name would cost more than reading it.
const INLINE_BYTES: usize = 62;

/// A host without port: a lower-case name without trailing dot, a dotted quad,
/// or a bracketed IPv6 address in the form of RFC 5952. Requests and route
/// patterns are both read through this, so equal hosts have equal bytes.
#[derive(Clone)]
pub(crate) struct HostName {
    text: Text,
    address: bool,
}

#[derive(Clone)]
enum Text {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<str>),
}

impl HostName {
    /// Reads a host that has no port.
    pub(crate) fn parse(host: &[u8]) -> Result<Self, AmbiguousHost> {
        if host.is_empty() {
            return Err(AmbiguousHost::Empty);
        }
        if host.len() > MAX_HOST_BYTES {
            return Err(AmbiguousHost::TooLong);
        }
        if let [b'[', inside @ .., b']'] = host { Self::ipv6(inside) } else { Self::name(host) }
    }

    /// The host; ASCII only.
    pub(crate) fn as_str(&self) -> &str {
        match &self.text {
            Text::Heap(text) => text,
            Text::Inline { len, bytes } => std::str::from_utf8(&bytes[..usize::from(*len)])
                .expect("only bytes of a str, lower-cased in ASCII, are written here"),
        }
    }

    /// Whether this is an IPv4 or IPv6 address.
    pub(crate) fn is_address(&self) -> bool {
        self.address
    }

    fn ipv6(inside: &[u8]) -> Result<Self, AmbiguousHost> {
        let text = std::str::from_utf8(inside).map_err(|_| AmbiguousHost::Ipv6)?;
        let address: Ipv6Addr = text.parse().map_err(|_| AmbiguousHost::Ipv6)?;
        Ok(Self { text: Text::lower_case(&format!("[{address}]")), address: true })
    }

    fn name(host: &[u8]) -> Result<Self, AmbiguousHost> {
        let name = host.strip_suffix(b".").unwrap_or(host);
        let mut last_label: &[u8] = b"";
        for label in name.split(|&byte| byte == b'.') {
            check_label(label)?;
            last_label = label;
        }
        // Every label is ASCII by now.
        let text = std::str::from_utf8(name).map_err(|_| AmbiguousHost::NotAscii)?;
        let address = is_number(last_label);
        if address && (name.len() != host.len() || text.parse::<Ipv4Addr>().is_err()) {
            return Err(AmbiguousHost::OddNumber);
        }
        Ok(Self { text: Text::lower_case(text), address })
    }
}

impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for HostName {}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Text {
    fn lower_case(text: &str) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(text.as_bytes());
                room.make_ascii_lowercase();
                Self::Inline { len, bytes }
            }
            _ => Self::Heap(text.to_ascii_lowercase().into_boxed_str()),
        }
    }
}

fn check_label(label: &[u8]) -> Result<(), AmbiguousHost> {
    match label.len() {
        0 => return Err(AmbiguousHost::EmptyLabel),
        1..=MAX_LABEL_BYTES => {}
        _ => return Err(AmbiguousHost::LabelTooLong),
    }
    let odd = |byte: &&u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match label.iter().find(odd) {
        Some(&byte) => Err(AmbiguousHost::ForbiddenByte(byte)),
        None => Ok(()),
    }
}

/// Whether a browser, or `inet_aton`, would take a host with this last label
/// for an IPv4 address: decimal or octal digits, or `0x` and hexadecimal ones.
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', hex @ ..] => hex.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}
