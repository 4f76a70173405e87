//! Thousands of tunnels, opened and dropped in every way.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::held::{ask, sum};
use crate::harness::router::binary;
use crate::harness::{Config, Connection, Held, Router, Script, ScriptedEndpoint, Step};

use super::{CLIENTS, memory_again};

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

fn tunnels(router: &Router, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    tunnel(router, WAYS[number % WAYS.len()]);
                }
            });
        }
    });
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
    let mut command = binary();
    command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0,thp:never");
    let router = Router::start_as(command, &config);
    let rest = Held::at_rest(&router);
    tunnels(&router, WARM_UP);
    rest.again(&router);
    let before_kib = router.own_memory_kib();
    tunnels(&router, TUNNELS);
    rest.again(&router);
    memory_again(&router, before_kib);
    let after_kib = router.own_memory_kib();
    let line = format!("{before_kib} KiB before, {after_kib} KiB after {TUNNELS} tunnels\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
    let metrics = ask(&router, "/metrics");
    let switched = sum(&metrics, "pointsman_requests_total{route=\"a.test\",status_class=\"1xx\"");
    assert!(switched as usize > TUNNELS / 2, "{switched} were switched");
}
