//! The checksum of a version 2 header: CRC-32C (RFC 9260 appendix A).

/// The generator, with its bits reversed.
const GENERATOR: u32 = 0x82f6_3b78;

/// The checksum of these bytes, one after another. Bit by bit: a header is
/// short, few have a checksum, and only balancers that are listed send one.
pub(super) fn of(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let divides = crc & 1 == 1;
            crc >>= 1;
            if divides {
                crc ^= GENERATOR;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_that_are_known() {
        // RFC 3720 appendix B.4, and the check value of the catalogues.
        assert_eq!(of(&[b"123456789"]), 0xe306_9283);
        assert_eq!(of(&[b"1234", b"", b"56789"]), 0xe306_9283);
        assert_eq!(of(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(of(&[&[0xff; 32]]), 0x62a8_ab43);
        assert_eq!(of(&[]), 0);
    }
}
