//! Where an endpoint is, as its route says it: an address, or a name that DNS
//! knows the addresses of.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Whether an endpoint can be at an address: it is that of one interface, and
/// not of all of a machine's, of a group's or of everybody's (RFC 1122 section
/// 3.2.1.3, RFC 4291 section 2.5.2). One that is IPv4's in IPv6's form is
/// judged as IPv4's.
pub fn is_of_one(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_everybodys = ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    !(ip.is_unspecified() || ip.is_multicast() || is_everybodys)
}

/// An address, or a name and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A host name, and the port at each of its addresses.
    Name {
        /// Lower-case; with a trailing dot if it was written so, which keeps
        /// search domains out.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
}

impl EndpointAddress {
    /// The host, if it is a name.
    pub fn host(&self) -> Option<&Arc<str>> {
        match self {
            Self::Ip(_) => None,
            Self::Name { host, .. } => Some(host),
        }
    }
}

impl From<SocketAddr> for EndpointAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_at_the_address_of_one() {
        for one in ["10.0.0.1", "127.0.0.1", "255.255.255.254", "223.255.255.255", "::1", "fe80::1"]
        {
            assert!(is_of_one(one.parse().unwrap()), "{one}");
        }
        let others = ["0.0.0.0", "::", "224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255"];
        for other in others.into_iter().chain(["::ffff:0.0.0.0", "::ffff:224.0.0.1"]) {
            assert!(!is_of_one(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn it_is_written_as_its_route_says_it() {
        let ip = EndpointAddress::from(SocketAddr::from(([192, 0, 2, 1], 80)));
        let name = EndpointAddress::Name { host: "app.internal.".into(), port: 8080 };
        assert_eq!([&ip, &name].map(ToString::to_string), ["192.0.2.1:80", "app.internal.:8080"]);
        assert_eq!(
            [&ip, &name].map(|own| own.host().map(|host| &**host)),
            [None, Some("app.internal.")]
        );
    }
}
