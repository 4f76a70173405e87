use std::io::Write;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::descriptors::Seats;
use crate::listen::connections::Connections;
use crate::telemetry::metrics::Metrics;

#[tokio::test]
async fn a_request_the_runtime_has_not_heard_of_is_taken_though_idle_ones_close() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    let accepted = listener.accept().unwrap().0;
    accepted.set_nonblocking(true).unwrap();
    // Registered just now: its readiness comes with the next turn.
    let stream = TcpStream::from_std(accepted).unwrap();
    let connection = Mutex::new(ClientConnection::new(Box::new(stream), false, Seats::plenty()));
    let long = Duration::from_secs(60);
    let connections = Connections::new(Metrics::new(1).worker(0)).aged(long);
    let entry = connections.enter(([127, 0, 0, 1], 40_000).into());
    connections.close_silent();
    let settings = crate::config::parse("[[listener]]\naddress = \"[::1]:1\"\n", "test").unwrap();
    let terms = || HeadTerms::of(&settings);
    let mut wait = HeadWait::new(terms(), None);
    let next = poll_fn(|cx| wait.poll(cx, &mut connection.lock(), &entry, &terms)).await;
    assert!(matches!(next, Next::Request(_)));
    entry.active();
    entry.idle(std::time::Instant::now() - long);
    assert!(connection.lock().inbox.bytes.capacity() > 0, "what the request was read into");
    let mut wait = HeadWait::new(terms(), None);
    let next = poll_fn(|cx| wait.poll(cx, &mut connection.lock(), &entry, &terms)).await;
    assert!(matches!(next, Next::Closed), "now it is idle");
    assert_eq!(connection.lock().inbox.bytes.capacity(), 0, "and idle ones hold no memory");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_as_its_connection_makes_room_is_told_that_it_was_the_last() {
    let text = "[[listener]]\naddress = \"[::1]:1\"\n";
    let router = Router::new(crate::config::parse(text, "test").unwrap()).unwrap();
    let connections = Connections::new(Metrics::new(1).worker(0));
    let address = ([127, 0, 0, 1], 40_000).into();
    for evicted in [false, true] {
        let (ours, mut theirs) = tokio::io::duplex(4_096);
        let connection = open(Box::new(ours), true, &router);
        let entry = connections.enter(address);
        // It has had a request before.
        entry.active();
        entry.idle(std::time::Instant::now());
        assert!(!evicted || connections.evict_longest_idle());
        theirs.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        theirs.shutdown().await.unwrap();
        let client = ClientAddress { peer: address, local: address, secure: false };
        serve(&connection, &client, &router, &entry).await;
        drop(connection);
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert_eq!(answer.contains("\r\nconnection: close\r\n"), evicted, "{answer}");
    }
}
