//! Requests that belong to an endpoint, by a cookie or a key, while that is
//! full.

use super::{held, one_by_one, until_queued};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint};

const STICKY: &str = "sticky = { cookie = \"at\", secret = \"0123456789abcdef\" }";

fn asking(router: &Router, path: &str, fields: &str) -> Connection {
    let mut client = Connection::open(router.address());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
    client
}

/// A route whose endpoints take one request each, with further keys.
fn of_one(endpoints: &[&ScriptedEndpoint], more: &str) -> Config {
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address()).collect();
    let keys = format!("max_requests = 1\n{more}");
    Config::new().set("timeouts.queue", "1m").route_with("a.test", &addresses, &keys)
}

/// The line that brings a client to `endpoint`, which answers it once.
fn cookie_of(endpoint: &ScriptedEndpoint) -> String {
    let router = Router::start(&of_one(&[endpoint], STICKY));
    let answer = asking(&router, "/cookie", "").answer("GET");
    let line = answer.field("set-cookie");
    format!("Cookie: {}\r\n", line.split(';').next().expect("a pair"))
}

#[test]
fn a_client_waits_for_the_endpoint_that_its_cookie_names() {
    let (own, gates) = one_by_one(3);
    gates[0].open();
    let cookie = cookie_of(&own);
    let other = ScriptedEndpoint::echo("other");
    let router = Router::start(&of_one(&[&own, &other], STICKY));
    let mut first = asking(&router, "/first", &cookie);
    own.request_head(1);
    let mut second = asking(&router, "/second", &cookie);
    until_queued(&router, 1);
    // Who has no cookie is not behind it.
    for _ in 0..9 {
        let answer = asking(&router, "/", "").answer("GET");
        assert_eq!(answer.field("x-endpoint"), "other");
    }
    until_queued(&router, 1);
    gates[1].open();
    assert_eq!(first.answer("GET").status, 200);
    assert_eq!(own.request_head(2).line(), "GET /second HTTP/1.1");
    gates[2].open();
    let answer = second.answer("GET");
    assert_eq!((answer.status, answer.fields.one("set-cookie")), (200, None));
}

#[test]
fn a_client_is_moved_where_nobody_more_may_wait_for_its_endpoint() {
    for most in [0, 1] {
        let (own, gates) = one_by_one(3);
        gates[0].open();
        let cookie = cookie_of(&own);
        let other = ScriptedEndpoint::echo("other");
        let more = format!("queue_requests = {most}\n{STICKY}");
        let router = Router::start(&of_one(&[&own, &other], &more));
        let _inside = asking(&router, "/inside", &cookie);
        own.request_head(1);
        let _waiting: Vec<_> = (0..most).map(|_| asking(&router, "/waiting", &cookie)).collect();
        until_queued(&router, most);
        let answer = asking(&router, "/moved", &cookie).answer("GET");
        assert_eq!((answer.status, answer.field("x-endpoint")), (200, "other"));
        let moved = answer.field("set-cookie").split(';').next().expect("a pair").to_owned();
        let again = asking(&router, "/again", &format!("Cookie: {moved}\r\n")).answer("GET");
        assert_eq!((again.field("x-endpoint"), again.fields.one("set-cookie")), ("other", None));
    }
}

#[test]
fn a_client_whose_endpoint_stays_full_is_told_so() {
    let (own, gates) = one_by_one(2);
    gates[0].open();
    let cookie = cookie_of(&own);
    let other = ScriptedEndpoint::echo("other");
    let config = of_one(&[&own, &other], STICKY).set("timeouts.queue", "300ms");
    let router = Router::start(&config);
    let _inside = asking(&router, "/inside", &cookie);
    own.request_head(1);
    let answer = asking(&router, "/late", &cookie).answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("endpoints-saturated")));
    assert_eq!(other.count(), 0);
}

#[test]
fn a_key_whose_endpoint_is_full_goes_to_the_next_and_comes_back() {
    let endpoints = [held("one"), held("other")];
    let balance = "balance = \"hash:header:x-user\"";
    let router = Router::start(&of_one(&[&endpoints[0].0, &endpoints[1].0], balance));
    let ask = || asking(&router, "/", "x-user: somebody\r\n");
    let counts = || endpoints.each_ref().map(|(endpoint, _)| endpoint.count());
    let mut first = ask();
    let owner = eventually("its endpoint", || counts().iter().position(|count| *count == 1));
    let next = 1 - owner;
    let names = ["one", "other"];
    let mut second = ask();
    endpoints[next].0.request_head(0);
    // Where all are full it waits for whichever is free first.
    let mut third = ask();
    until_queued(&router, 1);
    endpoints[next].1.open();
    assert_eq!(second.answer("GET").text(), names[next]);
    assert_eq!(third.answer("GET").text(), names[next]);
    endpoints[owner].1.open();
    assert_eq!(first.answer("GET").text(), names[owner]);
    assert_eq!(ask().answer("GET").text(), names[owner]);
}
