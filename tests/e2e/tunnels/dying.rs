//! One side of a tunnel dies: how soon the other knows, and that nobody waits
//! behind bytes that will never be taken.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, Held, Router, ScriptedEndpoint, Step};

use super::{switched, switching};

/// Tunnels for each way to die.
const TUNNELS: usize = 12;
/// A tunnel outlives its dead side by at most this in a test: the promise is
/// 100 ms, but a loaded machine is no failure.
const MOST: Duration = Duration::from_secs(5);

/// Shown by `--no-capture`: what the promise of 100 ms is measured by.
fn report(way: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    let line = format!("{way}: median {median:?}, most {most:?} of {}\n", took.len());
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
    assert!(most < MOST, "{line}");
}

fn start(endpoint: &ScriptedEndpoint) -> Router {
    // No clock of a body ends what has to end by itself.
    let clocks = "response_body_idle = \"off\"\nrequest_body_idle = \"off\"";
    Router::start(&Config::new().route_with("a.test", &[endpoint.address()], clocks))
}

/// A tunnel through which bytes have gone both ways.
fn warm(router: &Router) -> Connection {
    let mut client = switched(router);
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
    client
}

#[test]
fn an_endpoint_hears_of_its_clients_death() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let router = start(&endpoint);
    let rest = Held::at_rest(&router);
    for (way, leave) in [
        ("reset by the client", Connection::reset as fn(Connection)),
        ("closed by the client", drop),
    ] {
        let before = endpoint.connections();
        let took = (before..before + TUNNELS).map(|number| {
            let client = warm(&router);
            let left = Instant::now();
            leave(client);
            endpoint.ending(number).0.saturating_duration_since(left)
        });
        report(way, took.collect());
    }
    rest.again(&router);
}

#[test]
fn a_client_hears_of_its_endpoints_death() {
    for (way, last, fault) in [
        ("reset by the endpoint", Step::Reset, Fault::Reset),
        ("closed by the endpoint", Step::Close, Fault::Closed),
    ] {
        let endpoint = ScriptedEndpoint::start(move |_| {
            switching([
                Step::ReadBytes(4),
                Step::Send(b"ping".into()),
                Step::ReadBytes(1),
                last.clone(),
            ])
        });
        let router = start(&endpoint);
        let rest = Held::at_rest(&router);
        let took = (0..TUNNELS).map(|number| {
            let mut client = warm(&router);
            client.send("!");
            assert_eq!(client.ending(), (Vec::new(), fault.clone()), "{way}");
            let heard = Instant::now();
            heard.saturating_duration_since(endpoint.ending(number).0)
        });
        report(way, took.collect());
        rest.again(&router);
    }
}

#[test]
fn a_reset_of_the_client_shows_behind_bytes_nobody_takes_after_the_endpoint_has_ended() {
    let endpoint = ScriptedEndpoint::start(|_| {
        switching([Step::Send(b"bye".into()), Step::Shut, Step::Stall])
    });
    let router = start(&endpoint);
    let rest = Held::at_rest(&router);
    let mut client = switched(&router);
    assert_eq!(client.ending(), (b"bye".into(), Fault::Closed));
    client.send_until_it_stops(Duration::from_millis(500), 256 << 20);
    client.reset();
    rest.again(&router);
}

#[test]
fn a_reset_of_the_endpoint_shows_behind_bytes_nobody_takes_after_the_client_has_ended() {
    let (gate, ended) = (Gate::default(), Gate::default());
    let gates = (gate.clone(), ended.clone());
    let endpoint = ScriptedEndpoint::start(move |_| {
        switching([
            Step::ReadToEnd,
            // More than all the buffers on the way: the router is left with some.
            Step::SendPattern { bytes: 3 << 20, chunked: false },
            Step::Open(gates.1.clone()),
            Step::WaitFor(gates.0.clone()),
            Step::Reset,
        ])
    });
    let router = start(&endpoint);
    let rest = Held::at_rest(&router);
    let mut client = switched(&router);
    client.receive_little();
    client.finish_sending();
    assert_eq!(client.bytes(1).len(), 1);
    gate.open();
    drop(ended);
    rest.again(&router);
    drop(client);
}
