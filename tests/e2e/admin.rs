//! What the router says of itself: health, metrics, lists.

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{
    Answer, Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script,
};

pub(crate) fn ask(router: &Router, path: &str) -> Answer {
    get(router.admin(), &router.admin().to_string(), path)
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text()).unwrap_or_else(|e| panic!("{e} in {}", answer.text()))
}

#[test]
fn health_is_ok_while_requests_are_served() {
    let router = Router::start(&Config::new());
    let answer = ask(&router, "/health");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    assert_eq!(ask(&router, "/health/live").status, 200);
    let ready = ask(&router, "/health/ready");
    assert_eq!(ready.status, 200);
    assert!(json(&ready).is_object());
    assert_eq!(ask(&router, "/nothing").status, 404);
}

#[test]
fn traffic_listeners_answer_health_only_where_no_app_can_mean_it() {
    let app = ScriptedEndpoint::echo("app");
    let config =
        Config::new().set("health.user_agents", vec!["probe/1"]).route("a.test", &[app.address()]);
    let router = Router::start(&config);
    let ask = |version: &str, lines: &str| {
        let mut client = Connection::open(router.address());
        client.send(format!("GET /health HTTP/{version}\r\n{lines}\r\n"));
        client.answer("GET")
    };
    let literal = format!("Host: {}\r\n", router.address());
    for (version, lines) in [
        ("1.1", literal.as_str()),
        ("1.1", "Host: 10.1.2.3\r\n"),
        ("1.1", "Host: [::1]:80\r\n"),
        ("1.0", ""),
        ("1.1", "Host: none.test\r\nUser-Agent: probe/1\r\n"),
    ] {
        let answer = ask(version, lines);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{lines:?}");
    }
    let probed_app = ask("1.1", "Host: a.test\r\nUser-Agent: probe/1\r\n");
    assert_eq!(probed_app.fields.one("x-endpoint"), Some("app"));
    assert_eq!(ask("1.1", "").code(), Some("ambiguous-host"));
    assert_eq!(ask("1.1", "Host: none.test\r\nUser-Agent: curl\r\n").code(), Some("no-route"));
    assert_eq!(app.count(), 1);
}

#[test]
fn an_app_behind_an_address_keeps_its_own_paths() {
    let app = ScriptedEndpoint::echo("app");
    let config = Config::new().set("health.path", "/alive").route("*", &[app.address()]);
    let router = Router::start(&config);
    let own = router.address().to_string();
    assert_eq!(get(router.address(), &own, "/health").fields.one("x-endpoint"), Some("app"));
    assert_eq!(get(router.address(), &own, "/alive").text(), "ok\n");
    assert_eq!(get(router.address(), "a.test", "/alive").fields.one("x-endpoint"), Some("app"));
}

#[test]
fn routes_lists_what_is_routed_where() {
    let endpoint = ScriptedEndpoint::echo("one");
    let address = endpoint.address();
    let config = Config::new()
        .route_with("a.test", &[address], "path = \"/api\"")
        .route("*.b.test", &[address, address_beside(address)]);
    let router = Router::start(&config);
    let all = json(&ask(&router, "/routes"));
    let routes = all["routes"].as_array().expect("a list of routes");
    assert_eq!(routes.len(), 2, "{all}");
    let api = routes.iter().find(|route| route["host"] == "a.test").expect("it is listed");
    assert_eq!(api["path"], "/api");
    assert_eq!(api["endpoints"][0]["address"], address.to_string());
    let one = json(&ask(&router, "/routes?host=a.test"));
    assert_eq!(one["routes"].as_array().map(Vec::len), Some(1), "{one}");
}

fn address_beside(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 2], address.port()))
}

#[test]
fn requests_lists_what_is_in_flight_and_only_that() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("hi").into())]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("GET /slow?token=secret HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    let listed = json(&ask(&router, "/requests"));
    let request = &listed["requests"][0];
    assert_eq!(request["method"], "GET", "{listed}");
    assert_eq!(request["host"], "a.test");
    assert_eq!(request["endpoint"], endpoint.address().to_string());
    assert_eq!(request["client"], client.local().to_string());
    assert!(!listed.to_string().contains("secret"), "{listed}");
    gate.open();
    assert_eq!(client.answer("GET").status, 200);
    eventually("the list to be empty", || {
        let listed = json(&ask(&router, "/requests"));
        listed["requests"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
}

#[test]
fn errors_lists_the_newest_first() {
    let router = Router::start(&Config::new());
    get(router.address(), "a.test", "/first");
    get(router.address(), "b.test", "/second");
    let listed = eventually("two errors", || {
        let listed = json(&ask(&router, "/errors"));
        (listed["errors"].as_array().map(Vec::len) == Some(2)).then_some(listed)
    });
    assert_eq!(listed["errors"][0]["host"], "b.test", "{listed}");
    assert_eq!(listed["errors"][1]["code"], "no-route", "{listed}");
}

#[test]
fn config_shows_defaults_too() {
    let router = Router::start(&Config::new().set("timeouts.queue", "1500ms"));
    let answer = ask(&router, "/config");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(json(&answer).is_object());
    for key in ["attempt_head", "replay_body_bytes", "queue"] {
        assert!(text.contains(key), "{key} in {text}");
    }
}

#[test]
fn writes_from_a_foreign_page_are_refused() {
    let router = Router::start(&Config::new());
    let own = router.admin();
    let drain = |lines: &str| {
        let mut client = Connection::open(own);
        client.send(format!("POST /drain HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n"));
        client.answer("POST").status
    };
    assert_eq!(drain(&format!("Host: {own}\r\nOrigin: http://evil.test\r\n")), 403);
    assert_eq!(drain("Host: evil.test\r\n"), 403);
    assert_eq!(ask(&router, "/health").status, 200);
}
