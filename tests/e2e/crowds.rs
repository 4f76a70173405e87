//! More clients than the router takes: who is turned away is told so, and none
//! of them, whatever they send, holds more than there may be.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::descriptors::{gated, one_worker, with_descriptors};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Connection, Held, Router, ScriptedEndpoint};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What the router answers itself.
const NOWHERE: &str = "GET / HTTP/1.1\r\nHost: nowhere.test\r\n\r\n";

/// A request, and so many behind it that they are not all read ahead.
const REQUESTS_AHEAD: usize = 2_000;

fn far_ahead() -> String {
    GET.to_owned() + &NOWHERE.repeat(REQUESTS_AHEAD)
}

/// The sockets of the router, one of which several descriptors may be.
fn sockets(router: &Router) -> Vec<PathBuf> {
    let listed = fs::read_dir(format!("/proc/{}/fd", router.id()));
    let listed = listed.expect("a running process has descriptors");
    // One may be closed between the listing and the reading.
    let links = listed.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).collect()
}

/// How many descriptors are duplicates, of other sockets than those it had
/// without clients.
fn watches(router: &Router, without: &[PathBuf]) -> usize {
    let mut clients = sockets(router);
    clients.retain(|socket| !without.contains(socket));
    clients.len() - clients.iter().collect::<BTreeSet<_>>().len()
}

/// As many clients as come while the router stands still: it accepts them all
/// in one go, and their requests are there by then.
fn rush(router: &Router, clients: usize, request: &str) -> Vec<Connection> {
    router.suspend();
    let come = || {
        let mut client = Connection::open(router.address());
        client.send(request);
        client
    };
    let clients = (0..clients).map(|_| come()).collect();
    router.resume();
    clients
}

/// So many clients that have been served, and ask for nothing.
fn idle_clients(router: &Router, count: usize) -> Vec<Connection> {
    let mut clients: Vec<_> = (0..count).map(|_| Connection::open(router.address())).collect();
    for client in &mut clients {
        client.send(NOWHERE);
        assert_eq!(client.answer("GET").status, 404);
    }
    clients
}

#[test]
fn of_clients_that_send_far_ahead_no_more_are_taken_than_there_are_descriptors_for() {
    // Of 256 descriptors, in one worker: see src/descriptors.rs.
    const CONNECTIONS: usize = 120;
    const CLIENTS: usize = CONNECTIONS / 3;
    let (endpoint, gate) = gated();
    let router = with_descriptors(256, &one_worker().route("a.test", &[endpoint.address()]));
    let without = sockets(&router);
    let ahead = far_ahead();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Connection::open(router.address())).collect();
    for client in &mut clients {
        client.send(&ahead);
    }
    endpoint.request_head(CLIENTS - 1);
    // Beside its own and its endpoint's each has one that watches for its
    // departure.
    eventually("watches for all", || (watches(&router, &without) == CLIENTS).then_some(()));
    let newcomer = Connection::open(router.address()).answer("GET");
    assert_eq!((newcomer.status, newcomer.code()), (503, Some("overloaded")));
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "yes");
    }
}

#[test]
fn who_sent_far_ahead_holds_one_descriptor_once_all_of_it_is_answered() {
    let (endpoint, gate) = gated();
    let router = Router::start(&one_worker().route("a.test", &[endpoint.address()]));
    let without = sockets(&router);
    let mut client = Connection::open(router.address());
    client.send(far_ahead());
    eventually("a watch", || (watches(&router, &without) == 1).then_some(()));
    gate.open();
    assert_eq!(client.answer("GET").text(), "yes");
    for _ in 0..REQUESTS_AHEAD {
        assert_eq!(client.answer("GET").status, 404);
    }
    eventually("nothing to watch", || (watches(&router, &without) == 0).then_some(()));
}

#[test]
fn who_was_refused_and_stays_makes_room_at_once() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = one_worker()
        .set("limits.connections", 1)
        .set("timeouts.linger", "1h")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut stays = Connection::open(router.address());
    stays.send("no request\r\n\r\n");
    assert_eq!(stays.answer("GET").status, 400);
    let mut next = Connection::open(router.address());
    next.send(GET);
    assert_eq!(next.answer("GET").status, 200);
    eventually("one client", || (Held::by(&router).clients == 1).then_some(()));
}

#[test]
fn in_a_rush_everybody_is_served_or_told() {
    const CLIENTS: usize = 200;
    let (endpoint, gate) = gated();
    let router = with_descriptors(256, &one_worker().route("a.test", &[endpoint.address()]));
    let clients = rush(&router, CLIENTS, GET);
    endpoint.request_head(0);
    gate.open();
    let mut served = 0;
    for mut client in clients {
        let answer = client.answer("GET");
        match answer.status {
            200 => served += 1,
            _ => assert_eq!((answer.status, answer.code()), (503, Some("overloaded"))),
        }
    }
    assert!(served > 0 && served < CLIENTS, "{served} are served");
}

#[test]
fn who_has_to_make_room_is_answered_as_the_request_that_has_come_asks_for() {
    let router = with_descriptors(256, &one_worker().set("access_log.path", "-"));
    let request = "HEAD /far HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut refused = 0;
    for mut client in rush(&router, 200, request) {
        let answer = client.answer("HEAD");
        if answer.status == 503 {
            refused += 1;
            assert_ne!(answer.field("content-length"), "0", "of what a GET would get");
            assert_eq!(client.ending(), (Vec::new(), Fault::Closed), "no content for HEAD");
        }
    }
    assert!(refused > 0);
    let lines = eventually("lines of the log", || {
        let lines = router.stdout();
        let lines: Vec<_> = lines.into_iter().filter(|line| line.contains("overloaded")).collect();
        (lines.len() == refused).then_some(lines)
    });
    assert!(lines.iter().any(|line| line.contains("/far")), "{lines:?}");
}

#[test]
fn newcomers_are_told_that_there_is_no_room_however_many_they_are() {
    const SERVED: usize = 60;
    const NEWCOMERS: usize = 100;
    let (endpoint, gate) = gated();
    // That leaves eight for those who are refused and heard out.
    let router = with_descriptors(256, &one_worker().route("a.test", &[endpoint.address()]));
    let mut served: Vec<_> = (0..SERVED).map(|_| Connection::open(router.address())).collect();
    for client in &mut served {
        client.send(GET);
    }
    endpoint.request_head(SERVED - 1);
    let mut newcomers = rush(&router, NEWCOMERS, GET);
    for newcomer in &mut newcomers {
        let answer = newcomer.answer("GET");
        assert_eq!((answer.status, answer.code()), (503, Some("overloaded")));
        assert_eq!(answer.field("connection"), "close");
    }
    // All but the eight are gone, none by a reset.
    let last = newcomers.last_mut().expect("there are some");
    assert_eq!(last.ending(), (Vec::new(), Fault::Closed));
    assert!(Held::by(&router).clients <= SERVED as u64 + 8);
    gate.open();
    for client in &mut served {
        assert_eq!(client.answer("GET").text(), "yes");
    }
}

#[test]
fn however_many_requests_come_at_once_no_more_descriptors_are_taken_than_there_may_be() {
    // Of 512 descriptors, in one worker: see src/descriptors.rs.
    const MOST: u64 = 296 + 19;
    const CLIENTS: usize = 190;
    let (endpoint, gate) = gated();
    let router = with_descriptors(512, &one_worker().route("a.test", &[endpoint.address()]));
    let mut clients = idle_clients(&router, CLIENTS);
    // All but one, so that somebody is idle and could make room, but not for all.
    let idle = clients.split_off(CLIENTS - 1);
    router.suspend();
    for client in &mut clients {
        client.send(GET);
    }
    router.resume();
    eventually("an end of them all", || {
        let refused = clients.iter().filter(|client| client.answers()).count();
        let held = Held::by(&router);
        assert!(held.clients + held.endpoints <= MOST, "{held:?}");
        (endpoint.count() + refused == clients.len()).then_some(())
    });
    drop(idle);
    gate.open();
    let mut served = 0;
    for client in &mut clients {
        let answer = client.answer("GET");
        match answer.status {
            200 => served += 1,
            _ => assert_eq!((answer.status, answer.code()), (503, Some("overloaded"))),
        }
    }
    assert!(served >= CLIENTS / 2, "{served} are served");
}

#[test]
fn for_one_connection_more_one_idle_client_leaves_however_many_requests_come_with_it() {
    // Of 256 descriptors, in one worker: see src/descriptors.rs.
    const CLIENTS: usize = 80;
    const ENDPOINTS: usize = 40;
    let (endpoint, gate) = gated();
    let router = with_descriptors(256, &one_worker().route("a.test", &[endpoint.address()]));
    let mut clients = idle_clients(&router, CLIENTS);
    let (served, others) = clients.split_at_mut(ENDPOINTS);
    for (at, client) in served.iter_mut().enumerate() {
        client.send(GET);
        endpoint.request_head(at);
    }
    // Now every descriptor there may be is held, and half of the others ask for
    // nothing that needs one.
    let (one, others) = others.split_first_mut().expect("there are more");
    let (asking, idle) = others.split_at_mut(ENDPOINTS / 2);
    router.suspend();
    one.send(GET);
    for client in asking.iter_mut() {
        client.send(NOWHERE);
    }
    router.resume();
    endpoint.request_head(ENDPOINTS);
    for client in asking.iter_mut() {
        assert_eq!(client.answer("GET").status, 404);
    }
    eventually("room for one", || {
        let held = Held::by(&router);
        (held.clients + held.endpoints == 120).then_some(())
    });
    let left = idle.iter().chain(&*asking).filter(|client| client.ended()).count();
    assert_eq!(left, 1);
    gate.open();
    for client in served.iter_mut().chain([one]) {
        assert_eq!(client.answer("GET").text(), "yes");
    }
}
