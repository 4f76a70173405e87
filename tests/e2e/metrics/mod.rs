//! The metrics: OpenMetrics to the letter, and counting what happened.

mod exposition;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::admin::ask;
use crate::harness::absent::UnansweringEndpoint;
use crate::harness::wait::eventually;
use crate::harness::{
    Config, Connection, Gate, RefusingEndpoint, Router, ScriptedEndpoint, Step, get, script,
};

use exposition::Samples;
pub(crate) use exposition::{scrape, sum};

/// Waits for a scrape in which `name` with `labels` sums up to `value`: a
/// request is counted once its last byte has gone, which its client may see
/// before.
#[track_caller]
fn scrape_when(router: &Router, name: &str, labels: &[(&str, &str)], value: f64) -> Samples {
    eventually(&format!("{name} {labels:?} to be {value}"), || {
        let samples = scrape(router);
        (sum(&samples, name, labels) == value).then_some(samples)
    })
}

#[test]
fn every_family_of_the_design_is_there_before_any_traffic() {
    let router = Router::start(&Config::new());
    let answer = ask(&router, "/metrics");
    let text = answer.text();
    let types: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    for (family, kind) in [
        ("pointsman_requests", "counter"),
        ("pointsman_request_duration_seconds", "histogram"),
        ("pointsman_attempts", "counter"),
        ("pointsman_retries", "counter"),
        ("pointsman_requests_in_flight", "gauge"),
        ("pointsman_connections", "gauge"),
        ("pointsman_errors", "counter"),
        ("pointsman_routes", "gauge"),
        ("pointsman_endpoints", "gauge"),
        ("pointsman_source_age_seconds", "gauge"),
        ("pointsman_reloads", "counter"),
        ("pointsman_tasks", "gauge"),
        ("pointsman_worker_heartbeat_age_seconds", "gauge"),
        ("pointsman_access_log_lines_dropped", "counter"),
        ("pointsman_log_lines_dropped", "counter"),
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        assert_eq!(types.get(family), Some(&kind), "{family} in\n{text}");
    }
}

#[test]
fn requests_attempts_retries_and_errors_count_what_happened() {
    let (good, bad) = (ScriptedEndpoint::echo("good"), RefusingEndpoint::start());
    let config = Config::new()
        .route("good.test", &[good.address()])
        .route("bad.test", &[bad.address()])
        .route("both.test", &[bad.address(), good.address()]);
    let router = Router::start(&config);
    for _ in 0..3 {
        get(router.address(), "good.test", "/");
    }
    get(router.address(), "bad.test", "/");
    get(router.address(), "none.test", "/");
    // The refusing endpoint is passed over for 5 s by now, so this one does
    // not meet it.
    get(router.address(), "both.test", "/");
    let requests = "pointsman_requests_total";
    let seen = scrape_when(&router, requests, &[], 6.0);
    let of = |labels: &[(&str, &str)]| sum(&seen, requests, labels);
    let good_one = [("route", "good.test"), ("status_class", "2xx"), ("code", "")];
    assert_eq!(of(&good_one), 3.0, "{seen:?}");
    let refused = [("route", "bad.test"), ("status_class", "5xx"), ("code", "connect-refused")];
    assert_eq!(of(&refused), 1.0, "{seen:?}");
    let unknown = [("route", "none"), ("status_class", "4xx"), ("code", "no-route")];
    assert_eq!(of(&unknown), 1.0, "{seen:?}");
    let durations = "pointsman_request_duration_seconds_count";
    assert_eq!(sum(&seen, durations, &[("route", "good.test")]), 3.0);
    assert_eq!(sum(&seen, durations, &[]), 6.0);
    let attempts = |outcome| sum(&seen, "pointsman_attempts_total", &[("outcome", outcome)]);
    // A lone endpoint that refused is asked once more, after a short wait.
    assert_eq!((attempts("response"), attempts("connect-refused")), (4.0, 2.0), "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_retries_total", &[]), 1.0, "{seen:?}");
    let errors = |code| sum(&seen, "pointsman_errors_total", &[("code", code)]);
    assert_eq!((errors("no-route"), errors("connect-refused")), (1.0, 1.0));
    assert_eq!(sum(&seen, "pointsman_errors_total", &[]), 2.0);
    assert_eq!(sum(&seen, "pointsman_routes", &[]), 3.0);
    let endpoints = |state| sum(&seen, "pointsman_endpoints", &[("state", state)]);
    assert_eq!((endpoints("available"), endpoints("passed-over")), (1.0, 1.0), "{seen:?}");
}

#[test]
fn a_request_lasts_until_its_last_byte() {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
        let rest = Step::Send(b"done".to_vec());
        vec![Step::ReadHead, Step::Send(head.into()), Step::WaitFor(shut.clone()), rest]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    let held_from = Instant::now();
    // Time that has to show.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let held = held_from.elapsed();
    gate.open();
    assert_eq!(client.bytes(4), b"done");
    let name = "pointsman_request_duration_seconds";
    let of_route = [("route", "a.test")];
    let samples = scrape_when(&router, &format!("{name}_count"), &of_route, 1.0);
    assert!(sum(&samples, &format!("{name}_sum"), &of_route) >= held.as_secs_f64());
}

#[test]
fn a_retry_is_counted_by_the_reason_of_the_failure_before() {
    let (bad, good) = (RefusingEndpoint::start(), ScriptedEndpoint::echo("good"));
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    // The balance decides which one is first; with two requests each was.
    get(router.address(), "a.test", "/");
    get(router.address(), "a.test", "/");
    let seen = scrape_when(&router, "pointsman_requests_total", &[], 2.0);
    let reason = [("reason", "connect-refused")];
    assert_eq!(sum(&seen, "pointsman_retries_total", &reason), 1.0, "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_retries_total", &[]), 1.0, "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_attempts_total", &[]), 3.0, "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_errors_total", &[]), 0.0, "the client saw none");
}

#[test]
fn a_connection_that_died_in_the_pool_is_counted_as_stale_reuse() {
    // The second request on a connection is read, and then nothing said.
    let endpoint = ScriptedEndpoint::start(|visit| match visit.request {
        0 => script::answering(script::ok("hi")),
        _ => vec![Step::ReadHead, Step::Close],
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.answer("GET");
    }
    let seen = scrape_when(&router, "pointsman_requests_total", &[], 2.0);
    assert_eq!(sum(&seen, "pointsman_stale_reuse_total", &[]), 1.0, "{seen:?}");
}

#[test]
fn connections_of_both_sides_are_counted_as_they_are_used() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("hi").into())]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let connections = "pointsman_connections";
    let counts = || {
        let seen = scrape(&router);
        let of = |side, state| sum(&seen, connections, &[("side", side), ("state", state)]);
        [
            of("client", "active"),
            of("client", "idle"),
            of("endpoint", "active"),
            of("endpoint", "idle"),
        ]
    };
    let turns = |wanted: [f64; 4]| {
        eventually(&format!("the counts {wanted:?}"), || (counts() == wanted).then_some(()));
    };
    assert_eq!(counts(), [0.0; 4]);
    let mut client = Connection::open(router.address());
    turns([0.0, 1.0, 0.0, 0.0]);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    turns([1.0, 0.0, 1.0, 0.0]);
    assert_eq!(sum(&scrape(&router), "pointsman_requests_in_flight", &[]), 1.0);
    gate.open();
    client.answer("GET");
    turns([0.0, 1.0, 0.0, 1.0]);
    assert_eq!(sum(&scrape(&router), "pointsman_requests_in_flight", &[]), 0.0);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer("GET");
    turns([0.0, 1.0, 0.0, 1.0]);
    assert_eq!(endpoint.connections(), 1);
    drop(client);
    turns([0.0, 0.0, 0.0, 1.0]);
    drop(endpoint);
    // The worker's next sweep finds the connection closed.
    turns([0.0; 4]);
}

#[test]
fn nothing_is_in_flight_after_clients_left_at_every_stage() {
    let silent = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let half = ScriptedEndpoint::start(|_| {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        script::answering_then(half, Step::UntilPeerLeaves)
    });
    let unreachable = UnansweringEndpoint::start();
    let config = Config::new()
        .route("silent.test", &[silent.address()])
        .route("half.test", &[half.address()])
        .route("unreachable.test", &[unreachable.address()]);
    let router = Router::start(&config);
    let clients: Vec<Connection> = ["silent.test", "half.test", "unreachable.test"]
        .iter()
        .map(|host| {
            let mut client = Connection::open(router.address());
            client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            client
        })
        .collect();
    let in_flight = "pointsman_requests_in_flight";
    scrape_when(&router, in_flight, &[], 3.0);
    let seen = scrape_when(&router, "pointsman_tasks", &[("kind", "request")], 3.0);
    assert_eq!(sum(&seen, "pointsman_tasks", &[("kind", "connection")]), 3.0);
    drop(clients);
    let seen = scrape_when(&router, in_flight, &[], 0.0);
    let cut = [("code", "client-closed")];
    assert_eq!(sum(&seen, "pointsman_errors_total", &cut), 3.0, "{seen:?}");
    scrape_when(&router, "pointsman_tasks", &[("kind", "request")], 0.0);
    let active = [("state", "active")];
    scrape_when(&router, "pointsman_connections", &active, 0.0);
    scrape_when(&router, "pointsman_tasks", &[("kind", "connection")], 0.0);
}

#[test]
fn the_source_of_routes_the_heartbeats_and_the_reloads_are_shown() {
    let router = Router::start(&Config::new().set("workers.threads", 2));
    let first = scrape(&router);
    let age = |samples: &_| sum(samples, "pointsman_source_age_seconds", &[("source", "file")]);
    let older = eventually("the file to grow older", || {
        let later = scrape(&router);
        (age(&later) > age(&first)).then_some(later)
    });
    for worker in ["0", "1"] {
        let labels = [("worker", worker)];
        let beat = "pointsman_worker_heartbeat_age_seconds";
        assert!(
            older.values.keys().any(|(name, carried)| name == beat && carried["worker"] == worker)
        );
        assert!(sum(&older, beat, &labels) < 10.0, "{older:?}");
    }
    let applied = [("result", "applied")];
    let before = sum(&older, "pointsman_reloads_total", &applied);
    let signalled = Instant::now();
    router.signal("HUP");
    let after = scrape_when(&router, "pointsman_reloads_total", &applied, before + 1.0);
    assert_eq!(sum(&after, "pointsman_reloads_total", &[("result", "refused")]), 0.0);
    // A scrape looks at one thing after the other, and that one may have looked
    // at the file before the reload and at the reloads after it.
    let after = scrape(&router);
    // However slow this machine: it was last heard after the signal.
    assert!(age(&after) <= signalled.elapsed().as_secs_f64(), "it was heard again");
}
