//! A port for a server that cannot choose one itself.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A loopback port that is bound and not listened on: nobody else is given it.
/// A server that is told of it listens there, and again after its end, since
/// servers let addresses be reused (`SO_REUSEADDR`). Until then connecting is
/// refused.
pub(crate) struct HeldPort {
    bound: Socket,
}

impl HeldPort {
    /// Takes a port.
    pub(crate) fn take() -> Self {
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("sockets can be made");
        bound.set_reuse_address(true).expect("an address can be reused");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        bound.bind(&any.into()).expect("loopback has a free port");
        Self { bound }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        let bound = self.bound.local_addr().expect("a bound socket has an address");
        bound.as_socket().expect("it was bound to an IP address")
    }
}
