//! Closing with input unread: how long and how much of it.

use std::time::Duration;

use super::Stopwatch;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router};

const REFUSED: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n";

/// A client whose request was refused before its content.
fn refused(config: &Config) -> (Router, Connection) {
    let router = Router::start(config);
    let mut client = Connection::open(router.address());
    client.send(REFUSED);
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.field("connection")), (404, "close"));
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed), "the write side is shut at once");
    (router, client)
}

#[test]
fn input_is_discarded_for_as_long_as_configured() {
    // Longer than the default.
    let watch = Stopwatch::start();
    let (_router, mut client) = refused(&Config::new().set("timeouts.linger", "3s"));
    eventually("the connection to be closed for good", || {
        std::thread::sleep(Duration::from_millis(10));
        client.try_send("x").err()
    });
    watch.stopped_by(Duration::from_secs(3));
}

#[test]
fn no_more_input_is_discarded_than_configured() {
    let config = Config::new().set("timeouts.linger", "20s").set("limits.linger_bytes", "64KiB");
    let (_router, mut client) = refused(&config);
    // The rest is what the socket buffers hold; all else is held back.
    client.send_until_it_stops(Duration::from_secs(1), 64 << 20);
}

#[test]
fn lingering_ends_when_the_client_is_done() {
    let (router, client) = refused(&Config::new().set("timeouts.linger", "20s"));
    drop(client);
    let watch = Stopwatch::start();
    // Nothing else is open: a drain waits for nothing.
    assert!(router.stop().success());
    watch.stopped_by(Duration::ZERO);
}
