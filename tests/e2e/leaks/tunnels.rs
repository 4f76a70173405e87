//! Thousands of tunnels, opened and dropped in every way.

use crate::harness::held::{ask, sum};
use crate::harness::{Config, Connection, Router, Script, ScriptedEndpoint, Step};

use super::budget;

/// Tunnels in all, after those that warm the router up.
const TUNNELS: usize = 5_000;
const WARM_UP: usize = 1_500;

/// What ends a tunnel, as its target says; the first three are the client's.
const WAYS: [&str; 9] = [
    "client-closes",
    "client-resets",
    "client-leaves-much-unread",
    "both-close",
    "endpoint-closes",
    "endpoint-resets",
    "endpoint-shuts-its-side",
    "another-protocol",
    "never-switched",
];

fn answer(target: &str) -> Script {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let switch = |more: &str| Step::Send([switched, more].concat().into());
    match &target[1..] {
        "endpoint-closes" => vec![switch("bye"), Step::Close],
        "endpoint-resets" => vec![switch("bye"), Step::Reset],
        "endpoint-shuts-its-side" => vec![switch("bye"), Step::Shut, Step::UntilPeerLeaves],
        "another-protocol" => vec![Step::Send(switched.replace(": x", ": y").into())],
        "never-switched" => vec![Step::UntilPeerLeaves],
        "client-leaves-much-unread" => {
            vec![
                switch(""),
                Step::SendPattern { bytes: 1 << 20, chunked: false },
                Step::UntilPeerLeaves,
            ]
        }
        _ => vec![switch(""), Step::EchoBytes, Step::Close],
    }
}

fn tunnel(router: &Router, way: &str) {
    let mut client = Connection::open(router.address());
    client.send(format!(
        "GET /{way} HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly"
    ));
    if way == "never-switched" {
        return;
    }
    let Ok(answer) = client.answer_head() else { return };
    if answer.status != 101 {
        return;
    }
    match way {
        "client-closes" => drop(client.bytes(5)),
        "client-resets" => {
            client.bytes(5);
            client.reset();
        }
        "client-leaves-much-unread" => drop(client.bytes(1)),
        "both-close" => {
            client.finish_sending();
            client.ending();
        }
        _ => drop(client.ending()),
    }
}

#[test]
fn tunnels_opened_and_dropped_leave_nothing_behind() {
    let endpoint = || ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ByTarget(answer)]);
    let (one, other) = (endpoint(), endpoint());
    let config = Config::new()
        .set("workers.threads", 2)
        .set("timeouts.linger", "300ms")
        .set("timeouts.upstream_keep_alive", "300ms")
        .route("a.test", &[one.address(), other.address()]);
    let router = budget::router(&config);
    budget::come_and_go(&router, [WARM_UP, TUNNELS], |n| tunnel(&router, WAYS[n % WAYS.len()]));
    let metrics = ask(&router, "/metrics");
    let switched = sum(&metrics, "pointsman_requests_total{route=\"a.test\",status_class=\"1xx\"");
    assert!(switched as usize > TUNNELS / 2, "{switched} were switched");
}
