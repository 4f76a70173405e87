//! Tunnels at a drain: told where the protocol has a word for it, then cut.

use std::net::{SocketAddr, TcpListener, TcpStream};

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Error, Message};

use crate::harness::encrypted::note_endpoint;
use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Router, ScriptedEndpoint, Step};

use super::websocket::{connect, serve};
use super::{switched, switching};

#[test]
fn an_opaque_tunnel_goes_on_through_a_drain_until_the_cut() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes]));
    let config = Config::new()
        .set("access_log.path", "-")
        .set("timeouts.drain", "2s")
        .route("a.test", &[endpoint.address()]);
    let mut router = Router::start(&config);
    let mut client = switched(&router);
    router.terminate();
    router.closes_its_door();
    client.send("still here");
    assert_eq!(client.bytes(10), b"still here");
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
    assert_eq!(router.exit().code(), Some(0));
    let line = super::line(&router);
    assert_eq!((&line["code"], &line["status"]), (&"drain-cut".into(), &101.into()), "{line}");
}

#[test]
fn a_drain_ends_as_soon_as_its_last_tunnel_does() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let mut router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = switched(&router);
    router.terminate();
    router.closes_its_door();
    client.finish_sending();
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(router.exit().code(), Some(0));
}

/// A WebSocket server that sends without end until it is told to close; gives
/// how that was said.
fn chattering() -> (SocketAddr, std::thread::JoinHandle<Option<CloseCode>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    note_endpoint(address);
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        let mut reading = socket.get_ref().try_clone().expect("a handle");
        let told = std::thread::spawn(move || first_close(&mut reading));
        while !told.is_finished() {
            if socket.send(Message::binary(vec![7; 70_000])).is_err() {
                break;
            }
        }
        told.join().expect("the reader does not panic")
    });
    (address, served)
}

/// The code of the first Close frame a client sends.
fn first_close(stream: &mut TcpStream) -> Option<CloseCode> {
    let role = tungstenite::protocol::Role::Server;
    let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, None);
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

#[test]
fn a_websocket_client_is_told_between_two_frames_and_both_sides_close_in_order() {
    let (address, served) = chattering();
    let mut router = Router::start(&Config::new().route("a.test", &[address]));
    let mut client = connect(&router, "/");
    assert_eq!(client.read().expect("a message").len(), 70_000);
    router.terminate();
    let closed = loop {
        match client.read().expect("whole messages, then a Close") {
            Message::Binary(data) => assert!(data == vec![7; 70_000]),
            Message::Close(frame) => break frame.expect("a code").code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed, CloseCode::Away);
    // The answer to it is sent with the next look.
    assert!(matches!(
        client.read(),
        Err(Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_))
    ));
    drop(client);
    assert_eq!(served.join().expect("the server does not panic"), Some(CloseCode::Away));
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_silent_websocket_is_told_too() {
    let (address, served) = serve(1);
    let mut router = Router::start(&Config::new().route("a.test", &[address]));
    let mut client = connect(&router, "/");
    router.terminate();
    match client.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Away),
        other => panic!("{other:?}"),
    }
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    drop(client);
    assert_eq!(router.exit().code(), Some(0));
    served.join().expect("the server does not panic");
}
