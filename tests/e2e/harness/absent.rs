//! Endpoints that are not there.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::encrypted::note_endpoint;

/// A port that is taken and not listened on: connecting is refused, and
/// nobody else can get the port in the meantime.
pub(crate) struct RefusingEndpoint {
    bound: Socket,
    address: SocketAddr,
}

impl RefusingEndpoint {
    /// Takes a port.
    pub(crate) fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("sockets can be made");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("loopback has a free port");
        let bound = socket.local_addr().expect("a bound socket has an address");
        let address = bound.as_socket().expect("it was bound to an IP address");
        Self { bound: socket, address }
    }

    /// Where nobody listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens from now on.
    pub(crate) fn listen(self) -> TcpListener {
        self.bound.listen(128).expect("a bound socket can listen");
        self.bound.into()
    }
}

/// A port whose queue of connections is full: connecting gets no answer.
pub(crate) struct UnansweringEndpoint {
    _listener: Socket,
    _queued: Vec<TcpStream>,
    address: SocketAddr,
}

impl UnansweringEndpoint {
    /// Listens for one connection and fills the queue.
    pub(crate) fn start() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("sockets can be made");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).expect("loopback has a free port");
        listener.listen(0).expect("a bound socket can listen");
        let bound = listener.local_addr().expect("a bound socket has an address");
        let address = bound.as_socket().expect("it was bound to an IP address");
        let mut queued = Vec::new();
        // A connect that finds room succeeds at once on loopback; the first
        // one that does not within this time has found none.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queued.push(stream);
            assert!(queued.len() < 64, "a queue of length 0 takes everything");
        }
        note_endpoint(address);
        Self { _listener: listener, _queued: queued, address }
    }

    /// Where nobody answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
