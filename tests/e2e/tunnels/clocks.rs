//! How long a tunnel may stand still.

use std::time::Duration;

use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Router, ScriptedEndpoint, Step};

use super::{line, switched, switching};

/// A router whose route has these clocks.
fn router(endpoint: &ScriptedEndpoint, clocks: &str) -> Router {
    let config = Config::new().set("access_log.path", "-").route_with(
        "a.test",
        &[endpoint.address()],
        clocks,
    );
    Router::start(&config)
}

#[test]
fn a_tunnel_outlives_the_request_clock_and_ends_when_nothing_moves() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes]));
    let clocks = "request = \"1s\"\ntunnel_idle = \"3s\"\nresponse_body_idle = \"100ms\"";
    let router = router(&endpoint, clocks);
    let mut client = switched(&router);
    for _ in 0..6 {
        // The slowness itself: past the request's clock in all.
        std::thread::sleep(Duration::from_millis(250));
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
    }
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
    let line = line(&router);
    assert_eq!((&line["status"], &line["code"]), (&101.into(), &"tunnel-idle".into()));
    assert!(line["duration_ms"].as_f64().expect("a number") >= 4500.0, "{line}");
}

#[test]
fn either_side_alone_keeps_a_tunnel_alive() {
    const PIECES: usize = 8;
    const PAUSE: Duration = Duration::from_millis(500);
    // Pieces of both take longer than the clock; each is far quicker.
    let clocks = "tunnel_idle = \"3s\"";
    let listening = ScriptedEndpoint::start(|_| switching([Step::ReadToEnd, Step::Close]));
    let speaking = ScriptedEndpoint::start(|_| {
        let pieces = Step::SendInPieces { bytes: vec![b'x'; PIECES], size: 1, pause: PAUSE };
        switching([pieces, Step::Close])
    });
    let (to_listening, to_speaking) = (router(&listening, clocks), router(&speaking, clocks));
    let (mut sends, mut hears) = (switched(&to_listening), switched(&to_speaking));
    for _ in 0..PIECES {
        std::thread::sleep(PAUSE);
        sends.send("x");
    }
    sends.finish_sending();
    assert_eq!(sends.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(listening.request(0).content, vec![b'x'; PIECES]);
    assert_eq!(hears.bytes(PIECES as u64), vec![b'x'; PIECES]);
    hears.finish_sending();
    assert_eq!(hears.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn a_half_that_is_left_towards_the_client_keeps_to_the_clock_of_an_answer() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::ReadToEnd, Step::Stall]));
    let router = router(&endpoint, "response_body_idle = \"200ms\"\nrequest_body_idle = \"5m\"");
    let mut client = switched(&router);
    client.finish_sending();
    assert_eq!(client.ending().1, Fault::Reset);
    assert_eq!(line(&router)["code"], "tunnel-idle");
}

#[test]
fn a_half_that_is_left_towards_the_endpoint_keeps_to_the_clock_of_a_request() {
    let endpoint = ScriptedEndpoint::start(|_| {
        switching([Step::Send(b"bye".into()), Step::Shut, Step::UntilPeerLeaves])
    });
    let router = router(&endpoint, "request_body_idle = \"200ms\"\nresponse_body_idle = \"5m\"");
    let mut client = switched(&router);
    assert_eq!(client.ending(), (b"bye".into(), Fault::Closed));
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
    assert_eq!(line(&router)["code"], "tunnel-idle");
}

#[test]
fn a_half_that_is_left_has_no_longer_than_the_whole_tunnel() {
    for response_body_idle in ["\"1h\"", "\"off\""] {
        let endpoint = ScriptedEndpoint::start(|_| switching([Step::ReadToEnd, Step::Stall]));
        let clocks = format!("tunnel_idle = \"200ms\"\nresponse_body_idle = {response_body_idle}");
        let router = router(&endpoint, &clocks);
        let mut client = switched(&router);
        client.finish_sending();
        assert_eq!(client.ending().1, Fault::Reset, "{response_body_idle}");
        assert_eq!(line(&router)["code"], "tunnel-idle");
    }
}
