//! How tunnels end: each half for itself, both at once, or neither in time.

use std::time::Duration;

use serde_json::Value;

use crate::harness::record::Ended;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Gate, Held, Router, ScriptedEndpoint, Step};

use super::{switched, switching};

fn router(endpoint: &ScriptedEndpoint) -> Router {
    let config = Config::new().set("access_log.path", "-").route("a.test", &[endpoint.address()]);
    Router::start(&config)
}

/// The line of the access log about the first request.
#[track_caller]
fn logged(router: &Router) -> Value {
    let line = eventually("the line of the tunnel", || {
        router.stdout().into_iter().find(|line| line.starts_with('{'))
    });
    serde_json::from_str(&line).expect("a line of JSON")
}

#[test]
fn a_client_that_shuts_its_side_hears_the_endpoint_to_its_end() {
    let (gate, ended) = (Gate::default(), Gate::default());
    let gates = (gate.clone(), ended.clone());
    let endpoint = ScriptedEndpoint::start(move |_| {
        switching([
            Step::ReadToEnd,
            Step::Open(gates.1.clone()),
            Step::WaitFor(gates.0.clone()),
            Step::Send(b"all the rest".into()),
            Step::Close,
        ])
    });
    let router = router(&endpoint);
    let mut client = switched(&router);
    client.send("last words");
    client.finish_sending();
    eventually("its end at the endpoint", || ended.is_open().then_some(()));
    assert_eq!(endpoint.request(0).content, b"last words");
    assert!(!client.ended(), "the other half is open");
    gate.open();
    assert_eq!(client.ending(), (b"all the rest".to_vec(), Fault::Closed));
    let line = logged(&router);
    let seen = (&line["status"], &line["code"], &line["bytes_in"], &line["bytes_out"]);
    assert_eq!(seen, (&101.into(), &Value::Null, &10.into(), &12.into()), "{line}");
}

#[test]
fn an_endpoint_that_shuts_its_side_hears_the_client_to_its_end() {
    let ended = Gate::default();
    let gate = ended.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let end = Step::Open(gate.clone());
        switching([Step::Send(b"bye".into()), Step::Shut, Step::ReadToEnd, end, Step::Close])
    });
    let router = router(&endpoint);
    let mut client = switched(&router);
    assert_eq!(client.ending(), (b"bye".to_vec(), Fault::Closed));
    client.send("still here");
    client.finish_sending();
    eventually("its end at the endpoint", || ended.is_open().then_some(()));
    assert_eq!(endpoint.request(0).content, b"still here");
    assert_eq!(logged(&router)["code"], Value::Null);
}

#[test]
fn a_reset_of_either_side_is_one_for_the_other() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::ReadBytes(4), Step::Reset]));
    let router = router(&endpoint);
    let mut client = switched(&router);
    client.send("boom");
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(logged(&router)["code"], "upstream-truncated");

    let endpoint = ScriptedEndpoint::start(|_| switching([Step::UntilPeerLeaves]));
    let router = self::router(&endpoint);
    let rest = Held::at_rest(&router);
    let client = switched(&router);
    client.reset();
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
    assert_eq!(logged(&router)["code"], "client-closed");
    rest.again(&router);
}

#[test]
fn a_client_that_leaves_is_noticed_behind_bytes_nobody_takes() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::Stall]));
    let router = router(&endpoint);
    let rest = Held::at_rest(&router);
    let mut client = switched(&router);
    client.send_until_it_stops(Duration::from_millis(500), 256 << 20);
    client.reset();
    rest.again(&router);
}

#[test]
fn an_endpoint_that_leaves_is_noticed_behind_bytes_nobody_takes() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        // More than all the buffers on the way; the gate opens before its end.
        switching([
            Step::SendPattern { bytes: 3 << 20, chunked: false },
            Step::WaitFor(held.clone()),
            Step::Reset,
        ])
    });
    let router = router(&endpoint);
    let client = switched(&router);
    gate.open();
    let in_flight = || Held::by(&router).requests;
    eventually("the tunnel's end", || (in_flight() == 0).then_some(()));
    drop(client);
}

#[test]
fn a_side_that_takes_nothing_stops_the_other() {
    const MOST: u64 = 256 << 20;
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::Stall]));
    let router = router(&endpoint);
    let mut client = switched(&router);
    client.send_until_it_stops(Duration::from_millis(500), MOST);
    assert!(router.memory_kib("VmRSS") < 60 << 10, "what it holds is bounded");
}

#[test]
fn large_streams_both_ways_at_once_arrive_whole() {
    const BYTES: u64 = 48 << 20;
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let router = router(&endpoint);
    let mut client = switched(&router);
    client.receive_little();
    let mut sending = client.second_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sending.send_pattern(BYTES, false);
            sending.finish_sending();
        });
        let back = client.bytes(BYTES);
        assert!(back == crate::harness::pattern::Pattern::bytes(BYTES as usize));
    });
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    let line = logged(&router);
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&BYTES.into(), &BYTES.into()));
}

#[test]
fn a_tunnel_outlives_the_request_clock_and_ends_when_nothing_moves() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes]));
    let config = Config::new().set("access_log.path", "-").route_with(
        "a.test",
        &[endpoint.address()],
        "request = \"1s\"\ntunnel_idle = \"3s\"\nresponse_body_idle = \"100ms\"",
    );
    let router = Router::start(&config);
    let mut client = switched(&router);
    for _ in 0..6 {
        // The slowness itself: past the request's clock in all.
        std::thread::sleep(Duration::from_millis(250));
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
    }
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
    let line = logged(&router);
    assert_eq!((&line["status"], &line["code"]), (&101.into(), &"tunnel-idle".into()));
    assert!(line["duration_ms"].as_f64().expect("a number") >= 4500.0, "{line}");
}

#[test]
fn a_half_that_is_left_keeps_to_the_clock_of_a_body() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::ReadToEnd, Step::Stall]));
    let config = Config::new().set("access_log.path", "-").route_with(
        "a.test",
        &[endpoint.address()],
        "response_body_idle = \"200ms\"",
    );
    let router = Router::start(&config);
    let mut client = switched(&router);
    client.finish_sending();
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(logged(&router)["code"], "tunnel-idle");
}
