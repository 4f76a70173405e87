//! A host in the one form it is compared in.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{AmbiguousHost, MAX_HOST_BYTES, MAX_LABEL_BYTES};

/// Hosts up to this many bytes are kept in place. Nearly every real name is
/// shorter, so a request needs no allocation for its host, and a routing table,
/// whose buckets hold these, reads no second place in memory to compare one:
/// with 46 bytes a bucket for one route is 64 bytes.
const INLINE_BYTES: usize = 46;

/// A host without port: a lower-case name without trailing dot, a dotted quad,
/// or a bracketed IPv6 address in the form of RFC 5952. Requests and route
/// patterns are both read through this, so equal hosts have equal bytes.
///
/// Compared, ordered and hashed as those bytes; clones share a long host.
#[derive(Clone)]
pub(crate) struct HostName(Text);

#[derive(Clone)]
enum Text {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Arc<str>),
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
        match &self.0 {
            Text::Shared(text) => text,
            Text::Inline { len, bytes } => std::str::from_utf8(&bytes[..usize::from(*len)])
                .expect("only bytes of a str, lower-cased in ASCII, are written here"),
        }
    }

    /// The bytes of [`Self::as_str`].
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Shared(text) => text.as_bytes(),
            Text::Inline { len, bytes } => &bytes[..usize::from(*len)],
        }
    }

    /// Whether this is an IPv4 or IPv6 address.
    pub(crate) fn is_address(&self) -> bool {
        // No name that ends in a number was let in.
        match self.as_bytes() {
            [b'[', ..] => true,
            name => name.rsplit(|&byte| byte == b'.').next().is_some_and(is_number),
        }
    }

    fn ipv6(inside: &[u8]) -> Result<Self, AmbiguousHost> {
        let text = std::str::from_utf8(inside).map_err(|_| AmbiguousHost::Ipv6)?;
        let address: Ipv6Addr = text.parse().map_err(|_| AmbiguousHost::Ipv6)?;
        Ok(Self(Text::lower_case(&format!("[{address}]"))))
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
        let quad = || name.len() == host.len() && text.parse::<Ipv4Addr>().is_ok();
        if is_number(last_label) && !quad() {
            return Err(AmbiguousHost::OddNumber);
        }
        Ok(Self(Text::lower_case(text)))
    }
}

impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for HostName {}

impl PartialOrd for HostName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HostName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for HostName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// So that a map of hosts is asked with the bytes of one.
impl Borrow<[u8]> for HostName {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

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
            _ => Self::Shared(text.to_ascii_lowercase().into()),
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
