//! Whom a request is from, behind the proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use http::header::HeaderName;

use crate::http1::FieldLines;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's, unless the peer is trusted to say for whom
/// it asks. Then `X-Forwarded-For` is read from its end, where the nearest proxy
/// wrote, past every address that `is_trusted`; the first that is not is the
/// client. What stands before it is the client's own word. What is no address
/// ends the search at the proxy that wrote it.
pub(crate) fn client_address(
    fields: &FieldLines,
    peer: IpAddr,
    peer_is_trusted: bool,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    if !peer_is_trusted {
        return client;
    }
    // Lines are few; their order is the order of the proxies.
    let lines: Vec<_> = fields.all(&FORWARDED_FOR).collect();
    for line in lines.iter().rev() {
        for element in line.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(address) = address(element.trim_ascii()) else { return client };
            client = address;
            if !is_trusted(address) {
                return client;
            }
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, with a port or without.
fn address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    use http::header::HeaderValue;

    fn client(lines: &[&'static str], peer_is_trusted: bool) -> String {
        let fields: FieldLines = lines
            .iter()
            .map(|line| (FORWARDED_FOR.clone(), HeaderValue::from_static(line)))
            .collect();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let trusted = |ip: IpAddr| ip.to_string().starts_with("10.");
        client_address(&fields, peer, peer_is_trusted, trusted).to_string()
    }

    #[test]
    fn the_nearest_address_that_is_no_trusted_proxy_is_the_client() {
        assert_eq!(client(&["192.0.2.7"], true), "192.0.2.7");
        assert_eq!(client(&["198.51.100.1, 192.0.2.7", "10.1.1.1,10.2.2.2 "], true), "192.0.2.7");
        assert_eq!(client(&["192.0.2.7:4711, 10.1.1.1"], true), "192.0.2.7");
        assert_eq!(client(&["[2001:db8::1]:4711"], true), "2001:db8::1");
        assert_eq!(client(&["[2001:db8::1]"], true), "2001:db8::1");
    }

    #[test]
    fn who_is_not_trusted_is_the_client_whatever_it_says() {
        assert_eq!(client(&["192.0.2.7"], false), "10.0.0.1");
    }

    #[test]
    fn nobody_beyond_what_is_no_address_is_believed() {
        assert_eq!(client(&[], true), "10.0.0.1");
        assert_eq!(client(&["192.0.2.7, unknown"], true), "10.0.0.1");
        assert_eq!(client(&["192.0.2.7, unknown, 10.3.3.3"], true), "10.3.3.3");
        assert_eq!(client(&["10.9.9.9"], true), "10.9.9.9");
    }
}
