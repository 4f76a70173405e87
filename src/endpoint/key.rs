//! Numbers that keys and addresses are known by, the same in every router.
//!
//! What a key is worth must depend on nothing but the key: not on this process,
//! nor on the version of a library. So the mixing is written out here and its
//! results are pinned by a test. It need not withstand attack: a client that
//! wants to reach the same endpoint again need only send the same key.

use std::net::{IpAddr, SocketAddr};

/// What mixing starts from. Changing it moves every key of every deployment.
const SEED: u64 = 0x706f_696e_7473_6d6e;
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a key.
pub fn of_bytes(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(ODD);
    for word in words.by_ref() {
        // A chunk of 8 is 8 bytes long.
        hash = step(hash, u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    let mut last = [0; 8];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    spin(step(hash, u64::from_le_bytes(last)))
}

/// The number of a client's address. An IPv4-mapped IPv6 address is the IPv4 one.
pub fn of_ip(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => of_bytes(&ip.octets()),
        IpAddr::V6(ip) => of_bytes(&ip.octets()),
    }
}

/// The number of an endpoint's address.
pub(super) fn of_address(address: SocketAddr) -> u64 {
    pair(of_ip(address.ip()), u64::from(address.port()))
}

/// One number of two.
pub(super) fn pair(one: u64, other: u64) -> u64 {
    spin(step(one, other))
}

/// One number of a spun one and another, from half as much mixing: its lower
/// half is good for a lot, and for no more.
pub(super) fn stir(spun: u64, other: u64) -> u64 {
    let mixed = (spun ^ other.wrapping_mul(ODD)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed >> 32
}

fn step(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}

/// Every bit of the number on every other (the finaliser of SplitMix64).
pub(super) fn spin(mut mixed: u64) -> u64 {
    mixed = mixed.wrapping_add(ODD);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_a_little_are_far_apart() {
        let keys: Vec<_> = (0..1_000).map(|n| of_bytes(format!("user-{n}").as_bytes())).collect();
        for bit in 0..64 {
            let ones = keys.iter().filter(|key| *key >> bit & 1 == 1).count();
            assert!((400..600).contains(&ones), "bit {bit}: {ones} of 1000");
        }
        assert_ne!(of_bytes(b""), of_bytes(b"\0"));
        assert_ne!(of_bytes(b"12345678"), of_bytes(b"12345678\0"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(of_ip(mapped), of_ip(IpAddr::from([192, 0, 2, 1])));
        assert_ne!(of_ip(mapped), of_ip(IpAddr::from([192, 0, 2, 2])));
    }
}
