//! Clients that leave, or let others wait: what that does to an endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::admin::json;
use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, script};
use crate::outliers::{get, seen};

/// An endpoint that answers once the gate is open.
fn held() -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let answer = Step::Send(script::ok("done").into_bytes());
        vec![Step::ReadHead, Step::WaitFor(shut.clone()), answer]
    });
    (endpoint, gate)
}

fn start(endpoints: [&ScriptedEndpoint; 2], outlier: &str) -> Router {
    let addresses = endpoints.map(ScriptedEndpoint::address);
    let outlier = format!("outlier = {{ {outlier} }}");
    Router::start(&Config::new().route_with("a.test", &addresses, &outlier))
}

fn asking(router: &Router) -> Connection {
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client
}

/// A client whose request is with this endpoint and not answered.
fn kept_waiting(router: &Router, endpoint: &ScriptedEndpoint) -> Connection {
    loop {
        let (before, client) = (endpoint.count(), asking(router));
        let answered = eventually("an answer, or a wait", || {
            if client.answers() { Some(true) } else { (endpoint.count() > before).then_some(false) }
        });
        if !answered {
            return client;
        }
    }
}

/// Waits until every request in flight has been for so long.
fn until_all_wait(router: &Router, age_ms: u64) {
    eventually("them to wait", || {
        let requests = json(&crate::admin::ask(router, "/requests"));
        let requests = requests["requests"].as_array().expect("a list").clone();
        let waits = |request: &Value| request["age_ms"].as_u64() >= Some(age_ms);
        (!requests.is_empty() && requests.iter().all(waits)).then_some(())
    });
}

fn transitions(router: &Router, to: &str, reason: &str) -> u64 {
    let series = format!("pointsman_endpoint_transitions_total{{to=\"{to}\",reason=\"{reason}\"}}");
    let metrics = ask(router, "/metrics");
    if metrics.contains(&series) { sum(&metrics, &series) } else { 0 }
}

#[test]
fn a_client_that_sends_slowly_does_not_keep_an_endpoint_from_coming_back() {
    let broken = Arc::new(AtomicBool::new(true));
    let was_broken = Arc::clone(&broken);
    let returning = ScriptedEndpoint::start(move |_| match was_broken.load(Ordering::SeqCst) {
        true => vec![
            Step::ReadHead,
            Step::Send(
                b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".into(),
            ),
            Step::Close,
        ],
        false => script::answering(script::ok("well")),
    });
    let good = ScriptedEndpoint::echo("good");
    let router = start(
        [&returning, &good],
        "failures_in_a_row = 1, ejection = \"50ms\", ejection_max = \"1h\", silence = \"100ms\"",
    );
    let mut client = Connection::open(router.address());
    eventually("an ejection", || (get(&mut client) == 503).then_some(()));
    broken.store(false, Ordering::SeqCst);
    let before = returning.count();
    // One of them becomes the trial, and sends no content.
    let mut slow = Vec::new();
    eventually("a trial under way", || {
        let mut client = Connection::open(router.address());
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n");
        slow.push(client);
        (returning.count() > before).then_some(())
    });
    eventually("its return", || {
        assert_eq!(get(&mut client), 200);
        (seen(&router, returning.address())["reason"] == "trial-passed").then_some(())
    });
    for client in &mut slow {
        assert!(!client.answers());
        client.send("late");
        assert_eq!(client.answer("POST").status, 200);
    }
    assert_eq!(seen(&router, returning.address())["state"], "available");
    assert_eq!(transitions(&router, "half-open", "ejection-ended"), 1);
}

#[test]
fn an_endpoint_that_hangs_is_tried_by_few_once_clients_leave_it() {
    let ((hanging, gate), good) = (held(), ScriptedEndpoint::echo("good"));
    let router = start([&hanging, &good], "failures_in_a_row = 3, silence = \"50ms\"");
    eventually("a suspicion", || {
        let client = kept_waiting(&router, &hanging);
        until_all_wait(&router, 60);
        drop(client);
        let seen = seen(&router, hanging.address());
        (seen["state"] == "half-open").then(|| assert_eq!(seen["reason"], "clients-left"))
    });
    assert_eq!(transitions(&router, "half-open", "clients-left"), 1);
    let mut client = kept_waiting(&router, &hanging);
    assert_eq!(seen(&router, hanging.address())["state"], "half-open");
    gate.open();
    assert_eq!(client.answer("GET").text(), "done");
    eventually("it to be cleared", || {
        (seen(&router, hanging.address())["state"] == "available").then_some(())
    });
    assert_eq!(transitions(&router, "ejected", "trial-failed"), 0);
}

#[test]
fn clients_that_leave_early_cannot_harm_an_endpoint() {
    let ((slow, _shut), good) = (held(), ScriptedEndpoint::echo("good"));
    let router = start([&slow, &good], "failures_in_a_row = 1, silence = \"1h\"");
    for _ in 0..9 {
        drop(kept_waiting(&router, &slow));
    }
    eventually("them to be gone", || {
        let requests = json(&crate::admin::ask(&router, "/requests"));
        requests["requests"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    assert_eq!(seen(&router, slow.address())["state"], "available");
}
