//! How a router ends: what it has is finished, and nobody is reset.

use serde_json::Value;

use crate::harness::router::{Process, binary, write_config};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
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

#[test]
fn a_router_told_to_stop_finishes_what_it_has_and_exits_with_0() {
    let (endpoint, gate) = held();
    let mut router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(GET);
    endpoint.request_head(0);
    router.terminate();
    let address = router.address();
    eventually("the listener to be closed", || Connection::try_open(address).err());
    assert!(router.runs(), "a request is in flight");
    gate.open();
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_body_under_way_is_finished_too() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell";
        vec![
            Step::ReadHead,
            Step::Send(half.into()),
            Step::WaitFor(held.clone()),
            Step::Send(b"o all".to_vec()),
        ]
    });
    let mut router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(GET);
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"hell");
    router.terminate();
    let address = router.address();
    eventually("the listener to be closed", || Connection::try_open(address).err());
    gate.open();
    assert_eq!(client.bytes(5), b"o all");
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn idle_connections_do_not_hold_a_router_up() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut used = Connection::open(router.address());
    used.send(GET);
    assert_eq!(used.answer("GET").status, 200);
    let mut silent = Connection::open(router.address());
    router.terminate();
    assert_eq!(used.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(silent.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(router.stop().code(), Some(0));
}

#[test]
fn a_router_about_to_stop_serves_on_and_asks_to_be_left() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("timeouts.drain_delay", "10m").route("a.test", &[endpoint.address()]);
    let mut router = Router::start(&config);
    let mut kept = Connection::open(router.address());
    kept.send(GET);
    assert_eq!(kept.answer("GET").fields.one("connection"), None);
    router.terminate();
    until_draining(&router);
    let health = get(router.address(), "127.0.0.1", "/health");
    assert_eq!((health.status, health.text().as_str()), (503, "draining\n"));
    let live = get(router.admin(), "admin", "/health/live");
    assert_eq!(live.status, 200, "a drain is no reason to be killed");
    kept.send(GET);
    let answer = kept.answer("GET");
    assert_eq!((answer.status, answer.field("connection")), (200, "close"));
    assert_eq!(kept.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(get(router.address(), "a.test", "/").status, 200, "new connections are welcome");
    router.terminate();
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_connection_made_before_the_stop_may_bring_its_request_after_it() {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    router.terminate();
    until_draining(&router);
    client.send(GET);
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.field("connection")), (200, "close"));
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_request_without_an_answer_at_the_deadline_is_told_to_try_elsewhere() {
    let (endpoint, _gate) = held();
    let config = Config::new()
        .set("timeouts.drain", "300ms")
        .set("access_log.path", "-")
        .route("a.test", &[endpoint.address()]);
    let mut router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(GET);
    endpoint.request_head(0);
    router.terminate();
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("draining")));
    assert_eq!(answer.field("connection"), "close");
    let line = logged(|| router.stdout());
    assert_eq!((&line["status"], &line["code"]), (&503.into(), &"draining".into()), "{line}");
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_response_cut_at_the_deadline_does_not_look_whole_and_the_log_says_why() {
    // Ends with the connection for HTTP/1.0: only a reset tells.
    let begun = "HTTP/1.1 200 OK\r\n\r\nhalf";
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::Send(begun.into()), Step::UntilPeerLeaves]
    });
    let config = Config::new()
        .set("timeouts.drain", "300ms")
        .set("access_log.path", "-")
        .route("a.test", &[endpoint.address()]);
    let mut router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"half");
    router.terminate();
    assert_eq!(client.ending(), (Vec::new(), Fault::Reset));
    let line = logged(|| router.stdout());
    assert_eq!((&line["status"], &line["code"]), (&200.into(), &"drain-cut".into()), "{line}");
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_drain_by_the_admin_side_is_as_good_as_a_signal() {
    let (endpoint, gate) = held();
    let mut router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(GET);
    endpoint.request_head(0);
    let admin = format!("http://{}", router.admin());
    let said = crate::harness::router::run(["drain", "--admin", &admin]);
    assert!(said.status.success(), "{said:?}");
    until_draining(&router);
    assert!(router.runs(), "a request is in flight");
    gate.open();
    assert_eq!(client.answer("GET").status, 200);
    assert_eq!(router.exit().code(), Some(0));
}

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

#[test]
fn a_second_signal_cuts_at_once() {
    let (endpoint, _gate) = held();
    let config = Config::new().set("timeouts.drain", "10m").route("a.test", &[endpoint.address()]);
    let mut router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(GET);
    endpoint.request_head(0);
    router.terminate();
    until_draining(&router);
    assert!(router.runs());
    router.terminate();
    assert_eq!(router.exit().code(), Some(0));
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
