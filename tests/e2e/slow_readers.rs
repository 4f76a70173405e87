//! Peers that read little, but without a pause. To the clocks of writing they
//! are no stalled peers, however long it takes until there is room for a write.
//!
//! The peers here have small buffers in their systems, so that these say often
//! how much they have taken. That a peer which takes nothing is cut is tested
//! with the other clocks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::harness::wait::PATIENCE;
use crate::harness::{Config, Router, ScriptedEndpoint, Step};

/// A peer reads 10,000 B/s, and its system says so about twice a second; room
/// for a write comes only with every 64 KiB.
const CLOCK: &str = "4s";
const READ: usize = 1_000;
const READS: usize = 100;

/// A TCP socket whose system holds few bytes that were not read yet.
fn small_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
    socket.set_recv_buffer_size(4 << 10).expect("a buffer can be made small");
    socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout can be set");
    socket
}

fn connect_small(address: SocketAddr) -> TcpStream {
    let socket = small_socket();
    socket.connect(&address.into()).expect("the router can be connected to");
    socket.into()
}

/// Reads slowly, for longer than the clock.
fn read_slowly(from: &mut impl Read) {
    for nth in 0..READS {
        let mut piece = [0; READ];
        from.read_exact(&mut piece).unwrap_or_else(|e| panic!("cut after {nth} reads: {e}"));
        // The slowness itself.
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_client_that_reads_little_without_a_pause_is_not_cut() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
        let content = Step::SendPattern { bytes: 1 << 30, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    });
    let config = Config::new()
        .set("timeouts.response_write_idle", CLOCK)
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut client = connect_small(router.address());
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("a request can be sent");
    read_slowly(&mut client);
}

#[test]
fn an_endpoint_that_reads_little_without_a_pause_is_not_given_up() {
    let socket = small_socket();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&loopback.into()).expect("loopback has a free port");
    socket.listen(8).expect("a bound socket can listen");
    let endpoint = TcpListener::from(socket);
    let address = endpoint.local_addr().expect("a bound socket has an address");
    let config =
        Config::new().set("timeouts.request_write_idle", CLOCK).route("a.test", &[address]);
    let router = Router::start(&config);
    let client = Arc::new(TcpStream::connect(router.address()).expect("it can be connected to"));
    let sending = client.clone();
    let sender = std::thread::spawn(move || {
        let mut client = &*sending;
        let head = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1073741824\r\n\r\n";
        let mut sent = client.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = client.write_all(&[b'x'; 64 << 10]);
        }
    });
    let (mut taken, _) = endpoint.accept().expect("the router connects");
    read_slowly(&mut taken);
    drop(client.shutdown(std::net::Shutdown::Both));
    sender.join().expect("the sender ends with its connection");
}
