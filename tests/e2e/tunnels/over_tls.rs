//! Tunnels with TLS on both sides of the router.

use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::{self, Message};

use crate::harness::pattern::Pattern;
use crate::harness::tls::{Authority, Bridge, listener_tls};
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step};

use super::drain::chattering;
use super::{UPGRADE, switching};

/// A router between two TLS bridges: the client's port comes first.
struct Encrypted {
    client: Bridge,
    router: Router,
    _endpoint: Bridge,
}

impl Encrypted {
    fn before(endpoint: SocketAddr) -> Self {
        let authority = Authority::new();
        let (theirs, ours) = (authority.issue(&["127.0.0.1"]), authority.issue(&["a.test"]));
        let behind = Bridge::before(endpoint, &theirs, None);
        let (address, ca) = (behind.address(), authority.ca());
        let config = Config::new().listener_with(&listener_tls(&ours)).and(&format!(
            "[[route]]\nhost = \"a.test\"\n\
             endpoints = [{{ address = \"{address}\", tls = {{ ca = {ca:?} }} }}]\n"
        ));
        let router = Router::start(&config);
        let client = Bridge::to(router.address(), &authority, "a.test");
        Self { client, router, _endpoint: behind }
    }
}

#[test]
fn large_streams_both_ways_and_half_closes_arrive_through_tls() {
    const BYTES: u64 = 24 << 20;
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let encrypted = Encrypted::before(endpoint.address());
    let mut client = Connection::open(encrypted.client.address());
    client.send([UPGRADE, "early"].concat());
    assert_eq!(client.answer_head().expect("an answer").status, 101);
    assert_eq!(client.bytes(5), b"early");
    let mut sending = client.second_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sending.send_pattern(BYTES, false);
            sending.finish_sending();
        });
        assert!(client.bytes(BYTES) == Pattern::bytes(BYTES as usize));
    });
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn a_websocket_under_tls_is_told_of_a_drain_between_two_frames() {
    let (address, served) = chattering();
    let mut encrypted = Encrypted::before(address);
    let stream = TcpStream::connect(encrypted.client.address()).expect("the bridge listens");
    let (mut client, _) = tungstenite::client("ws://a.test/", stream).expect("a handshake");
    assert_eq!(client.read().expect("a message").len(), 70_000);
    encrypted.router.terminate();
    let told = loop {
        match client.read().expect("whole messages, then a Close") {
            Message::Binary(data) => assert!(data == vec![7; 70_000]),
            Message::Close(frame) => break frame.expect("a code").code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(told), 1001);
    drop(client.flush());
    drop(client);
    served.join().expect("the server does not panic");
    assert_eq!(encrypted.router.exit().code(), Some(0));
}
