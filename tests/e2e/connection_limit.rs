//! What happens when as many clients are connected as the router takes.

use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, script};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn limited(endpoint: &ScriptedEndpoint, connections: i64) -> Router {
    let config =
        Config::new().set("limits.connections", connections).route("a.test", &[endpoint.address()]);
    Router::start(&config)
}

#[test]
fn the_connection_that_was_idle_longest_makes_room() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = limited(&endpoint, 2);
    let mut first = Connection::open(router.address());
    first.send(GET);
    assert_eq!(first.answer("GET").status, 200);
    let mut second = Connection::open(router.address());
    second.send(GET);
    assert_eq!(second.answer("GET").status, 200);
    let mut third = Connection::open(router.address());
    third.send(GET);
    assert_eq!(third.answer("GET").status, 200);
    assert_eq!(first.ending(), (Vec::new(), Fault::Closed));
    second.send(GET);
    assert_eq!(second.answer("GET").status, 200);
}

#[test]
fn half_a_head_does_not_hold_a_place() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = limited(&endpoint, 1);
    let mut half = Connection::open(router.address());
    half.send(GET);
    assert_eq!(half.answer("GET").status, 200);
    half.send("GET / HT");
    let mut whole = Connection::open(router.address());
    whole.send(GET);
    assert_eq!(whole.answer("GET").status, 200);
    let (rest, fault) = half.ending();
    assert!(rest.is_empty() && fault != Fault::Stalled, "{fault:?}");
}

#[test]
fn nobody_makes_room_who_is_being_served() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("yes").into())]
    });
    let router = limited(&endpoint, 1);
    let mut served = Connection::open(router.address());
    served.send(GET);
    endpoint.request_head(0);
    let mut refused = Connection::open(router.address());
    let answer = refused.answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("overloaded")));
    gate.open();
    assert_eq!(served.answer("GET").text(), "yes");
}
