//! How tunnels end: each half for itself, both at once, or neither in time.

use std::time::Duration;

use serde_json::Value;

use crate::harness::pattern::Pattern;
use crate::harness::record::Ended;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Gate, Held, Router, ScriptedEndpoint, Step};

use super::{line, switched, switching};

fn router(endpoint: &ScriptedEndpoint) -> Router {
    let config = Config::new().set("access_log.path", "-").route("a.test", &[endpoint.address()]);
    Router::start(&config)
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
    let line = line(&router);
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
    assert_eq!(line(&router)["code"], Value::Null);
}

#[test]
fn a_reset_of_either_side_is_one_for_the_other() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::ReadBytes(4), Step::Reset]));
    let router = router(&endpoint);
    let mut client = switched(&router);
    client.send("boom");
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(line(&router)["code"], "upstream-truncated");

    let endpoint = ScriptedEndpoint::start(|_| switching([Step::UntilPeerLeaves]));
    let router = self::router(&endpoint);
    let rest = Held::at_rest(&router);
    let client = switched(&router);
    client.reset();
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
    assert_eq!(line(&router)["code"], "client-closed");
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
        assert!(back == Pattern::bytes(BYTES as usize));
    });
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    let line = line(&router);
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&BYTES.into(), &BYTES.into()));
}

/// More than a socket takes in that nobody reads, less than two hold.
const IN_FLIGHT: u64 = 200_000;

/// How late somebody is who reads late: by then the tunnel has ended.
const LATE: Duration = Duration::from_millis(500);

#[test]
fn a_client_that_reads_late_loses_nothing_of_a_tunnel_that_has_ended() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let content = Step::SendPattern { bytes: IN_FLIGHT, chunked: false };
        switching([content, Step::Close])
    });
    let router = router(&endpoint);
    let mut client = switched(&router);
    client.receive_little();
    client.finish_sending();
    std::thread::sleep(LATE);
    let (content, end) = client.ending();
    assert!(content == Pattern::bytes(IN_FLIGHT as usize), "{} bytes", content.len());
    assert_eq!(end, Fault::Closed);
}

#[test]
fn an_endpoint_that_reads_late_loses_nothing_of_a_tunnel_that_has_ended() {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        switching([Step::Shut, Step::WaitFor(shut.clone()), Step::ReadToEnd, Step::Close])
    });
    let router = router(&endpoint);
    let mut client = switched(&router);
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    client.send_pattern(IN_FLIGHT, false);
    client.finish_sending();
    std::thread::sleep(LATE);
    gate.open();
    eventually("all of it at the endpoint", || {
        (endpoint.request(0).content_bytes == IN_FLIGHT).then_some(())
    });
    assert_eq!(endpoint.ending(0).1, Ended::ByScript, "it heard the end, and no reset");
}
