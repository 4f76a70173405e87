//! After the Autobahn test suite: what two WebSocket libraries may say to each
//! other, said through the router, as a whole and byte by byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::harness::encrypted::note_endpoint;
use crate::harness::held::Held;
use crate::harness::wait::PATIENCE;
use crate::harness::{Config, Router};

/// A stream that writes a byte at a time, each its own segment.
struct Trickling {
    stream: TcpStream,
    most: usize,
}

impl Read for Trickling {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Trickling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(&bytes[..bytes.len().min(self.most)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn patient(stream: TcpStream, most: usize) -> Trickling {
    stream.set_nodelay(true).expect("a socket takes an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    Trickling { stream, most }
}

/// Serves `connections` at a time with `behave`, writing at most `most` bytes
/// at once.
fn serve(
    connections: usize,
    most: usize,
    behave: fn(WebSocket<Trickling>),
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    note_endpoint(address);
    let served = std::thread::spawn(move || {
        let each = (0..connections).map(|_| {
            let (stream, _) = listener.accept().expect("a connection");
            std::thread::spawn(move || {
                behave(tungstenite::accept(patient(stream, most)).expect("a handshake"));
            })
        });
        let all: Vec<_> = each.collect();
        all.into_iter().for_each(|one| one.join().expect("no server panics"));
    });
    (address, served)
}

/// Sends every message back; answers pings and closes as the library does.
fn echo(mut socket: WebSocket<Trickling>) {
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                socket.send(message).expect("the echo is taken");
            }
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn connect(router: &Router, most: usize) -> WebSocket<Trickling> {
    let stream = TcpStream::connect(router.address()).expect("the router listens");
    tungstenite::client("ws://a.test/", patient(stream, most)).expect("a handshake").0
}

/// Closes with `frame` and hears it back.
fn close(mut client: WebSocket<Trickling>, frame: Option<CloseFrame>) {
    client.close(frame.clone()).expect("a Close is taken");
    assert_eq!(client.read().expect("a Close"), Message::Close(frame));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
}

fn data(opcode: Data, last: bool, payload: &[u8]) -> Message {
    Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(opcode), last))
}

/// Sends `payload` in fragments of `size` bytes with a ping between each two,
/// and hears the pongs and the whole.
fn fragmented(client: &mut WebSocket<Trickling>, payload: &[u8], size: usize) {
    let pieces: Vec<_> = payload.chunks(size).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let opcode = if number == 0 { Data::Binary } else { Data::Continue };
        let last = number + 1 == pieces.len();
        client.send(data(opcode, last, piece)).expect("it is taken");
        if !last {
            let ping = vec![number as u8; number.min(125)];
            client.send(Message::Ping(ping.clone().into())).expect("it is taken");
            assert_eq!(client.read().expect("a pong"), Message::Pong(ping.into()));
        }
    }
    assert!(client.read().expect("an echo") == Message::binary(payload.to_vec()));
}

/// All that a conversation may have, but for its size.
fn converse(client: &mut WebSocket<Trickling>) {
    for bytes in [0, 1, 7, 125, 126, 127, 128, 300] {
        for message in [Message::text("é".repeat(bytes)), Message::binary(vec![0xfe; bytes])] {
            client.send(message.clone()).expect("it is taken");
            assert_eq!(client.read().expect("an echo"), message);
        }
    }
    for bytes in [0, 1, 125] {
        let payload = vec![0x80; bytes];
        client.send(Message::Ping(payload.clone().into())).expect("it is taken");
        assert_eq!(client.read().expect("a pong"), Message::Pong(payload.clone().into()));
        // Asked for by nobody: allowed, and not answered.
        client.send(Message::Pong(payload.into())).expect("it is taken");
    }
    // A character in two fragments, and an empty fragment between them.
    let text = "κόσμε";
    let (one, other) = text.as_bytes().split_at(3);
    client.send(data(Data::Text, false, one)).expect("it is taken");
    client.send(data(Data::Continue, false, b"")).expect("it is taken");
    client.send(data(Data::Continue, true, other)).expect("it is taken");
    assert_eq!(client.read().expect("an echo"), Message::text(text));
    fragmented(client, &[7; 200], 20);
}

#[test]
fn a_conversation_passes_whole_and_byte_by_byte() {
    for most in [usize::MAX, 1, 3] {
        let (address, served) = serve(1, most, echo);
        let router = Router::start(&Config::new().route("a.test", &[address]));
        let mut client = connect(&router, most);
        converse(&mut client);
        close(client, None);
        served.join().expect("the server does not panic");
    }
}

#[test]
fn messages_in_many_fragments_with_pings_between_them_pass() {
    let (address, served) = serve(1, usize::MAX, echo);
    let router = Router::start(&Config::new().route("a.test", &[address]));
    let mut client = connect(&router, usize::MAX);
    let payload: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
    for size in [1 << 20, 64 << 10, 1_000] {
        fragmented(&mut client, &payload, size);
    }
    close(client, None);
    served.join().expect("the server does not panic");
}

#[test]
fn every_code_a_side_may_close_with_passes_with_its_reason() {
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    let (address, served) = serve(codes.len() + 1, usize::MAX, echo);
    let router = Router::start(&Config::new().route("a.test", &[address]));
    for (number, code) in codes.into_iter().enumerate() {
        let reason = "r".repeat(if number == 0 { 123 } else { number });
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        close(connect(&router, usize::MAX), Some(frame));
    }
    close(connect(&router, usize::MAX), None);
    served.join().expect("the server does not panic");
}

/// A server that speaks first, pings, and is the first to close.
fn speaks_first(mut socket: WebSocket<Trickling>) {
    socket.send(Message::text("welcome")).expect("it is taken");
    socket.send(Message::Ping("there?".into())).expect("it is taken");
    assert_eq!(socket.read().expect("a pong"), Message::Pong("there?".into()));
    let frame = CloseFrame { code: CloseCode::Library(4001), reason: "enough".into() };
    socket.close(Some(frame.clone())).expect("a Close is taken");
    assert_eq!(socket.read().expect("a Close"), Message::Close(Some(frame)));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

#[test]
fn a_server_that_speaks_first_and_closes_first_is_heard() {
    let (address, served) = serve(1, usize::MAX, speaks_first);
    let router = Router::start(&Config::new().route("a.test", &[address]));
    let rest = Held::at_rest(&router);
    let mut client = connect(&router, usize::MAX);
    assert_eq!(client.read().expect("a message"), Message::text("welcome"));
    assert_eq!(client.read().expect("a ping"), Message::Ping("there?".into()));
    match client.read().expect("a Close") {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 4001),
        other => panic!("{other:?}"),
    }
    // The library answers with the next look, and the server shuts first.
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    served.join().expect("the server does not panic");
    rest.again(&router);
}

#[test]
fn frames_that_break_the_rules_are_for_the_ends_to_refuse() {
    // An opcode nobody knows, an unmasked frame, and a ping of 126 bytes.
    let (address, served) = serve(3, usize::MAX, |mut socket| {
        let refused = loop {
            match socket.read() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::Protocol(_)), "{refused}");
    });
    let router = Router::start(&Config::new().route("a.test", &[address]));
    let unknown = vec![0x8b, 0x81, 0, 0, 0, 0, b'x'];
    let too_long = [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat();
    for bytes in [unknown, vec![0x81, 0x01, b'x'], too_long] {
        let mut client = connect(&router, usize::MAX);
        client.get_mut().stream.write_all(&bytes).expect("it is taken");
    }
    served.join().expect("the server does not panic");
}

#[test]
fn many_at_once_hear_their_own_echo_and_nobody_elses() {
    const CLIENTS: usize = 64;
    let (address, served) = serve(CLIENTS, usize::MAX, echo);
    let config = Config::new().set("workers.threads", 2).route("a.test", &[address]);
    let router = Router::start(&config);
    let rest = Held::at_rest(&router);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let router = &router;
            scope.spawn(move || {
                let mut client = connect(router, usize::MAX);
                for turn in 0..20 {
                    let message = Message::binary(vec![number as u8; 1 + turn * number * 37]);
                    client.send(message.clone()).expect("it is taken");
                    assert!(client.read().expect("an echo") == message, "{number}, {turn}");
                }
                close(client, None);
            });
        }
    });
    served.join().expect("the servers do not panic");
    rest.again(&router);
}
