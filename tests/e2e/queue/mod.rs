//! `max_requests`: an endpoint is sent no more at a time, the others wait in
//! line for whichever endpoint has room, and nobody waits who has left.

mod change;
mod leaving;
mod limit;
mod order;
mod own;
mod tunnel;

use serde_json::Value;

use crate::harness::held::ask;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, script};

/// An endpoint that answers, saying `name`, once the gate is open.
fn held(name: &'static str) -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let answer = Step::Send(script::ok(name).into_bytes());
        vec![Step::ReadHead, Step::WaitFor(shut.clone()), answer]
    });
    (endpoint, gate)
}

/// An endpoint that answers each request when its own gate is opened; the
/// gates stand in the order of the connections.
fn one_by_one(count: usize) -> (ScriptedEndpoint, Vec<Gate>) {
    let gates: Vec<Gate> = (0..count).map(|_| Gate::default()).collect();
    let shut = gates.clone();
    let taken = std::sync::atomic::AtomicUsize::new(0);
    let endpoint = ScriptedEndpoint::start(move |_| {
        let number = taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let gate = shut.get(number).cloned().unwrap_or_default();
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        vec![Step::ReadHead, Step::WaitFor(gate), Step::Send(answer.into()), Step::Close]
    });
    (endpoint, gates)
}

/// An endpoint that answers its first request once the gate is open, and resets
/// those that come next.
fn resetting_after_one() -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |visit| match visit.connection {
        0 => {
            let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let answer = Step::Send(answer.into());
            vec![Step::ReadHead, Step::WaitFor(shut.clone()), answer, Step::Close]
        }
        _ => vec![Step::ReadHead, Step::Reset],
    });
    (endpoint, gate)
}

/// A route for `a.test` whose endpoints take `limit` requests each.
fn limited(limit: u64, endpoints: &[&ScriptedEndpoint]) -> Config {
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address()).collect();
    let config = Config::new().set("access_log.path", "-").set("timeouts.queue", "1m");
    config.route_with("a.test", &addresses, &format!("max_requests = {limit}"))
}

/// A client that has asked for `path`.
fn asking(router: &Router, path: &str) -> Connection {
    let mut client = Connection::open(router.address());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    client
}

/// Waits until so many requests are in line, as the metric, `/requests` and
/// `/routes` say alike.
#[track_caller]
fn until_queued(router: &Router, count: usize) {
    eventually(&format!("{count} in line"), || (queued(router) == [count; 3]).then_some(()));
}

fn queued(router: &Router) -> [usize; 3] {
    let metrics = ask(router, "/metrics");
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("pointsman_requests_queued "));
    let requests = json(router, "/requests");
    let requests = requests["requests"].as_array().expect("a list");
    let routes = json(router, "/routes");
    let routes = routes["routes"].as_array().expect("a list");
    [
        gauge.expect("there is such a gauge").parse().expect("a number"),
        requests.iter().filter(|request| request["phase"] == "queued").count(),
        routes.iter().map(|route| route["queued"].as_u64().expect("a number") as usize).sum(),
    ]
}

fn json(router: &Router, path: &str) -> Value {
    serde_json::from_str(&ask(router, path)).expect("a page is JSON")
}

/// The line of the access log for `path`.
#[track_caller]
fn logged(router: &Router, path: &str) -> Value {
    eventually(&format!("the log's line for {path}"), || {
        let lines = router.stdout();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["path"] == path)
    })
}
