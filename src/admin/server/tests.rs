//! Real connections, and callers that would keep them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::tests::Fixed;
use super::*;
use crate::admin::{Control, Token};

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(30);
/// Soon over.
const SHORT: Duration = Duration::from_millis(100);

/// An admin side on a port of its own, until the sender is dropped.
pub(crate) type Started =
    (SocketAddr, tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<()>);

/// Starts one whose clocks never run out during a test.
pub(crate) fn start(control: Arc<dyn Control>, token: Option<Token>) -> Started {
    start_with(control, token, Clocks { head: LONG, lifetime: LONG, grace: LONG })
}

fn start_with(control: Arc<dyn Control>, token: Option<Token>, clocks: Clocks) -> Started {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let state = AdminState::new(control, address, token).unwrap();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let shutdown = async { drop(stopped.await) };
        runtime.block_on(serve_with(listener, state, Arc::default(), shutdown, clocks)).unwrap();
    });
    (address, stop, thread)
}

/// Reads to the end of the connection, which must come by itself.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => bytes,
    }
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_real_connection_is_answered_and_the_shutdown_ends_idle_ones() {
    let (address, stop, thread) = start(Arc::new(Fixed::default()), None);
    let mut kept = TcpStream::connect(address).unwrap();
    kept.write_all(HEALTH).unwrap();
    let mut answer = [0; 15];
    kept.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    drop(stop);
    thread.join().unwrap();
    assert!(read_to_end(&mut kept).ends_with(b"ok\n"));
}

#[test]
fn a_silent_connection_is_ended_by_the_head_timeout() {
    let clocks = Clocks { head: SHORT, lifetime: LONG, grace: LONG };
    let (address, stop, thread) = start_with(Arc::new(Fixed::default()), None, clocks);
    let mut silent = TcpStream::connect(address).unwrap();
    assert!(read_to_end(&mut silent).is_empty());
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn whoever_has_no_whole_request_makes_room_for_others() {
    // No clock ends them before the test gives up.
    let clocks = Clocks { head: 4 * LONG, lifetime: 4 * LONG, grace: LONG };
    let (address, stop, thread) = start_with(Arc::new(Fixed::default()), None, clocks);
    let half: &[u8] = b"POST /register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[";
    let beginnings = [b"".as_slice(), b"GET /hea", half].into_iter().cycle();
    let holding = beginnings.take(CONNECTIONS).map(|sent| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(sent).unwrap();
        stream
    });
    let mut holding: Vec<TcpStream> = holding.collect();
    for _ in 0..3 {
        let mut late = TcpStream::connect(address).unwrap();
        late.set_read_timeout(Some(LONG)).unwrap();
        late.write_all(HEALTH).unwrap();
        let mut answer = [0; 15];
        late.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        // It stays, and the next needs room too.
        holding.push(late);
    }
    assert!(read_to_end(&mut holding[0]).is_empty(), "the first to come has gone");
    drop((holding, stop));
    thread.join().unwrap();
}

/// Seen with 200,000 live routes in their slow start: a fifth of a second for
/// each look, in which nothing else was answered and no registration heard.
#[test]
fn figures_that_take_a_while_hold_up_nobody_else() {
    let ((asked, was_asked), (go, goes)) = (mpsc::channel(), mpsc::channel());
    let held = Some(Mutex::new((asked, goes)));
    let (address, stop, thread) = start(Arc::new(Fixed { held, ..Default::default() }), None);
    let ask = |request: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(request).unwrap();
        stream
    };
    let is_answered = |mut stream: TcpStream| {
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200 OK"
    };
    let figures = ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    was_asked.recv_timeout(LONG).unwrap();
    let answered = is_answered(ask(HEALTH));
    go.send(()).unwrap();
    assert!(answered && is_answered(figures));
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_head_without_end_is_refused() {
    let (address, stop, thread) = start(Arc::new(Fixed::default()), None);
    for (bytes, status) in [(8 << 10, "200"), (32 << 10, "431")] {
        let mut stream = TcpStream::connect(address).unwrap();
        let long = "x".repeat(bytes);
        let head = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        if status == "200" {
            stream.write_all(b"Connection: close\r\n\r\n").unwrap();
        }
        let answer = read_to_end(&mut stream);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_connection_ends_with_its_lifetime_whatever_it_is_doing() {
    let clocks = Clocks { head: LONG, lifetime: Duration::from_secs(1), grace: SHORT };
    let (address, stop, thread) = start_with(Arc::new(Fixed::default()), None, clocks);
    for sent in [b"".as_slice(), b"GET /hea", HEALTH] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(sent).unwrap();
        assert_eq!(read_to_end(&mut stream).is_empty(), sent != HEALTH);
    }
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_caller_that_never_reads_its_answer_is_cut() {
    let clocks = Clocks { head: LONG, lifetime: SHORT, grace: SHORT };
    // More than any socket buffer holds.
    let figures = Some("#".repeat(64 << 20));
    let control = Arc::new(Fixed { figures, ..Default::default() });
    let (address, stop, thread) = start_with(control, None, clocks);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let waiting = Instant::now();
    // Once the other side is gone, a byte sent there is answered by a reset.
    stream.set_nonblocking(true).unwrap();
    let open = |result: std::io::Result<usize>| match result {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    while open(stream.write(b"G")) {
        assert!(waiting.elapsed() < LONG, "the connection is never cut");
        std::thread::yield_now();
    }
    drop(stop);
    thread.join().unwrap();
}
