//! Health: 200 only while requests are served, and why not.

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get};

#[test]
fn a_saturated_router_says_so_until_it_no_longer_is() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let config =
        Config::new().set("limits.requests_in_flight", 1).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let health = || get(router.admin(), "admin", "/health");
    assert_eq!(health().status, 200);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    let saturated = eventually("saturation", || Some(health()).filter(|h| h.status == 503));
    let reason = "saturated: limits.requests_in_flight is reached (1 of 1)\n";
    assert_eq!(saturated.text(), reason);
    assert_eq!(get(router.address(), "127.0.0.1", "/health").text(), reason);
    assert_eq!(get(router.admin(), "admin", "/health/live").status, 200);
    drop(client);
    eventually("health", || (health().status == 200).then_some(()));
}

#[test]
fn a_router_whose_connections_are_all_in_use_says_so_until_one_is_not() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let config = Config::new()
        .set("workers.threads", 1)
        .set("limits.connections", 1)
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let health = || get(router.admin(), "admin", "/health");
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    assert_eq!(Connection::open(router.address()).answer("GET").status, 503);
    let saturated = eventually("saturation", || Some(health()).filter(|h| h.status == 503));
    let reason = saturated.text();
    assert!(reason.starts_with("saturated: limits.connections is reached ("), "{reason}");
    assert_eq!(get(router.admin(), "admin", "/health/live").status, 200);
    drop(client);
    eventually("health", || (health().status == 200).then_some(()));
}

#[test]
fn readiness_shows_what_it_rests_on() {
    let config = Config::new().listen(&["127.0.0.1:0", "127.0.0.1:0"]).set("workers.threads", 2);
    let router = Router::start(&config);
    let ready = get(router.admin(), "admin", "/health/ready");
    assert_eq!(ready.status, 200);
    let ready: Value = serde_json::from_slice(&ready.body).expect("JSON");
    let workers = ready["workers"].as_array().expect("a list");
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|worker| worker["turning"] == true), "{ready}");
    let listeners = ready["listeners"].as_array().expect("a list");
    let addresses: Vec<_> = listeners.iter().map(|l| l["address"].clone()).collect();
    let bound: Vec<_> = router.addresses().iter().map(|a| Value::from(a.to_string())).collect();
    assert_eq!(addresses, bound);
    assert!(listeners.iter().all(|listener| listener["accepting"] == true), "{ready}");
    assert_eq!(ready["sources"][0]["name"], "file");
    assert_eq!(ready["sources"][0]["state"], "current");
}

#[test]
fn a_head_is_told_how_long_the_content_would_be() {
    let router = Router::start(&Config::new());
    for (host, path) in [("127.0.0.1", "/health"), ("none.test", "/")] {
        let ask = |method: &str| {
            let mut client = Connection::open(router.address());
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            client.answer(method)
        };
        let (get, head) = (ask("GET"), ask("HEAD"));
        assert_eq!((head.status, head.body.len()), (get.status, 0));
        assert_eq!(head.field("content-length"), get.field("content-length"), "{host}");
    }
}
