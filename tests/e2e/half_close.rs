//! Clients that shut their sending side and stay for the answer, where the
//! listener allows it.

use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, Held, Router, ScriptedEndpoint, Step, script};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// An endpoint that begins its answer at once and ends it at the gate, and a
/// router whose listener is configured like this.
fn started(client_half_close: &str) -> (ScriptedEndpoint, Router, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell";
        vec![
            Step::ReadHead,
            Step::ReadBody,
            Step::Send(begun.into()),
            Step::WaitFor(held.clone()),
            Step::Send(b"o all".to_vec()),
        ]
    });
    let config = Config::new()
        .listener_with(&format!("client_half_close = \"{client_half_close}\""))
        .route("a.test", &[endpoint.address()]);
    (endpoint, Router::start(&config), gate)
}

#[test]
fn a_client_that_half_closed_gets_its_whole_answer_where_that_is_allowed() {
    let (endpoint, router, gate) = started("allow");
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody";
    for (number, request) in [GET, post].into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        client.send(request);
        client.finish_sending();
        assert_eq!(client.answer_head().expect("the head comes").status, 200);
        assert_eq!(client.bytes(4), b"hell");
        endpoint.request(number);
        gate.open();
        assert_eq!(client.bytes(5), b"o all");
        assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    }
}

#[test]
fn requests_sent_together_before_a_half_close_are_all_answered_where_that_is_allowed() {
    let (_endpoint, router, gate) = started("allow");
    gate.open();
    let mut client = Connection::open(router.address());
    client.send(GET.repeat(3));
    client.finish_sending();
    for _ in 0..3 {
        assert_eq!(client.answer("GET").text(), "hello all");
    }
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn a_client_that_half_closed_has_left_where_that_is_not_allowed() {
    let (endpoint, router, gate) = started("close");
    let mut client = Connection::open(router.address());
    client.send(GET);
    client.answer_head().expect("the head comes");
    assert_eq!(client.bytes(4), b"hell");
    client.finish_sending();
    assert_eq!(client.ending(), (Vec::new(), Fault::Reset));
    gate.open();
    assert_eq!(endpoint.count(), 1);
}

#[test]
fn a_reset_is_noticed_after_a_half_close_that_is_allowed() {
    let endpoint =
        ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ReadBody, Step::UntilPeerLeaves]);
    let config = Config::new()
        .listener_with("client_half_close = \"allow\"")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let before = Held::at_rest(&router);
    // With nothing unread behind it, and with more than is read ahead.
    for (number, repeats) in [1, 4000].into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        client.send(GET.repeat(repeats));
        endpoint.request_head(number);
        client.finish_sending();
        client.reset();
        assert_eq!(endpoint.ending(number).1, Ended::ByPeer(Fault::Closed));
        before.again(&router);
    }
}

#[test]
fn a_half_close_within_a_request_is_a_departure_even_where_it_is_allowed() {
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("never")));
    let config = Config::new()
        .listener_with("client_half_close = \"allow\"")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let before = Held::at_rest(&router);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf");
    endpoint.request_head(0);
    client.finish_sending();
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed), "there is nothing to answer");
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset), "half a request is cut");
    before.again(&router);
}
