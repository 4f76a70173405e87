//! Endpoints that fail: how soon they are left alone, how they come back, and
//! that their pool is never left without.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::admin::json;
use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, Script, ScriptedEndpoint, Step, script};

/// An app that answers 503 while `broken`.
fn breaking(broken: &Arc<AtomicBool>, more: &'static str) -> ScriptedEndpoint {
    let broken = Arc::clone(broken);
    ScriptedEndpoint::start(move |_| match broken.load(Ordering::SeqCst) {
        true => {
            let head = format!("HTTP/1.1 503 Busy\r\n{more}content-length: 0\r\n\r\n");
            script::answering(head)
        }
        false => script::answering(script::ok("well")),
    })
}

fn get(client: &mut Connection) -> u16 {
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer("GET").status
}

/// What `/routes` says of the endpoint at this address.
fn seen(router: &Router, address: SocketAddr) -> Value {
    let routes = json(&crate::admin::ask(router, "/routes"));
    let endpoints = routes["routes"][0]["endpoints"].as_array().expect("a list").clone();
    let wanted = address.to_string();
    endpoints.into_iter().find(|e| e["address"] == *wanted).expect("the endpoint is listed")
}

fn config(addresses: &[SocketAddr], more: &str) -> Config {
    Config::new().route_with("a.test", addresses, more)
}

#[test]
fn an_endpoint_that_fails_every_request_gets_no_more_than_its_row_of_failures() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "");
    let good: Vec<_> = (0..3).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let mut addresses = vec![bad.address()];
    addresses.extend(good.iter().map(ScriptedEndpoint::address));
    let outlier = "outlier = { ejection = \"1h\", ejection_max = \"1h\" }";
    let router = Router::start(&config(&addresses, outlier));
    let mut client = Connection::open(router.address());
    let failed = (0..2_000).filter(|_| get(&mut client) == 503).count();
    assert_eq!((failed, bad.count()), (5, 5), "of 2,000");
    let bad = seen(&router, bad.address());
    assert_eq!((&bad["state"], &bad["reason"]), (&"ejected".into(), &"failures-in-a-row".into()));
    assert!(bad["since_unix_ms"].as_u64() > Some(0) && bad["for_ms"].as_u64() > Some(0), "{bad}");
    let metrics = ask(&router, "/metrics");
    let count = |series| sum(&metrics, series);
    let transitions =
        "pointsman_endpoint_transitions_total{to=\"ejected\",reason=\"failures-in-a-row\"}";
    assert_eq!(count(transitions), 1, "{metrics}");
    assert_eq!(count("pointsman_endpoints{state=\"ejected\"}"), 1);
    assert_eq!(count("pointsman_endpoints{state=\"available\"}"), 3);
}

#[test]
fn an_ejected_endpoint_is_tried_by_one_request_and_comes_back_when_that_works() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "");
    let good = ScriptedEndpoint::echo("good");
    let outlier = "outlier = { failures_in_a_row = 2, ejection = \"50ms\", ejection_max = \"1h\" }";
    let router = Router::start(&config(&[bad.address(), good.address()], outlier));
    let mut client = Connection::open(router.address());
    let trials = |metrics: &str| {
        let series = "pointsman_endpoint_transitions_total{to=\"ejected\",reason=\"trial-failed\"}";
        if metrics.contains(series) { sum(metrics, series) } else { 0 }
    };
    eventually("three trials to fail", || {
        get(&mut client);
        (trials(&ask(&router, "/metrics")) >= 3).then_some(())
    });
    let failed = bad.count() as u64;
    assert_eq!(failed, 2 + trials(&ask(&router, "/metrics")), "two in a row, then only trials");
    broken.store(false, Ordering::SeqCst);
    eventually("the endpoint to be back", || {
        get(&mut client);
        (seen(&router, bad.address())["reason"] == "trial-passed").then_some(())
    });
    let before = bad.count();
    for _ in 0..10 {
        assert_eq!(get(&mut client), 200);
    }
    assert_eq!(bad.count() - before, 5, "it has its share again");
}

#[test]
fn no_more_than_half_of_a_pool_is_ejected() {
    let broken = Arc::new(AtomicBool::new(true));
    let all: Vec<_> = (0..4).map(|_| breaking(&broken, "")).collect();
    let addresses: Vec<_> = all.iter().map(ScriptedEndpoint::address).collect();
    let outlier = "outlier = { failures_in_a_row = 1, ejection = \"1h\", ejection_max = \"1h\" }";
    let router = Router::start(&config(&addresses, outlier));
    let mut client = Connection::open(router.address());
    for _ in 0..40 {
        assert_eq!(get(&mut client), 503, "the app's own");
    }
    let metrics = ask(&router, "/metrics");
    assert_eq!(sum(&metrics, "pointsman_endpoints{state=\"ejected\"}"), 2, "{metrics}");
    let mut counts: Vec<_> = all.iter().map(ScriptedEndpoint::count).collect();
    counts.sort_unstable();
    assert_eq!(counts[..2], [1, 1], "{counts:?}");
}

#[test]
fn with_outlier_off_a_route_ejects_nobody() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "");
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&config(&[bad.address(), good.address()], "outlier = \"off\""));
    let mut client = Connection::open(router.address());
    let failed = (0..100).filter(|_| get(&mut client) == 503).count();
    assert_eq!(failed, 50);
}

#[test]
fn an_endpoint_that_asks_for_patience_is_given_it() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "retry-after: 3600\r\n");
    let good = ScriptedEndpoint::echo("good");
    let more = "outlier = { retry_after_max = \"2h\" }";
    let router = Router::start(&config(&[bad.address(), good.address()], more));
    let mut client = Connection::open(router.address());
    let failed = (0..100).filter(|_| get(&mut client) == 503).count();
    assert_eq!(failed, 1);
    let bad = seen(&router, bad.address());
    assert_eq!((&bad["state"], &bad["reason"]), (&"passed-over".into(), &"retry-after".into()));
    assert!(bad["for_ms"].as_u64() > Some(3_000_000), "{bad}");
}

#[test]
fn an_endpoint_that_hangs_is_passed_over_after_its_first_timeout() {
    let hanging = ScriptedEndpoint::start(|_| -> Script { vec![Step::UntilPeerLeaves] });
    let good = ScriptedEndpoint::echo("good");
    let more = "attempt_head = \"1s\"";
    let router = Router::start(&config(&[hanging.address(), good.address()], more));
    let mut client = Connection::open(router.address());
    for _ in 0..4 {
        assert_eq!(get(&mut client), 200, "it is tried again elsewhere");
    }
    let seen = seen(&router, hanging.address());
    assert_eq!(seen["reason"], "upstream-head-timeout", "{seen}");
}
