//! A change as bytes.
//!
//! A record is a tag, the source, and the change's fields in a fixed order;
//! lengths are LEB128 numbers, texts UTF-8. What may be absent has a bit in the
//! flags. Nothing here is checked against damage: that is the frame's part. But
//! no bytes whatever make decoding panic or take more memory than they are
//! long, and what is decoded holds to the rules of its types.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::endpoint::Balance;
use crate::registry::{Change, Registration, Source, Tags};
use crate::route::{HostPattern, PathPrefix};

const REGISTER: u8 = 1;
const UNREGISTER: u8 = 2;
const REMOVE_ROUTE: u8 = 3;

/// The absent ones of a registration's fields have their bit unset.
mod flag {
    pub(super) const TTL: u64 = 1;
    pub(super) const BALANCE: u64 = 1 << 1;
    pub(super) const TAGS: u64 = 1 << 2;
    pub(super) const INSTANCE_ID: u64 = 1 << 3;
    pub(super) const INSTANCE_INDEX: u64 = 1 << 4;
    pub(super) const APP: u64 = 1 << 5;
    pub(super) const AVAILABILITY_ZONE: u64 = 1 << 6;
    pub(super) const ISOLATION_SEGMENT: u64 = 1 << 7;
    pub(super) const TLS: u64 = 1 << 8;
    pub(super) const SERVER_CERT_DOMAIN_SAN: u64 = 1 << 9;
    pub(super) const UPDATED_AT: u64 = 1 << 10;
    pub(super) const ALL: u64 = (1 << 11) - 1;
}

/// The bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no record of a snapshot")]
pub struct NoRecord;

/// Appends a change to `out`.
pub fn encode(source: Source, change: &Change, out: &mut Vec<u8>) {
    match change {
        Change::Register(registration) => encode_registration(source, registration, out),
        Change::Unregister { host, path, endpoint, instance_id, updated_at_ns } => {
            begin(UNREGISTER, source, host, path, out);
            encode_address(*endpoint, out);
            let flags = set(flag::INSTANCE_ID, instance_id.is_some())
                | set(flag::UPDATED_AT, updated_at_ns.is_some());
            number(flags, out);
            instance_id.iter().for_each(|id| text(id, out));
            updated_at_ns.iter().for_each(|at| out.extend(at.to_le_bytes()));
        }
        Change::RemoveRoute { host, path } => begin(REMOVE_ROUTE, source, host, path, out),
    }
}

/// Appends a registration to `out`, as [`encode`] does a change.
fn encode_registration(source: Source, registration: &Registration, out: &mut Vec<u8>) {
    let it = registration;
    begin(REGISTER, source, &it.host, &it.path, out);
    encode_address(it.endpoint, out);
    number(u64::from(it.weight), out);
    let texts = [
        (flag::INSTANCE_ID, &it.instance_id),
        (flag::INSTANCE_INDEX, &it.instance_index),
        (flag::APP, &it.app),
        (flag::AVAILABILITY_ZONE, &it.availability_zone),
        (flag::ISOLATION_SEGMENT, &it.isolation_segment),
        (flag::SERVER_CERT_DOMAIN_SAN, &it.server_cert_domain_san),
    ];
    let mut flags = set(flag::TTL, it.ttl.is_some())
        | set(flag::BALANCE, it.balance.is_some())
        | set(flag::TAGS, !it.tags.is_empty())
        | set(flag::TLS, it.tls)
        | set(flag::UPDATED_AT, it.updated_at_ns.is_some());
    flags |= texts.iter().fold(0, |flags, (bit, text)| flags | set(*bit, text.is_some()));
    number(flags, out);
    if let Some(ttl) = it.ttl {
        number(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX), out);
    }
    if let Some(balance) = &it.balance {
        text(&balance.to_string(), out);
    }
    if !it.tags.is_empty() {
        number(it.tags.len() as u64, out);
        for (name, value) in &it.tags {
            text(name, out);
            text(value, out);
        }
    }
    texts.iter().filter_map(|(_, text)| text.as_deref()).for_each(|value| text(value, out));
    if let Some(at) = it.updated_at_ns {
        out.extend(at.to_le_bytes());
    }
}

/// Takes one change off the front of `bytes`.
///
/// # Errors
/// If `bytes` do not begin with one.
pub fn decode(bytes: &mut &[u8]) -> Result<(Source, Change), NoRecord> {
    let [tag, source] = take(bytes)?;
    let source = match source {
        1 => Source::Admin,
        2 => Source::Nats,
        _ => return Err(NoRecord),
    };
    let host: HostPattern = read_text(bytes)?.parse().map_err(|_| NoRecord)?;
    let path: PathPrefix = read_text(bytes)?.parse().map_err(|_| NoRecord)?;
    let change = match tag {
        REGISTER => Change::Register(decode_registration(host, path, bytes)?),
        UNREGISTER => {
            let endpoint = decode_address(bytes)?;
            let has = read_flags(bytes)?;
            Change::Unregister {
                host,
                path,
                endpoint,
                instance_id: optional(has(flag::INSTANCE_ID), bytes)?,
                updated_at_ns: time(has(flag::UPDATED_AT), bytes)?,
            }
        }
        REMOVE_ROUTE => Change::RemoveRoute { host, path },
        _ => return Err(NoRecord),
    };
    Ok((source, change))
}

fn decode_registration(
    host: HostPattern,
    path: PathPrefix,
    bytes: &mut &[u8],
) -> Result<Registration, NoRecord> {
    let mut it = Registration::new(host, path, decode_address(bytes)?);
    it.weight = u16::try_from(read_number(bytes)?).map_err(|_| NoRecord)?;
    let has = read_flags(bytes)?;
    it.tls = has(flag::TLS);
    if has(flag::TTL) {
        it.ttl = Some(Duration::from_millis(read_number(bytes)?));
    }
    if has(flag::BALANCE) {
        it.balance = Some(read_text(bytes)?.parse::<Balance>().map_err(|_| NoRecord)?);
    }
    if has(flag::TAGS) {
        it.tags = decode_tags(bytes)?;
    }
    it.instance_id = optional(has(flag::INSTANCE_ID), bytes)?;
    it.instance_index = optional(has(flag::INSTANCE_INDEX), bytes)?;
    it.app = optional(has(flag::APP), bytes)?;
    it.availability_zone = optional(has(flag::AVAILABILITY_ZONE), bytes)?;
    it.isolation_segment = optional(has(flag::ISOLATION_SEGMENT), bytes)?;
    it.server_cert_domain_san = optional(has(flag::SERVER_CERT_DOMAIN_SAN), bytes)?;
    it.updated_at_ns = time(has(flag::UPDATED_AT), bytes)?;
    Ok(it)
}

fn decode_tags(bytes: &mut &[u8]) -> Result<Tags, NoRecord> {
    let count = read_number(bytes)?;
    let mut tags = Tags::new();
    for _ in 0..count {
        // A count that lies ends here, with the bytes.
        let name = read_text(bytes)?.into();
        tags.insert(name, read_text(bytes)?.into());
    }
    Ok(tags)
}

fn begin(tag: u8, source: Source, host: &HostPattern, path: &PathPrefix, out: &mut Vec<u8>) {
    let source = match source {
        // The file keeps itself; its routes never come here.
        Source::File | Source::Admin => 1,
        Source::Nats => 2,
    };
    out.extend([tag, source]);
    text(&host.to_string(), out);
    text(&path.to_string(), out);
}

fn encode_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(v4) => {
            out.push(4);
            out.extend(v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.push(6);
            out.extend(v6.ip().octets());
            out.extend(v6.flowinfo().to_le_bytes());
            out.extend(v6.scope_id().to_le_bytes());
        }
    }
    out.extend(address.port().to_le_bytes());
}

fn decode_address(bytes: &mut &[u8]) -> Result<SocketAddr, NoRecord> {
    let [family] = take(bytes)?;
    match family {
        4 => {
            let ip = IpAddr::V4(Ipv4Addr::from(take::<4>(bytes)?));
            Ok(SocketAddr::new(ip, u16::from_le_bytes(take(bytes)?)))
        }
        6 => {
            let ip = Ipv6Addr::from(take::<16>(bytes)?);
            let (flow, scope) =
                (u32::from_le_bytes(take(bytes)?), u32::from_le_bytes(take(bytes)?));
            let port = u16::from_le_bytes(take(bytes)?);
            Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, flow, scope)))
        }
        _ => Err(NoRecord),
    }
}

const fn set(bit: u64, when: bool) -> u64 {
    if when { bit } else { 0 }
}

fn text(text: &str, out: &mut Vec<u8>) {
    number(text.len() as u64, out);
    out.extend(text.as_bytes());
}

/// Unsigned LEB128.
fn number(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], NoRecord> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(NoRecord)?;
    *bytes = rest;
    Ok(*taken)
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, NoRecord> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes)?;
        let low = u64::from(byte & 0x7f);
        if shift == 63 && low > 1 {
            return Err(NoRecord);
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(NoRecord)
}

fn read_flags(bytes: &mut &[u8]) -> Result<impl Fn(u64) -> bool + use<>, NoRecord> {
    let flags = read_number(bytes)?;
    if flags & !flag::ALL != 0 {
        return Err(NoRecord);
    }
    Ok(move |bit| flags & bit != 0)
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, NoRecord> {
    let length = usize::try_from(read_number(bytes)?).map_err(|_| NoRecord)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or(NoRecord)?;
    *bytes = rest;
    std::str::from_utf8(text).map_err(|_| NoRecord)
}

fn optional(present: bool, bytes: &mut &[u8]) -> Result<Option<Box<str>>, NoRecord> {
    if present { Ok(Some(read_text(bytes)?.into())) } else { Ok(None) }
}

fn time(present: bool, bytes: &mut &[u8]) -> Result<Option<i64>, NoRecord> {
    if present { Ok(Some(i64::from_le_bytes(take(bytes)?))) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_was_written_and_a_larger_one_than_there_is_refused() {
        for written in [0, 1, 127, 128, 1 << 32, u64::MAX] {
            let mut bytes = Vec::new();
            number(written, &mut bytes);
            assert_eq!(read_number(&mut &bytes[..]).ok(), Some(written));
        }
        let ten = |first, last| {
            let mut bytes = [first; 10];
            bytes[9] = last;
            read_number(&mut &bytes[..]).ok()
        };
        assert_eq!(ten(0x80, 0), Some(0));
        assert_eq!(ten(0xff, 1), Some(u64::MAX));
        assert_eq!([ten(0xff, 2), ten(0x80, 0x7f), ten(0xff, 0x81)], [None; 3]);
    }
}
