//! Listening sockets: one for each worker on every address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::listen::PassedSockets;
use crate::transport::UNSENT_BYTES;

/// Connections the system holds for us before they are accepted.
pub(super) const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process, or another instance of this one, has it.
    #[error("{address} is in use by another process; stop it, or choose another address")]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "not permitted to listen on {address}; ports below 1024 need CAP_NET_BIND_SERVICE, \
         or a socket passed by systemd"
    )]
    NotPermitted {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else the system said.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// One worker's end of a listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// Whether a service manager holds the socket too: its queue is there for
    /// the next instance, and only closing our end is ours to do.
    pub(crate) outlives_us: bool,
}

/// Listens on `address`, once for each of `workers`: on the socket that was
/// passed for it, which they share, or else on sockets of their own.
///
/// # Errors
/// If the address is taken, not permitted, or not one of this system's.
pub(crate) fn listen(
    address: SocketAddr,
    workers: usize,
    passed: &mut PassedSockets,
) -> Result<Vec<Listener>, BindError> {
    let Some(socket) = passed.take(address) else {
        let own = |socket| Listener { socket, outlives_us: false };
        return Ok(bind(address, workers)?.into_iter().map(own).collect());
    };
    let share = || {
        let socket = socket.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(Listener { socket, outlives_us: true })
    };
    let shares: io::Result<_> = (0..workers).map(|_| share()).collect();
    shares.map_err(|source| BindError::Other { address, source })
}

/// Whether `address` could be listened on now; nothing stays bound, and nobody
/// could connect meanwhile.
///
/// # Errors
/// If the address is taken, not permitted, or not one of this system's.
pub(crate) fn try_address(address: SocketAddr) -> Result<(), BindError> {
    bound(address, false).map(drop).map_err(|source| explained(address, source))
}

/// Binds `address` once for each of `workers`, with `SO_REUSEPORT` between
/// them only: the first socket is bound without it, so that a second instance
/// fails instead of silently sharing the traffic.
///
/// # Errors
/// If the address is taken, not permitted, or not one of this system's.
fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let explain = |source| explained(address, source);
    let first = bound(address, false).map_err(explain)?;
    // The port is known only now if the system chose it.
    let address = first.local_addr().map_err(explain)?.as_socket().unwrap_or(address);
    first.set_reuse_port(true).map_err(explain)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(bound(address, true).map_err(explain)?);
    }
    for socket in &sockets {
        socket.listen(BACKLOG).map_err(explain)?;
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

fn explained(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::NotPermitted { address },
        _ => BindError::Other { address, source },
    }
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // "[::]" means IPv6 alone, whatever the system's default: an address
        // for IPv4 is a listener of its own.
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // What is accepted from a socket inherits this.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn an_address_that_is_tried_stays_free() {
        // Nobody else's, who would take the port.
        let own = SocketAddr::from(([127, 0, 0, 78], 0));
        let address = bind(own, 1).unwrap()[0].local_addr().unwrap();
        assert!(try_address(address).is_ok());
        let _taken = bind(address, 1).unwrap();
        assert!(
            matches!(try_address(address), Err(BindError::InUse { address: a }) if a == address)
        );
    }

    #[test]
    fn the_same_port_may_be_listened_on_in_both_families() {
        let of_v6 = match bind(SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0)), 1) {
            Ok(mut sockets) => sockets.remove(0),
            // A system without IPv6.
            Err(_) => return,
        };
        assert!(socket2::SockRef::from(&of_v6).only_v6().unwrap());
    }

    #[test]
    fn workers_share_an_address_and_a_second_instance_is_refused() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = bind(loopback, 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == address));
        assert!(matches!(bind(address, 1), Err(BindError::InUse { address: a }) if a == address));
        TcpStream::connect(address).unwrap();
    }
}
