use super::*;

/// Authority, lookup form, port, whether an address; with where it is written.
const READ: &[(&str, &str, Option<u16>, bool, &str)] = &[
    ("example.com", "example.com", None, false, "RFC 9110 7.2"),
    ("Example.COM", "example.com", None, false, "RFC 9110 4.2.3: hosts compare without case"),
    ("example.com:8080", "example.com", Some(8080), false, "RFC 9110 7.2: host [: port]"),
    ("example.com:", "example.com", None, false, "RFC 3986 3.2.3: the port may be empty"),
    ("example.com:0", "example.com", Some(0), false, "RFC 3986 3.2.3: *DIGIT"),
    ("example.com:65535", "example.com", Some(65535), false, "RFC 9293 3.1: 16 bits"),
    ("example.com:00080", "example.com", Some(80), false, "RFC 3986 3.2.3: *DIGIT"),
    ("example.com.", "example.com", None, false, "RFC 3986 3.2.2: the root dot is allowed"),
    ("example.com.:443", "example.com", Some(443), false, "RFC 3986 3.2.2"),
    ("localhost", "localhost", None, false, "RFC 6761 6.3"),
    ("a", "a", None, false, "RFC 3986 3.2.2: one label is a name"),
    ("my_app.example.com", "my_app.example.com", None, false, "RFC 3986 2.3: _ is unreserved"),
    ("_dmarc.example.com", "_dmarc.example.com", None, false, "RFC 8552 1.1"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example", None, false, "RFC 5890 2.3.2.1: A-label"),
    ("3com.com", "3com.com", None, false, "RFC 1123 2.1: a digit may come first"),
    ("1.2.3.com", "1.2.3.com", None, false, "RFC 1123 2.1: no number at the end"),
    ("0xcafe.de", "0xcafe.de", None, false, "RFC 1123 2.1: no number at the end"),
    ("-a-.example", "-a-.example", None, false, "RFC 3986 3.2.2: unreserved anywhere"),
    ("127.0.0.1", "127.0.0.1", None, true, "RFC 3986 3.2.2: IPv4address"),
    ("127.0.0.1:80", "127.0.0.1", Some(80), true, "RFC 3986 3.2.2: IPv4address"),
    ("[::1]", "[::1]", None, true, "RFC 3986 3.2.2: IP-literal"),
    ("[::1]:8080", "[::1]", Some(8080), true, "RFC 3986 3.2.2: IP-literal"),
    ("[::1]:", "[::1]", None, true, "RFC 3986 3.2.3: the port may be empty"),
    ("[0:0:0:0:0:0:0:1]", "[::1]", None, true, "RFC 5952 4.2: zeros are shortened"),
    ("[2001:DB8::A]", "[2001:db8::a]", None, true, "RFC 5952 4.3: lower-case"),
    ("[2001:0db8::000a]", "[2001:db8::a]", None, true, "RFC 5952 4.1: no leading zeros"),
    ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", None, true, "RFC 5952 5: mixed notation"),
    ("[::ffff:c000:201]", "[::ffff:192.0.2.1]", None, true, "RFC 5952 5: mixed notation"),
];

/// Authority, why it is refused, and where that is written.
const REFUSED: &[(&str, AmbiguousHost, &str)] = &[
    ("", AmbiguousHost::Empty, "RFC 9110 4.2.1: an empty host is invalid"),
    (":80", AmbiguousHost::Empty, "RFC 9110 4.2.1"),
    (".", AmbiguousHost::EmptyLabel, "RFC 1034 3.1: the root is no web host"),
    (".example.com", AmbiguousHost::EmptyLabel, "RFC 1034 3.1"),
    ("a..b", AmbiguousHost::EmptyLabel, "RFC 1034 3.1"),
    ("example.com..", AmbiguousHost::EmptyLabel, "RFC 1034 3.1"),
    ("user@example.com", AmbiguousHost::UserInformation, "RFC 9110 4.2.4"),
    ("user:pw@example.com", AmbiguousHost::UserInformation, "RFC 9110 4.2.4"),
    ("@example.com", AmbiguousHost::UserInformation, "RFC 9110 4.2.4"),
    ("a.example, b.example", AmbiguousHost::List, "RFC 9112 3.2: one Host only"),
    ("a.example,b.example", AmbiguousHost::List, "RFC 9112 3.2"),
    (" example.com", AmbiguousHost::WhiteSpace, "RFC 9112 3.2: an invalid value"),
    ("example.com ", AmbiguousHost::WhiteSpace, "RFC 9112 3.2"),
    ("exa\tmple.com", AmbiguousHost::WhiteSpace, "RFC 9112 3.2"),
    ("example.com\0", AmbiguousHost::WhiteSpace, "RFC 9110 5.5: NUL is dangerous"),
    ("example.com\x7f", AmbiguousHost::WhiteSpace, "RFC 3986 2: no DEL in a URI"),
    ("example.com/path", AmbiguousHost::BeyondAuthority, "RFC 3986 3.2: ends at /"),
    ("http://example.com", AmbiguousHost::BeyondAuthority, "RFC 9110 7.2: no scheme"),
    ("example.com?x", AmbiguousHost::BeyondAuthority, "RFC 3986 3.2: ends at ?"),
    ("example.com#x", AmbiguousHost::BeyondAuthority, "RFC 3986 3.2: ends at #"),
    ("example.com\\x", AmbiguousHost::BeyondAuthority, "RFC 3986 2: no \\ in a URI"),
    ("ex%61mple.com", AmbiguousHost::PercentEncoded, "RFC 3986 6.2.2.2: two spellings"),
    ("example.com%00", AmbiguousHost::PercentEncoded, "RFC 3986 3.2.2"),
    ("[fe80::1%25eth0]", AmbiguousHost::PercentEncoded, "RFC 9844 3: zones stay at home"),
    ("bücher.example", AmbiguousHost::NotAscii, "RFC 3986 3.2.2: ASCII, IDNA as A-labels"),
    ("*.example.com", AmbiguousHost::ForbiddenByte(b'*'), "a pattern is no host"),
    ("a~b.example", AmbiguousHost::ForbiddenByte(b'~'), "RFC 1123 2.1"),
    ("a&b.example", AmbiguousHost::ForbiddenByte(b'&'), "RFC 1123 2.1"),
    ("a;b.example", AmbiguousHost::ForbiddenByte(b';'), "RFC 1123 2.1"),
    ("a=b", AmbiguousHost::ForbiddenByte(b'='), "RFC 1123 2.1"),
    ("a\"b", AmbiguousHost::ForbiddenByte(b'"'), "RFC 3986 2"),
    ("a]b", AmbiguousHost::ForbiddenByte(b']'), "RFC 3986 3.2.2: brackets round IPv6 only"),
    ("a[::1]", AmbiguousHost::SecondColon, "RFC 3986 3.2.2"),
    ("127.1", AmbiguousHost::OddNumber, "RFC 3986 7.4: rare address formats"),
    ("2130706433", AmbiguousHost::OddNumber, "RFC 3986 7.4"),
    ("0x7f.0.0.1", AmbiguousHost::OddNumber, "RFC 3986 7.4"),
    ("127.0.0.0x1", AmbiguousHost::OddNumber, "RFC 3986 7.4"),
    ("0x", AmbiguousHost::OddNumber, "RFC 3986 7.4"),
    ("010.0.0.1", AmbiguousHost::OddNumber, "RFC 3986 7.4: octal to some"),
    ("1.2.3.256", AmbiguousHost::OddNumber, "RFC 3986 3.2.2: dec-octet"),
    ("1.2.3.4.5", AmbiguousHost::OddNumber, "RFC 3986 3.2.2: four parts"),
    ("1.2.3.4.", AmbiguousHost::OddNumber, "an address has no root dot"),
    ("example.1", AmbiguousHost::OddNumber, "RFC 1123 2.1: no top-level number"),
    ("[]", AmbiguousHost::Ipv6, "RFC 3986 3.2.2"),
    ("[", AmbiguousHost::Ipv6, "RFC 3986 3.2.2"),
    ("[::1", AmbiguousHost::Ipv6, "RFC 3986 3.2.2"),
    ("[::1]x", AmbiguousHost::Ipv6, "RFC 3986 3.2.2"),
    ("[::1]]", AmbiguousHost::Ipv6, "RFC 3986 3.2.2"),
    ("[127.0.0.1]", AmbiguousHost::Ipv6, "RFC 3986 3.2.2"),
    ("[v1.x]", AmbiguousHost::Ipv6, "RFC 3986 3.2.2: IPvFuture has no future yet"),
    ("[1::2::3]", AmbiguousHost::Ipv6, "RFC 4291 2.2: :: once"),
    ("::1", AmbiguousHost::SecondColon, "RFC 3986 3.2.2: IPv6 in brackets"),
    ("a:80:80", AmbiguousHost::SecondColon, "RFC 9110 7.2"),
    ("[::1]:80:80", AmbiguousHost::SecondColon, "RFC 9110 7.2"),
    ("a:+80", AmbiguousHost::ForbiddenByte(b'+'), "RFC 3986 3.2.3: digits"),
    ("a:-1", AmbiguousHost::PortNotNumber, "RFC 3986 3.2.3: digits"),
    ("a:http", AmbiguousHost::PortNotNumber, "RFC 3986 3.2.3: digits"),
    ("a:65536", AmbiguousHost::PortTooLarge, "RFC 9293 3.1: 16 bits"),
    ("a:000080", AmbiguousHost::PortTooLarge, "no port needs six digits"),
    ("a:99999999999999999999", AmbiguousHost::PortTooLarge, "RFC 9293 3.1"),
];

fn read(authority: &str) -> RequestHost {
    RequestHost::from_authority(authority.as_bytes()).unwrap()
}

#[test]
fn every_host_with_one_reading_is_read_that_way() {
    for (authority, lookup, port, address, source) in READ {
        let host = RequestHost::from_authority(authority.as_bytes());
        let host = host.unwrap_or_else(|e| panic!("{authority:?} ({source}): {e}"));
        assert_eq!(host.lookup(), *lookup, "{authority:?} ({source})");
        assert_eq!(host.port(), *port, "{authority:?} ({source})");
        assert_eq!(host.is_ip_literal(), *address, "{authority:?} ({source})");
    }
}

#[test]
fn every_host_with_two_readings_is_refused_by_its_reason() {
    for (authority, reason, source) in REFUSED {
        let host = RequestHost::from_authority(authority.as_bytes());
        assert_eq!(host, Err(*reason), "{authority:?} ({source})");
    }
}

#[test]
fn a_lookup_form_is_its_own_lookup_form() {
    for (authority, ..) in READ {
        let once = read(authority);
        assert_eq!(read(once.lookup()).lookup(), once.lookup());
    }
}

#[test]
fn names_are_limited_to_255_bytes_and_labels_to_63() {
    let label = "a".repeat(63);
    let longest = [label.as_str(); 4].join(".");
    assert_eq!(longest.len(), MAX_HOST_BYTES);
    assert_eq!(read(&longest).lookup(), longest);
    assert_eq!(read(&format!("{longest}:65535")).port(), Some(65535));

    let one_more = format!("{longest}.");
    let refused = RequestHost::from_authority(one_more.as_bytes());
    assert_eq!(refused, Err(AmbiguousHost::TooLong));
    let refused = RequestHost::from_authority(format!("{label}a.example").as_bytes());
    assert_eq!(refused, Err(AmbiguousHost::LabelTooLong));
}

#[test]
fn names_around_the_length_kept_in_place_are_lower_cased_alike() {
    for length in 40..70 {
        let name = format!("{}.{}", "A".repeat(length - 10), "B".repeat(9));
        assert_eq!(name.len(), length);
        if length - 10 <= MAX_LABEL_BYTES {
            assert_eq!(read(&name).lookup(), name.to_ascii_lowercase());
            assert_eq!(read(&name), read(&name.to_ascii_lowercase()));
        }
    }
}

#[test]
fn no_single_byte_is_accepted_inside_a_name_but_letters_digits_and_three_more() {
    for byte in 0..=u8::MAX {
        let accepted = RequestHost::from_authority(&[b'a', byte, b'c']).is_ok();
        let expected = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        assert_eq!(accepted, expected, "{byte:#x}");
    }
}

#[test]
fn the_same_host_is_recognised_through_case_dot_and_default_port() {
    let same = |a, b, port| same_host(&read(a), &read(b), port);
    assert!(same("example.com", "EXAMPLE.com:80", 80));
    assert!(same("example.com.", "example.com", 80));
    assert!(same("example.com:", "example.com:443", 443));
    assert!(same("[::1]:80", "[0::1]", 80));
    assert!(!same("example.com", "example.com:80", 443));
    assert!(!same("example.com:80", "example.com:8080", 80));
    assert!(!same("example.com", "example.org", 80));
}
