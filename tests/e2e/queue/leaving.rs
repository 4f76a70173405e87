//! How a wait ends without an endpoint: the client leaves, time is up, the
//! router ends.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{asking, held, limited, logged, resetting_after_one, until_queued};
use crate::harness::wait::eventually;
use crate::harness::{Connection, Held, Router, get};

/// As in the tests of cancellation: the promise is 100 ms, but a loaded machine
/// is no failure.
const MOST: Duration = Duration::from_secs(5);

/// What a client does while it waits in line.
type Leaving = fn(Connection) -> Option<Connection>;

const WAYS: [(&str, Leaving); 3] = [
    ("closing", |client| {
        drop(client);
        None
    }),
    ("resetting", |client| {
        client.reset();
        None
    }),
    ("half-closing", |client| {
        client.finish_sending();
        Some(client)
    }),
];

/// What it has sent by then.
fn requests(way: &str) -> [(String, Vec<u8>); 3] {
    let head =
        |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\nHost: a.test\r\n{more}\r\n");
    let whole = format!("/{way}-whole");
    let half = format!("/{way}-half");
    let more = format!("/{way}-more");
    let long = "Content-Length: 100000\r\n";
    [
        (whole.clone(), head(&whole, "").into_bytes()),
        (half.clone(), [head(&half, long).into_bytes(), vec![b'x'; 50_000]].concat()),
        (more.clone(), head(&more, "").repeat(2).into_bytes()),
    ]
}

#[test]
fn a_client_that_leaves_the_line_is_out_of_it_and_never_sent_on() {
    let (endpoint, gate) = held("done");
    let config = limited(1, &[&endpoint]).set("timeouts.upstream_keep_alive", "100ms");
    let router = Router::start(&config);
    let before = Held::at_rest(&router);
    let mut first = asking(&router, "/first");
    endpoint.request_head(0);
    let mut took = Vec::new();
    for (way, leave) in WAYS {
        for (path, bytes) in requests(way) {
            let mut client = Connection::open(router.address());
            client.send(bytes);
            until_queued(&router, 1);
            let left = Instant::now();
            let _staying = leave(client);
            until_queued(&router, 0);
            took.push(left.elapsed());
            assert!(left.elapsed() < MOST, "{path}: {:?}", left.elapsed());
            let line = logged(&router, &path);
            assert_eq!((&line["code"], &line["status"]), (&"client-closed".into(), &499.into()));
            assert_eq!((&line["attempts"], &line["endpoint"]), (&0.into(), &Value::Null), "{line}");
            assert!(line["queue_ms"].as_f64().expect("it was in line") > 0.0, "{line}");
        }
    }
    let line = format!("in line: most {:?} of {}\n", took.iter().max(), took.len());
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
    gate.open();
    assert_eq!(first.answer("GET").text(), "done");
    assert_eq!(endpoint.count(), 1, "nobody who left was sent on");
    drop(first);
    before.again(&router);
}

#[test]
fn those_behind_one_who_leaves_move_up() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let mut first = asking(&router, "/first");
    endpoint.request_head(0);
    let leaving: Vec<_> = (0..20).map(|n| asking(&router, &format!("/{n}"))).collect();
    until_queued(&router, 20);
    let mut last = asking(&router, "/last");
    until_queued(&router, 21);
    drop(leaving);
    until_queued(&router, 1);
    gate.open();
    assert_eq!(first.answer("GET").text(), "done");
    assert_eq!(last.answer("GET").text(), "done");
    assert_eq!(endpoint.count(), 2);
}

#[test]
fn the_requests_own_time_runs_in_line_too() {
    let (endpoint, _shut) = held("done");
    let config =
        limited(1, &[&endpoint]).replacing("max_requests", "request = \"300ms\"\nmax_requests");
    let config = config.route_with("b.test", &[endpoint.address()], "");
    let router = Router::start(&config);
    let mut holding = Connection::open(router.address());
    holding.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    endpoint.request_head(0);
    let answer = get(router.address(), "a.test", "/late");
    assert_eq!((answer.status, answer.code()), (504, Some("deadline-exceeded")));
    assert!(logged(&router, "/late")["queue_ms"].as_f64().expect("it was in line") >= 299.0);
    assert_eq!(endpoint.count(), 1);
}

#[test]
fn a_drain_serves_those_in_line() {
    let (endpoint, gate) = held("done");
    let mut router = Router::start(&limited(1, &[&endpoint]).set("timeouts.drain", "1m"));
    let mut clients: Vec<_> = (0..3).map(|n| asking(&router, &format!("/{n}"))).collect();
    until_queued(&router, 2);
    router.terminate();
    eventually("a drain", || (get(router.admin(), "admin", "/health").status == 503).then_some(()));
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "done");
    }
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn the_cut_at_the_end_of_a_drain_ends_the_wait() {
    let (endpoint, _shut) = held("done");
    let mut router = Router::start(&limited(1, &[&endpoint]).set("timeouts.drain", "300ms"));
    let mut clients: Vec<_> = (0..3).map(|n| asking(&router, &format!("/{n}"))).collect();
    until_queued(&router, 2);
    endpoint.request_head(0);
    router.terminate();
    assert_eq!(router.exit().code(), Some(0));
    for client in &mut clients {
        assert!(client.try_answer("GET").map_or(true, |answer| answer.status == 503));
    }
    assert_eq!(endpoint.count(), 1);
}

#[test]
fn all_waits_of_a_request_share_the_time_there_is_for_waiting() {
    let (failing, first_is_told) = resetting_after_one();
    let (full, _shut) = held("done");
    let router = Router::start(&limited(1, &[&failing, &full]).set("timeouts.queue", "8s"));
    let _holding: Vec<_> = (0..2).map(|_| asking(&router, "/holding")).collect();
    failing.request_head(0);
    full.request_head(0);
    let begun = std::time::Instant::now();
    let mut twice = asking(&router, "/twice");
    until_queued(&router, 1);
    // The time itself is the subject: most of it goes by in the first wait.
    std::thread::sleep(Duration::from_secs(7));
    first_is_told.open();
    failing.request_head(1);
    let answer = twice.answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("endpoints-saturated")));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(14), "it waited anew: {took:?}");
}
