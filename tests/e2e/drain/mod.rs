//! How a router ends: what it has is finished, and nobody is reset.

mod plain_and_tls;
mod tls;

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::router::{Process, binary, write_config};
use crate::harness::tls::{Authority, Bridge, listener_tls};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// An endpoint that answers once the gate is open.
fn held() -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let answer = script::ok("done").into_bytes();
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(answer)]
    });
    (endpoint, gate)
}

/// Waits until the router knows that it ends.
fn until_draining(router: &Router) {
    eventually("a drain", || (get(router.admin(), "admin", "/health").status == 503).then_some(()));
}

/// The line of the access log about the first request.
fn logged(stdout: impl Fn() -> Vec<String>) -> Value {
    let line = eventually("the line of the request", || stdout().get(2).cloned());
    serde_json::from_str(&line).expect("a line of JSON")
}

/// What clients speak HTTP over.
#[derive(Clone, Copy, Debug)]
enum Over {
    Tcp,
    Tls,
}

/// A router, and the way to it. Under TLS a clean end of the router's reaches
/// a client only if it was said (`close_notify`); else it is a reset.
struct Site {
    router: Router,
    bridge: Option<Bridge>,
    /// Its files are read again by reloads.
    authority: Authority,
}

impl Site {
    #[track_caller]
    fn start(over: Over, config: Config) -> Self {
        let authority = Authority::new();
        let config = match over {
            Over::Tcp => config,
            Over::Tls => config.listener_with(&listener_tls(&authority.issue(&["a.test"]))),
        };
        let router = Router::start(&config);
        let bridge = match over {
            Over::Tcp => None,
            Over::Tls => Some(Bridge::to(router.address(), &authority, "a.test")),
        };
        Self { router, bridge, authority }
    }

    /// Where clients go.
    fn address(&self) -> SocketAddr {
        self.bridge.as_ref().map_or(self.router.address(), Bridge::address)
    }

    /// A connection that requests can be sent on.
    #[track_caller]
    fn open(&self) -> Connection {
        let before = self.bridge.as_ref().map_or(0, Bridge::handshakes);
        let client = Connection::open(self.address());
        if let Some(bridge) = &self.bridge {
            eventually("a handshake", || (bridge.handshakes() > before).then_some(()));
        }
        client
    }
}

#[test]
fn an_interrupt_is_as_good_as_a_termination() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &Config::new());
    let mut process = Process::spawn(binary().arg("run").arg("-c").arg(&file));
    process.address_after("admin http://");
    process.signal("INT");
    assert_eq!(process.exit().code(), Some(0));
}

/// Only in the clear: what stands between a client and a router under TLS may
/// not have connected yet when the client has.
#[test]
fn what_was_sent_before_a_stop_is_answered() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    // So many that the router is told to stop while it still accepts.
    router.suspend();
    router.terminate();
    let mut clients: Vec<_> = (0..300).map(|_| Connection::open(router.address())).collect();
    clients.iter_mut().for_each(|client| client.send(GET));
    router.resume();
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200);
    }
}
