use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// Reads `input` as a listener does: how many bytes were taken, and as what.
fn read(input: &[u8]) -> Result<Option<(usize, Origin)>, Malformed> {
    let mut taken = 0;
    loop {
        match step(&input[..taken])? {
            Step::Done(origin) => return Ok(Some((taken, origin))),
            Step::Read(most) => {
                assert!(most > 0 && taken + most <= MAX_BYTES);
                if taken == input.len() {
                    return Ok(None);
                }
                taken = (taken + most).min(input.len());
            }
        }
    }
}

fn client(source: &str, destination: &str) -> Origin {
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    Origin::Client { source, destination }
}

#[test]
fn a_line_names_the_client_and_nothing_behind_it_is_taken() {
    for (line, origin) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
            client("192.0.2.1:56324", "198.51.100.7:443"),
        ),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
            client("[2001:db8::1]:1", "[2001:db8::2]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", Origin::Unnamed),
        ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Origin::Unnamed),
    ] {
        let input = format!("{line}GET / HTTP/1.1\r\n\r\n");
        assert_eq!(read(input.as_bytes()), Ok(Some((line.len(), origin))), "{line}");
    }
}

#[test]
fn a_line_that_is_not_one_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
    ] {
        assert_eq!(read(line.as_bytes()), Err(Malformed::Line), "{line}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(read(endless.as_bytes()), Err(Malformed::LineTooLong));
    for other in ["GET / HTTP/1.1\r\n", "PROXX TCP4", "\r\n\r\n\0\r\nQUIX\n", "\x16\x03\x01"] {
        assert_eq!(read(other.as_bytes()), Err(Malformed::NoHeader), "{other}");
    }
}

/// A version 2 header of these parts, with its length.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
}

#[test]
fn a_binary_header_names_the_client_and_its_tlvs_are_skipped() {
    let addresses = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];
    let tlv = [0x05, 0x00, 0x04, 1, 2, 3, 4, 0x04, 0x00, 0x00];
    let named = client("192.0.2.1:56324", "198.51.100.7:443");
    for rest in [&addresses[..], &[&addresses[..], &tlv].concat()] {
        let whole = header(0x21, 0x11, rest);
        let input = [&whole[..], b"GET"].concat();
        assert_eq!(read(&input), Ok(Some((whole.len(), named))));
    }
}

#[test]
fn whom_nobody_names_counts_as_the_connection_itself() {
    for (command, family, bytes) in
        [(0x20, 0x11, 12), (0x20, 0x00, 0), (0x20, 0xff, 9), (0x21, 0x00, 5)]
    {
        let whole = header(command, family, &vec![7; bytes]);
        assert_eq!(read(&whole), Ok(Some((whole.len(), Origin::Unnamed))), "{family:x}");
    }
    // Section 2.2: valid combinations that are not supported fall back to that.
    for (family, bytes) in [(0x12, 12), (0x22, 36), (0x31, 216), (0x32, 216)] {
        let whole = header(0x21, family, &vec![7; bytes]);
        assert_eq!(read(&whole), Ok(Some((whole.len(), Origin::Unnamed))), "{family:x}");
        let short = header(0x21, family, &vec![7; bytes - 1]);
        assert_eq!(read(&short), Err(Malformed::TooShort), "{family:x}");
    }
}

#[test]
fn tlvs_have_to_end_where_the_header_does() {
    for wrong in [&[4][..], &[4, 0], &[4, 0, 1], &[4, 0xff, 0xff, 0], &[4, 0, 0, 4], &[3, 0, 0]] {
        let rest = [&[7; 12], wrong].concat();
        assert_eq!(read(&header(0x21, 0x11, &rest)), Err(Malformed::Tlvs), "{wrong:?}");
        // Of nobody, nothing that is said counts.
        let local = header(0x20, 0x11, &rest);
        assert_eq!(read(&local), Ok(Some((local.len(), Origin::Unnamed))), "{wrong:?}");
    }
}

#[test]
fn a_checksum_must_be_that_of_the_header() {
    // As HAProxy 2.6 sends it for `proxy-v2-options crc32c,unique-id`.
    let ports = [0xd2, 0x6e, 0xa7, 0x09];
    let checksum = [0x03, 0x00, 0x04, 0xb5, 0xeb, 0x6b, 0x2b];
    let parts = [&[127, 0, 0, 1, 127, 0, 0, 1][..], &ports, &checksum, &[0x05, 0x00, 0x00]];
    let sent = header(0x21, 0x11, &parts.concat());
    let named = client("127.0.0.1:53870", "127.0.0.1:42761");
    assert_eq!(read(&sent), Ok(Some((sent.len(), named))));
    // Whatever is bent but the tag of the checksum, which then is none.
    for at in (16..sent.len()).filter(|at| *at != 28) {
        let mut bent = sent.to_vec();
        bent[at] ^= 1;
        let read = read(&bent);
        assert!(matches!(read, Err(Malformed::Checksum | Malformed::Tlvs)), "{at}: {read:?}");
    }
}

#[test]
fn a_binary_header_that_cannot_be_understood_is_refused() {
    assert_eq!(read(&header(0x11, 0x11, &[0; 12])), Err(Malformed::Command));
    assert_eq!(read(&header(0x22, 0x11, &[0; 12])), Err(Malformed::Command));
    for family in [0x01, 0x02, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff] {
        assert_eq!(read(&header(0x21, family, &[0; 216])), Err(Malformed::Family), "{family:x}");
    }
    assert_eq!(read(&header(0x21, 0x11, &[0; 11])), Err(Malformed::TooShort));
    assert_eq!(read(&header(0x21, 0x21, &[0; 35])), Err(Malformed::TooShort));
    assert_eq!(read(&header(0x20, 0x00, &[0; 5000])), Err(Malformed::TooLong));
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    (prop_oneof![v4, v6], any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

#[test]
fn a_client_of_ipv4_on_a_dual_stack_listener_is_one_of_ipv4() {
    let mapped = |text: &str| text.parse::<SocketAddr>().unwrap();
    let header = encode_v2(&Origin::Client {
        source: mapped("[::ffff:192.0.2.7]:4711"),
        destination: mapped("[::ffff:198.51.100.1]:443"),
    });
    assert_eq!(header[12..16], [0x21, 0x11, 0, 12]);
    assert_eq!(header[16..], [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb]);
}

proptest! {
    #[test]
    fn what_is_sent_is_read_as_it_was_meant(source in any_address(), destination in any_address()) {
        let header = encode_v2(&Origin::Client { source, destination });
        let same = |read: SocketAddr, meant: SocketAddr| {
            read.port() == meant.port() && read.ip().to_canonical() == meant.ip().to_canonical()
        };
        match read(&header) {
            Ok(Some((taken, Origin::Client { source: from, destination: to }))) => {
                prop_assert_eq!(taken, header.len());
                prop_assert!(same(from, source) && same(to, destination));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn whatever_comes_is_read_within_its_bounds(
        input in prop::collection::vec(any::<u8>(), 0..300),
        start in 0..3usize,
    ) {
        let starts = [b"".as_slice(), b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21"];
        let input = [starts[start], &input].concat();
        // A prefix of what is good is never malformed.
        if let Ok(Some((taken, _))) = read(&input) {
            for cut in 0..taken {
                prop_assert_eq!(read(&input[..cut]), Ok(None));
            }
        }
    }
}
