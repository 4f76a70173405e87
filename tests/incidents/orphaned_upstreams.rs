//! A Kubernetes auth gateway did not pass its clients' departures on to the
//! upstream half. Every client that lost patience with a hanging app left a
//! parked task and a socket behind, a million of them in the end; and its
//! shutdown waited for connections that never ended.
//!
//! Here a request is a value that its client's connection owns: when that ends,
//! everything done for it is dropped. What has to be right is that a departure
//! is noticed, whatever the client leaves unread (`Guard::Departure`), and that
//! a drain has an end (`Guard::DrainEnd`).

use std::time::{Duration, Instant};

use crate::builds::Build;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Held, ScriptedEndpoint, Step};

/// Clients at a time.
const CROWD: usize = 200;
const GET: &str = "GET /hangs HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn hanging() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves])
}

fn config(endpoint: &ScriptedEndpoint) -> Config {
    Config::new().set("timeouts.drain", "500ms").route("a.test", &[endpoint.address()])
}

/// A crowd whose requests all hang at the endpoint.
fn crowd(build: &Build, endpoint: &ScriptedEndpoint) -> Vec<Connection> {
    let before = endpoint.count();
    let send = |number: usize| {
        let mut client = Connection::open(build.router.address());
        // Some have more requests behind it, read ahead or left unread.
        client.send(GET.repeat([1, 2, 3000][number % 3]));
        client
    };
    let clients: Vec<_> = (0..CROWD).map(send).collect();
    eventually("every request to hang", || (endpoint.count() == before + CROWD).then_some(()));
    clients
}

/// The crowd leaves, in every way; what is then left of it. Those who only
/// half-close stay to the end.
fn leave(build: &Build, clients: Vec<Connection>, rest: &Held) -> Held {
    let mut staying = Vec::new();
    for (number, client) in clients.into_iter().enumerate() {
        match number / 3 % 3 {
            0 => drop(client),
            1 => client.reset(),
            _ => {
                client.finish_sending();
                staying.push(client);
            }
        }
    }
    build.left(rest)
}

#[test]
fn thousands_of_clients_that_leave_a_hanging_endpoint_leave_nothing_behind() {
    let endpoint = hanging();
    let build = Build::guarded(&config(&endpoint));
    let rest = Held::at_rest(&build.router);
    for _ in 0..10 {
        let clients = crowd(&build, &endpoint);
        let left = leave(&build, clients, &rest);
        assert!(left.fits(&rest), "{rest:?} before, and now {left:?}");
    }
    // The endpoint has seen each of them end.
    (0..endpoint.connections()).for_each(|number| drop(endpoint.ending(number)));
}

#[test]
fn shutdown_does_not_wait_for_requests_that_never_end() {
    let endpoint = hanging();
    let build = Build::guarded(&config(&endpoint));
    let _clients = crowd(&build, &endpoint);
    let asked = Instant::now();
    assert_eq!(build.router.stop().code(), Some(0));
    // The drain has half a second; the rest is a loaded machine's.
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn without_the_guard_every_one_of_them_is_orphaned() {
    let endpoint = hanging();
    let build = Build::without("departure", &config(&endpoint));
    let rest = Held::at_rest(&build.router);
    let clients = crowd(&build, &endpoint);
    let left = leave(&build, clients, &rest);
    assert_eq!((left.requests, left.leases), (CROWD as u64, CROWD as u64), "{left:?}");
}

#[test]
fn without_the_guard_shutdown_waits_for_them() {
    let endpoint = hanging();
    let mut build = Build::without("drain-end", &config(&endpoint));
    let _clients = crowd(&build, &endpoint);
    build.router.terminate();
    // Many times what the drain may take.
    std::thread::sleep(build.patience);
    assert!(build.router.runs(), "it waits for all of them");
    assert_eq!(Held::by(&build.router).requests, CROWD as u64);
    build.router.terminate();
    assert_eq!(build.router.exit().code(), Some(0), "a second signal is another guard's");
}
