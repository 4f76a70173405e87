//! What the router says of itself: health, metrics, lists.

use serde_json::Value;

use crate::harness::absent::UnansweringEndpoint;
use crate::harness::router::{binary, write_config};
use crate::harness::wait::eventually;
use crate::harness::{
    Answer, Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script,
};

pub(crate) fn ask(router: &Router, path: &str) -> Answer {
    get(router.admin(), &router.admin().to_string(), path)
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text()).unwrap_or_else(|e| panic!("{e} in {}", answer.text()))
}

#[test]
fn health_is_ok_while_requests_are_served() {
    let router = Router::start(&Config::new());
    let answer = ask(&router, "/health");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    let live = ask(&router, "/health/live");
    assert_eq!(live.status, 200, "{}", live.text());
    let ready = ask(&router, "/health/ready");
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(json(&ready).is_object());
    assert_eq!(ask(&router, "/nothing").status, 404);
}

#[test]
fn health_is_ok_from_the_ready_line_on() {
    for _ in 0..20 {
        let router = Router::start(&Config::new().set("workers.threads", 4));
        let answer = ask(&router, "/health");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    }
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
    for host in ["a.test", "A.Test", "a.test."] {
        let one = json(&ask(&router, &format!("/routes?host={host}")));
        assert_eq!(one["routes"].as_array().map(Vec::len), Some(1), "{one}");
    }
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

/// Waits until the one request in flight looks as wanted.
#[track_caller]
fn request_when(router: &Router, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let listed = json(&ask(router, "/requests"));
        listed["requests"].get(0).filter(|request| wanted(request)).cloned()
    })
}

#[test]
fn a_request_shows_what_it_is_doing_and_its_content_as_it_flows() {
    let [answer, more, end] = [Gate::default(), Gate::default(), Gate::default()];
    let gates = [answer.clone(), more.clone(), end.clone()];
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![
            Step::ReadHead,
            Step::ReadBytes(10),
            Step::WaitFor(gates[0].clone()),
            Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n123".to_vec()),
            Step::WaitFor(gates[1].clone()),
            Step::Send(b"45".to_vec()),
            Step::WaitFor(gates[2].clone()),
            Step::Send(b"678".to_vec()),
        ]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n0123");
    let waiting = request_when(&router, "four bytes up", |r| r["bytes_in"] == 4);
    assert_eq!(waiting["phase"], "waiting", "{waiting}");
    assert_eq!((&waiting["attempt"], &waiting["bytes_out"]), (&1.into(), &0.into()));
    client.send("456789");
    request_when(&router, "ten bytes up", |r| r["bytes_in"] == 10);
    answer.open();
    let responding = request_when(&router, "three bytes down", |r| r["bytes_out"] == 3);
    assert_eq!(responding["phase"], "responding", "{responding}");
    assert_eq!(responding["bytes_in"], 10, "{responding}");
    more.open();
    let later = request_when(&router, "five bytes down", |r| r["bytes_out"] == 5);
    assert!(later["age_ms"].as_u64() >= responding["age_ms"].as_u64());
    assert_eq!(later["started_unix_ms"], responding["started_unix_ms"]);
    end.open();
    assert_eq!(client.answer("POST").text(), "12345678");
}

#[test]
fn a_request_without_a_connection_yet_is_connecting() {
    let endpoint = UnansweringEndpoint::start();
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let request = request_when(&router, "the request", |r| r["phase"] != "routing");
    assert_eq!(request["phase"], "connecting", "{request}");
    assert_eq!(request["endpoint"], endpoint.address().to_string());
}

#[test]
fn requests_page_and_filter_by_age_and_host_and_show_queries_if_asked() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let config =
        Config::new().route("a.test", &[endpoint.address()]).route("b.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let open = |host: &str, path: &str, count: usize| {
        let mut client = Connection::open(router.address());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        endpoint.request_head(count);
        client
    };
    let _clients =
        [open("a.test", "/1?t=secret", 0), open("b.test", "/2", 1), open("a.test", "/3", 2)];
    let paths = |query: &str| {
        let listed = json(&ask(&router, &format!("/requests{query}")));
        let paths = listed["requests"].as_array().expect("a list of requests").iter();
        let paths: Vec<String> =
            paths.map(|r| r["path"].as_str().unwrap_or_default().to_owned()).collect();
        (paths, listed["next"].clone())
    };
    assert_eq!(paths("").0, ["/1?***", "/2", "/3"]);
    assert_eq!(paths("?queries=show&limit=1").0, ["/1?t=secret"]);
    assert_eq!(paths("?host=A.test").0, ["/1?***", "/3"]);
    assert!(paths("?older_than=1h").0.is_empty());
    eventually("the oldest to be 50 ms old", || {
        (paths("?older_than=50ms").0.first()? == "/1?***").then_some(())
    });
    let mut seen = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let (page, next) = paths(&query);
        seen.extend(page);
        let Some(next) = next.as_str() else { break };
        query = format!("?limit=1&after={next}");
    }
    assert_eq!(seen, ["/1?***", "/2", "/3"]);
    assert_eq!(ask(&router, "/requests?older_than=soon").status, 400);
    assert_eq!(ask(&router, "/requests?hots=a.test").status, 400);
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
    let page = json(&ask(&router, "/errors?limit=1"));
    assert_eq!(page["errors"].as_array().map(Vec::len), Some(1), "{page}");
    let next = page["next"].as_str().expect("there is another page").to_owned();
    let rest = json(&ask(&router, &format!("/errors?limit=1&after={next}")));
    assert_eq!(rest["errors"][0]["host"], "a.test", "{rest}");
    assert!(rest["next"].is_null(), "{rest}");
    let of_b = json(&ask(&router, "/errors?host=b.test"));
    assert_eq!(of_b["errors"].as_array().map(Vec::len), Some(1), "{of_b}");
}

#[test]
fn config_shows_defaults_too() {
    let router = Router::start(&Config::new().set("timeouts.queue", "750ms"));
    let answer = ask(&router, "/config");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(json(&answer).is_object());
    let config = json(&answer);
    assert_eq!(config["timeouts"]["queue"], "750ms", "{text}");
    assert_eq!(config["timeouts"]["connect"], "3s", "{text}");
    let restart = config["needs_restart"].as_array().expect("the keys that need one");
    assert!(restart.contains(&"listener".into()) && restart.contains(&"workers".into()), "{text}");
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
    // Draining, it would be 503.
    let health = ask(&router, "/health");
    assert_eq!(health.status, 200, "{}", health.text());
}

/// Asks with these field lines, and gives the status.
fn status(router: &Router, request: &str, lines: &str) -> u16 {
    let mut client = Connection::open(([127, 0, 0, 1], router.admin().port()).into());
    client.send(format!("{request} HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n"));
    client.answer(request.split(' ').next().unwrap_or_default()).status
}

#[test]
fn off_loopback_all_but_health_and_metrics_needs_the_token() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret\n").expect("a temporary directory takes files");
    let token_file = file.to_str().expect("temporary paths are text");
    let config = Config::new().set("admin.address", "0.0.0.0:0");
    let mut router = Router::start(&config.clone().set("admin.token_file", token_file));
    let own = format!("Host: 127.0.0.1:{}\r\n", router.admin().port());
    let bearing = |token: &str| format!("{own}Authorization: Bearer {token}\r\n");
    for open in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(status(&router, &format!("GET {open}"), &own), 200, "{open}");
    }
    for closed in ["/routes", "/requests", "/errors", "/config", "/debug/tasks", "/nothing"] {
        let request = format!("GET {closed}");
        assert_eq!(status(&router, &request, &own), 401, "{closed}");
        assert_eq!(status(&router, &request, &bearing("s3crets")), 401, "{closed}");
        let wanted = if closed == "/nothing" { 404 } else { 200 };
        assert_eq!(status(&router, &request, &bearing("s3cret")), wanted, "{closed}");
    }
    let drain = |lines: &str| status(&router, "POST /drain", lines);
    assert_eq!(drain(&own), 401);
    assert_eq!(drain(&(bearing("s3cret") + "Origin: http://evil.test\r\n")), 403);
    let foreign = "Host: evil.test\r\nAuthorization: Bearer s3cret\r\n";
    assert_eq!(drain(foreign), 403);
    assert_eq!(status(&router, "GET /health", &own), 200, "nothing has changed");
    assert_eq!(drain(&bearing("s3cret")), 202);
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn off_loopback_without_a_token_there_is_no_start() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &Config::new().set("admin.address", "0.0.0.0:0"));
    let output = binary().arg("run").arg("-c").arg(&file).output().expect("the binary can be run");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("token_file"), "{said}");
}
