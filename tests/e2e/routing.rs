//! Which route a request takes, and which endpoint of it.

use std::collections::BTreeMap;

use crate::harness::{Config, Connection, Router, ScriptedEndpoint, get};

/// Echoes by name, and a router that routes as `routes` says: host, path, name.
struct Town {
    router: Router,
    _endpoints: Vec<ScriptedEndpoint>,
}

impl Town {
    fn new(routes: &[(&str, &str, &str)]) -> Self {
        let mut config = Config::new();
        let mut endpoints = Vec::new();
        for (host, path, name) in routes {
            let endpoint = ScriptedEndpoint::echo(name);
            let path = format!("path = \"{path}\"");
            config = config.route_with(host, &[endpoint.address()], &path);
            endpoints.push(endpoint);
        }
        Self { router: Router::start(&config), _endpoints: endpoints }
    }

    /// The name of the endpoint that answers, or the router's error code.
    fn asks(&self, host: &str, path: &str) -> String {
        let answer = get(self.router.address(), host, path);
        let name = answer.fields.one("x-endpoint").or(answer.code());
        name.unwrap_or_else(|| panic!("nobody's answer: {}", answer.head)).to_owned()
    }
}

#[test]
fn an_exact_host_beats_wildcards_and_the_longest_wildcard_beats_others() {
    let town = Town::new(&[
        ("*", "/", "any"),
        ("*.test", "/", "short"),
        ("*.deep.test", "/", "long"),
        ("a.deep.test", "/", "exact"),
    ]);
    assert_eq!(town.asks("a.deep.test", "/"), "exact");
    assert_eq!(town.asks("b.deep.test", "/"), "long");
    assert_eq!(town.asks("x.y.deep.test", "/"), "long");
    assert_eq!(town.asks("deep.test", "/"), "short");
    assert_eq!(town.asks("other.test", "/"), "short");
    assert_eq!(town.asks("test", "/"), "any");
    assert_eq!(town.asks("example.org", "/"), "any");
}

#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    let town = Town::new(&[
        ("a.test", "/", "root"),
        ("a.test", "/api", "api"),
        ("a.test", "/api/v1", "v1"),
    ]);
    assert_eq!(town.asks("a.test", "/"), "root");
    assert_eq!(town.asks("a.test", "/api"), "api");
    assert_eq!(town.asks("a.test", "/api/"), "api");
    assert_eq!(town.asks("a.test", "/api?x=/api/v1"), "api");
    assert_eq!(town.asks("a.test", "/api/v1"), "v1");
    assert_eq!(town.asks("a.test", "/api/v1/x"), "v1");
    assert_eq!(town.asks("a.test", "/api/v10"), "api");
    assert_eq!(town.asks("a.test", "/apis"), "root");
    assert_eq!(town.asks("a.test", "/API"), "root");
}

#[test]
fn a_host_without_the_path_falls_through_to_the_next() {
    let town = Town::new(&[
        ("a.test", "/only", "exact"),
        ("*.test", "/shared", "wild"),
        ("*", "/", "any"),
    ]);
    assert_eq!(town.asks("a.test", "/only/x"), "exact");
    assert_eq!(town.asks("a.test", "/shared"), "wild");
    assert_eq!(town.asks("a.test", "/else"), "any");
}

#[test]
fn hosts_are_looked_up_without_case_port_and_trailing_dot() {
    let town = Town::new(&[("a.test", "/", "a")]);
    for host in ["a.test", "A.Test", "a.test:8080", "a.test.", "A.TEST.:80"] {
        assert_eq!(town.asks(host, "/"), "a", "{host}");
    }
}

#[test]
fn paths_are_matched_decoded_and_without_dot_segments() {
    let town = Town::new(&[("a.test", "/", "root"), ("a.test", "/admin", "admin")]);
    for path in ["/%61dmin", "/adm%69n/x", "/x/../admin", "/./admin", "/admin/./x"] {
        assert_eq!(town.asks("a.test", path), "admin", "{path}");
    }
    for path in ["/%2Fadmin", "//admin", "/admin%2Fx", "/admin;x", "/admin%20"] {
        assert_eq!(town.asks("a.test", path), "root", "{path}");
    }
}

#[test]
fn what_has_no_route_is_not_found() {
    let town = Town::new(&[("a.test", "/api", "api")]);
    assert_eq!(town.asks("b.test", "/"), "no-route");
    assert_eq!(town.asks("a.test", "/"), "no-route");
}

#[test]
fn one_connection_may_ask_for_many_hosts() {
    let town = Town::new(&[("a.test", "/", "a"), ("b.test", "/", "b")]);
    let mut client = Connection::open(town.router.address());
    for host in ["a", "b", "a", "none", "b"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}.test\r\n\r\n"));
        let answer = client.answer("GET");
        let name = if host == "none" { None } else { Some(host) };
        assert_eq!(answer.fields.one("x-endpoint"), name);
    }
}

/// How often each of these endpoints answered so many requests.
fn shares(names: &[(&str, u32)], balance: &str, requests: usize) -> BTreeMap<String, usize> {
    let endpoints: Vec<_> = names.iter().map(|(name, _)| ScriptedEndpoint::echo(name)).collect();
    let list = endpoints.iter().zip(names).map(|(endpoint, (_, weight))| {
        format!("{{ address = \"{}\", weight = {weight} }}", endpoint.address())
    });
    let list = list.collect::<Vec<_>>().join(", ");
    let more = format!("balance = \"{balance}\"");
    let config = Config::new().route_with("a.test", &[], &more);
    let config = config.replacing("endpoints = []", &format!("endpoints = [{list}]"));
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let name = client.answer("GET").field("x-endpoint").to_owned();
        *shares.entry(name).or_default() += 1;
    }
    shares
}

#[test]
fn round_robin_takes_endpoints_in_turn() {
    let shares = shares(&[("a", 1), ("b", 1), ("c", 1)], "round-robin", 30);
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn round_robin_goes_by_weight() {
    let shares = shares(&[("a", 1), ("b", 2), ("c", 3)], "round-robin", 60);
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [10, 20, 30]);
}

#[test]
fn least_requests_uses_every_endpoint() {
    let shares = shares(&[("a", 1), ("b", 1), ("c", 1)], "least-requests", 90);
    assert_eq!(shares.len(), 3, "{shares:?}");
}

#[test]
fn least_requests_keeps_away_from_a_busy_endpoint() {
    use crate::harness::{Gate, Step, script};
    let gate = Gate::default();
    let held = gate.clone();
    let busy = ScriptedEndpoint::start(move |_| {
        let answer = script::ok("busy").into_bytes();
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(answer)]
    });
    let idle = ScriptedEndpoint::echo("idle");
    let addresses = [busy.address(), idle.address()];
    let config = Config::new().route_with("a.test", &addresses, "balance = \"least-requests\"");
    let router = Router::start(&config);
    // With two endpoints both are compared each time, so once one request is
    // held by the busy one, none joins it.
    let mut held_clients = Vec::new();
    while busy.count() == 0 {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        crate::harness::wait::eventually("the request at either endpoint", || {
            (busy.count() + idle.count() > held_clients.len()).then_some(())
        });
        held_clients.push(client);
        assert!(held_clients.len() < 100, "the busy endpoint is never chosen");
    }
    for _ in 0..20 {
        assert_eq!(get(router.address(), "a.test", "/").field("x-endpoint"), "idle");
    }
    gate.open();
    assert_eq!(busy.count(), 1);
}

#[test]
fn who_finds_no_route_is_told_whether_it_is_the_host_or_the_path() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new().route_with("*.w.test", &[endpoint.address()], "path = \"/api\"");
    let router = Router::start(&config);
    let told = |host: &str, path: &str| {
        let answer = get(router.address(), host, path);
        assert_eq!((answer.status, answer.code()), (404, Some("no-route")));
        answer.text()
    };
    let known = told("c.w.test", "/apix");
    assert!(known.contains("no route for c.w.test is for this path"), "{known}");
    let unknown = told("c.v.test", "/api");
    assert!(unknown.contains("no route is registered for c.v.test"), "{unknown}");
}

#[test]
fn least_requests_keeps_away_from_an_endpoint_that_takes_its_time() {
    use crate::harness::{Step, script};
    const REQUESTS: usize = 60;
    let slow = ScriptedEndpoint::start(|_| {
        let bytes = script::ok("slow").into_bytes();
        // Its head comes in two pieces, with far more between than a loaded
        // machine adds.
        let pause = std::time::Duration::from_secs(1);
        let size = bytes.len() - 5;
        vec![Step::ReadHead, Step::SendInPieces { bytes, size, pause }]
    });
    let quick = ScriptedEndpoint::echo("quick");
    let addresses = [slow.address(), quick.address()];
    let config = Config::new().route_with("a.test", &addresses, "balance = \"least-requests\"");
    let router = Router::start(&config);
    for _ in 0..REQUESTS {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
    }
    // One at a time: there is nothing but the time they take to tell them apart.
    assert!(slow.count() * 3 < REQUESTS, "{} of {REQUESTS} went to the slow one", slow.count());
}
