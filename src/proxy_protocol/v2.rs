//! Version 2: a binary header (section 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAX_BYTES, Malformed, Origin, SIGNATURE, Step};

/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

const VERSION_2: u8 = 0x20;
const LOCAL: u8 = VERSION_2;
const PROXY: u8 = VERSION_2 | 1;

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

const TCP4_BYTES: usize = 12;
const TCP6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

pub(super) fn step(read: &[u8]) -> Result<Step, Malformed> {
    let Some((fixed, rest)) = read.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(Step::Read(FIXED_BYTES - read.len()));
    };
    let [.., command, family, high, low] = *fixed;
    if !matches!(command, LOCAL | PROXY) {
        return Err(Malformed::Command);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED_BYTES + length > MAX_BYTES {
        return Err(Malformed::TooLong);
    }
    // What is said of a LOCAL connection is to be skipped.
    let addresses = match (command, family) {
        (LOCAL, _) | (_, UNSPECIFIED) => 0,
        (_, TCP4) => TCP4_BYTES,
        (_, TCP6) => TCP6_BYTES,
        (_, UNIX_STREAM) => UNIX_BYTES,
        _ => return Err(Malformed::Family),
    };
    if length < addresses {
        return Err(Malformed::TooShort);
    }
    if rest.len() < length {
        return Ok(Step::Read(length - rest.len()));
    }
    // What stands behind the addresses (TLVs) says nothing we act on.
    Ok(Step::Done(match (command, family) {
        (PROXY, TCP4) => client::<4>(rest).unwrap_or(Origin::Unnamed),
        (PROXY, TCP6) => client::<16>(rest).unwrap_or(Origin::Unnamed),
        _ => Origin::Unnamed,
    }))
}

/// Two addresses of `N` bytes, then their ports.
fn client<const N: usize>(bytes: &[u8]) -> Option<Origin>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some(Origin::Client {
        source: SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*from)),
        destination: SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes(*to)),
    })
}

/// The header that says `origin`. Addresses of two families are both written
/// as IPv6.
pub fn encode(origin: &Origin) -> Vec<u8> {
    let mut header = Vec::with_capacity(FIXED_BYTES + TCP6_BYTES);
    header.extend_from_slice(SIGNATURE);
    let Origin::Client { source, destination } = origin else {
        header.extend_from_slice(&[LOCAL, UNSPECIFIED, 0, 0]);
        return header;
    };
    match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend_from_slice(&[PROXY, TCP4, 0, TCP4_BYTES as u8]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
        }
        (from, to) => {
            header.extend_from_slice(&[PROXY, TCP6, 0, TCP6_BYTES as u8]);
            header.extend_from_slice(&v6(from).octets());
            header.extend_from_slice(&v6(to).octets());
        }
    }
    header.extend_from_slice(&source.port().to_be_bytes());
    header.extend_from_slice(&destination.port().to_be_bytes());
    header
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::to_ipv6_mapped(&ip),
        IpAddr::V6(ip) => ip,
    }
}
