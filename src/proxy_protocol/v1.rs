//! Version 1: one line of text (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Malformed, Origin, SIGNATURE, Step};

pub(super) const PREFIX: &[u8] = b"PROXY ";

/// With CRLF; the longest line there can be.
const MAX_BYTES: usize = 107;

pub(super) fn step(read: &[u8]) -> Result<Step, Malformed> {
    if let Some(end) = memchr::memchr(b'\n', read) {
        let line = read[..end].strip_suffix(b"\r").ok_or(Malformed::Line)?;
        // A line that ends before all that was read would have lost bytes.
        if end + 1 != read.len() || read.len() > MAX_BYTES {
            return Err(Malformed::LineTooLong);
        }
        return origin(line).map(Step::Done).ok_or(Malformed::Line);
    }
    match read.len() {
        short if short < SIGNATURE.len() => Ok(Step::Read(SIGNATURE.len() - short)),
        long if long >= MAX_BYTES => Err(Malformed::LineTooLong),
        // The end is known only when it is there.
        _ => Ok(Step::Read(1)),
    }
}

fn origin(line: &[u8]) -> Option<Origin> {
    let text = str::from_utf8(line.strip_prefix(PREFIX)?).ok()?;
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Some(Origin::Unnamed);
    }
    let mut words = text.split(' ');
    let family = words.next()?;
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let (source, destination) = (address(words.next()?)?, address(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(Origin::Client {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// Decimal, without signs or leading zeros.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}
