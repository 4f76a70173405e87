//! Connections switched to another protocol by a 101.

mod asked;
mod autobahn;
mod clocks;
mod drain;
mod dying;
mod ends;
mod handshake;
mod held;
mod websocket;

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{Connection, Router, Script, Step};

/// A request to switch to a protocol of nobody's.
const UPGRADE: &str =
    "GET /live HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: custom/1\r\n\r\n";
/// The answer that switches to it.
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: custom/1\r\n\r\n";

/// An endpoint that switches, then does `steps`.
fn switching(steps: impl IntoIterator<Item = Step>) -> Script {
    let mut script = vec![Step::ReadHead, Step::Send(SWITCHED.into())];
    script.extend(steps);
    script
}

/// A client whose connection was switched.
#[track_caller]
fn switched(router: &Router) -> Connection {
    let mut client = Connection::open(router.address());
    client.send(UPGRADE);
    assert_eq!(client.answer_head().expect("an answer").status, 101);
    client
}

/// The line of the access log about the first request.
#[track_caller]
fn line(router: &Router) -> Value {
    let line = eventually("the line of the tunnel", || lines(router).into_iter().next());
    serde_json::from_str(&line).expect("a line of JSON")
}

/// The lines of the access log, so far.
fn lines(router: &Router) -> Vec<String> {
    router.stdout().into_iter().filter(|line| line.starts_with('{')).collect()
}
