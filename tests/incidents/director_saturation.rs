//! A data-federation director asked its servers who had a file, through a limit
//! on questions at a time. Who found no slot waited for one in a context that
//! was nobody's: clients lost patience and left, their waiters stayed. The count
//! of waiters grew to a million, every new client queued behind the dead, and
//! the health pages said 200 all along.
//!
//! Here a place in line is part of its request, and gone with it
//! (`Guard::Place`); there are only so many places, and a wait has a clock.

use crate::builds::Build;
use crate::harness::held::ask;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, ScriptedEndpoint, Step, script};

/// Clients that wait at a time, and so many times.
const CROWD: usize = 200;
const CROWDS: usize = 15;
/// How many may wait: a few crowds.
const MOST: usize = 3 * CROWD;

const GET: &str = "GET /stat HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A server that answers one at a time, once the gate is open.
fn server() -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let shut = gate.clone();
    let answer = move |_| {
        let answer = Step::Send(script::ok("here").into_bytes());
        vec![Step::ReadHead, Step::WaitFor(shut.clone()), answer]
    };
    (ScriptedEndpoint::start(answer), gate)
}

/// The clock is longer than anyone's patience, and than this test's.
fn config(server: &ScriptedEndpoint) -> Config {
    let limits = format!("max_requests = 1\nqueue_requests = {MOST}");
    let config = Config::new().set("workers.threads", 2).set("timeouts.queue", "10m");
    config.route_with("a.test", &[server.address()], &limits)
}

fn asking(build: &Build) -> Connection {
    let mut client = Connection::open(build.router.address());
    client.send(GET);
    client
}

/// How many wait for the server.
fn waiting(build: &Build) -> u64 {
    let routes: serde_json::Value =
        serde_json::from_str(&ask(&build.router, "/routes")).expect("the page is JSON");
    routes["routes"][0]["queued"].as_u64().expect("a number")
}

/// Queues a crowd, which leaves in every way.
fn crowd(build: &Build, before: u64) {
    let clients: Vec<_> = (0..CROWD).map(|_| asking(build)).collect();
    let all = before + CROWD as u64;
    eventually("a crowd in line", || (waiting(build) == all).then_some(()));
    for (number, client) in clients.into_iter().enumerate() {
        match number % 2 {
            0 => drop(client),
            _ => client.reset(),
        }
    }
}

#[test]
fn thousands_who_queue_and_leave_are_in_nobodys_way() {
    let (server, gate) = server();
    let build = Build::guarded(&config(&server));
    let mut busy = asking(&build);
    server.request_head(0);
    for _ in 0..CROWDS {
        crowd(&build, 0);
        eventually("a line without them", || (waiting(&build) == 0).then_some(()));
    }
    // Who comes now is the first in line, and the server has had none of them.
    let mut last = asking(&build);
    eventually("one in line", || (waiting(&build) == 1).then_some(()));
    gate.open();
    assert_eq!(busy.answer("GET").text(), "here");
    assert_eq!(last.answer("GET").text(), "here");
    assert_eq!(server.count(), 2);
}

#[test]
fn without_the_guard_the_dead_keep_their_places_and_nobody_else_gets_one() {
    let (server, gate) = server();
    let build = Build::without("place", &config(&server));
    let mut busy = asking(&build);
    server.request_head(0);
    let mut before = 0;
    while (before as usize) < MOST {
        crowd(&build, before);
        before += CROWD as u64;
    }
    // They are all gone, and in line.
    let connections = "pointsman_connections{side=\"client\"";
    eventually("the clients to be gone", || {
        let metrics = ask(&build.router, "/metrics");
        (crate::harness::held::sum(&metrics, connections) <= 1).then_some(())
    });
    assert_eq!(waiting(&build), MOST as u64);
    let refused = asking(&build).answer("GET");
    assert_eq!((refused.status, refused.code()), (503, Some("endpoints-saturated")));
    // Nor does it help that the server has time again: the place is theirs.
    gate.open();
    assert_eq!(busy.answer("GET").text(), "here");
    let refused = asking(&build).answer("GET");
    assert_eq!((refused.status, refused.code()), (503, Some("endpoints-saturated")));
    // And health says that all is well.
    ask(&build.router, "/health");
}
