//! Where an endpoint is, as its route says it: an address, or a name that DNS
//! knows the addresses of.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

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
