//! Version 2: a binary header (section 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAX_BYTES, Malformed, Origin, SIGNATURE, Step, crc32c};

/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

const VERSION_2: u8 = 0x20;
const LOCAL: u8 = VERSION_2;
const PROXY: u8 = VERSION_2 | 1;

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const UDP4: u8 = 0x12;
const TCP6: u8 = 0x21;
const UDP6: u8 = 0x22;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

const TCP4_BYTES: usize = 12;
const TCP6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

/// The TLV that is a checksum of the header (PP2_TYPE_CRC32C).
const CHECKSUM: u8 = 0x03;

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
        (_, TCP4 | UDP4) => TCP4_BYTES,
        (_, TCP6 | UDP6) => TCP6_BYTES,
        (_, UNIX_STREAM | UNIX_DATAGRAM) => UNIX_BYTES,
        _ => return Err(Malformed::Family),
    };
    if length < addresses {
        return Err(Malformed::TooShort);
    }
    if rest.len() < length {
        return Ok(Step::Read(length - rest.len()));
    }
    // Where nobody is named, nothing that is said counts.
    if command == PROXY && family != UNSPECIFIED {
        check_tlvs(read, FIXED_BYTES + addresses)?;
    }
    Ok(Step::Done(match (command, family) {
        (PROXY, TCP4) => client::<4>(rest).unwrap_or(Origin::Unnamed),
        (PROXY, TCP6) => client::<16>(rest).unwrap_or(Origin::Unnamed),
        // What has no stream of TCP falls back to that (section 2.2).
        _ => Origin::Unnamed,
    }))
}

/// Steps over the TLVs of a whole header, from `at` on. Only a checksum says
/// something that we act on.
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), Malformed> {
    while let Some(tlv) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let (&[kind, high, low], rest) = tlv.split_first_chunk().ok_or(Malformed::Tlvs)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.get(..length).ok_or(Malformed::Tlvs)?;
        let begin = at + tlv.len() - rest.len();
        if kind == CHECKSUM {
            let said = value.try_into().map_err(|_| Malformed::Tlvs)?;
            // It is made with nothing in its own place.
            let parts = [&header[..begin], &[0; 4], &header[begin + length..]];
            if crc32c::of(&parts) != u32::from_be_bytes(said) {
                return Err(Malformed::Checksum);
            }
        }
        at = begin + length;
    }
    Ok(())
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
