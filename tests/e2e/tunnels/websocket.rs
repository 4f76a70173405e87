//! A real WebSocket library on both ends.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::harness::encrypted::note_endpoint;
use crate::harness::held::Held;
use crate::harness::wait::PATIENCE;
use crate::harness::{Config, Router};

/// A WebSocket server that echoes on so many connections, one after the other.
pub(super) fn serve(connections: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    note_endpoint(address);
    let served = std::thread::spawn(move || {
        for _ in 0..connections {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
            let mut socket = tungstenite::accept(stream).expect("a handshake");
            loop {
                match socket.read() {
                    Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                        socket.send(message).expect("the echo is taken");
                    }
                    // The library answers pings and closes.
                    Ok(_) => {}
                    Err(Error::ConnectionClosed) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    (address, served)
}

/// A WebSocket client of `router`.
pub(super) fn connect(router: &Router, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(router.address()).expect("the router listens");
    stream.set_nodelay(true).expect("a socket takes an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    tungstenite::client(format!("ws://a.test{path}"), stream).expect("a handshake").0
}

#[test]
fn messages_of_every_size_come_back_as_they_went() {
    let (address, served) = serve(1);
    let router = Router::start(&Config::new().route("a.test", &[address]));
    let rest = Held::at_rest(&router);
    let mut client = connect(&router, "/echo?x=1");
    for bytes in [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 1 << 20, 16 << 20] {
        let text = Message::text("é".repeat(bytes / 2));
        client.send(text.clone()).expect("it is taken");
        assert!(client.read().expect("an echo") == text, "{bytes} bytes of text");
        let binary = Message::binary(vec![bytes as u8; bytes]);
        client.send(binary.clone()).expect("it is taken");
        assert!(client.read().expect("an echo") == binary, "{bytes} bytes");
    }
    client.close(None).expect("a Close is taken");
    assert!(matches!(client.read(), Ok(Message::Close(_))));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    drop(client);
    served.join().expect("the server does not panic");
    rest.again(&router);
}

#[test]
fn fragments_pings_between_them_and_close_codes_pass() {
    let (address, served) = serve(3);
    let router = Router::start(&Config::new().route("a.test", &[address]));
    for code in [CloseCode::Normal, CloseCode::Policy, CloseCode::Library(4321)] {
        let mut client = connect(&router, "/");
        let frame = |opcode, last, payload: &'static [u8]| {
            Message::Frame(Frame::message(payload, OpCode::Data(opcode), last))
        };
        client.send(frame(Data::Text, false, b"one ")).expect("it is taken");
        client.send(Message::Ping("are you there".into())).expect("it is taken");
        client.send(frame(Data::Continue, false, b"two ")).expect("it is taken");
        client.send(frame(Data::Continue, true, b"three")).expect("it is taken");
        assert_eq!(client.read().expect("a pong"), Message::Pong("are you there".into()));
        assert_eq!(client.read().expect("an echo"), Message::text("one two three"));
        let frame = CloseFrame { code, reason: "because".into() };
        client.close(Some(frame.clone())).expect("a Close is taken");
        assert_eq!(client.read().expect("a Close"), Message::Close(Some(frame)));
        assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    }
    served.join().expect("the server does not panic");
}
