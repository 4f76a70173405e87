//! Active probes: what takes an endpoint out and brings it back, who is asked
//! how, and that there is one prober for each thing to ask.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::admin::json;
use crate::harness::held::{ask, sum};
use crate::harness::script::{answering, answering_then, ok};
use crate::harness::wait::eventually;
use crate::harness::{Config, Held, RefusingEndpoint, Router, Script, ScriptedEndpoint, Step, get};

/// A check that asks often and soon knows.
const CHECK: &str = "health_check = { path = \"/up\", interval = \"30ms\", timeout = \"20s\", \
                     rise = 2, fall = 2 }";
/// The same, for endpoints that hang: the time is what is tested.
const SHORT: &str = "health_check = { path = \"/up\", interval = \"30ms\", timeout = \"1s\" }";

/// An app called `name` whose answer to probes can be changed.
struct App {
    endpoint: ScriptedEndpoint,
    health: Arc<Mutex<Script>>,
}

impl App {
    fn start() -> Self {
        let health = Arc::new(Mutex::new(vec![Step::Send(ok("fine").into())]));
        let answer = Arc::clone(&health);
        let endpoint = ScriptedEndpoint::start(move |_| {
            vec![Step::ReadHead, Step::ReadBody, Step::Defer(Arc::clone(&answer))]
        });
        Self { endpoint, health }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    fn answers(&self, with: &str) {
        *self.health.lock() = vec![Step::Send(with.into())];
    }

    fn hangs(&self) {
        *self.health.lock() = vec![Step::UntilPeerLeaves];
    }

    /// How often it was asked for `target`.
    fn count(&self, target: &str) -> usize {
        let line = format!("GET {target} HTTP/1.1");
        self.endpoint.requests().iter().filter(|request| request.line() == line).count()
    }
}

/// The endpoint of `/routes` at this address.
fn endpoint(router: &Router, address: SocketAddr) -> Value {
    let routes = json(&crate::admin::ask(router, "/routes"));
    let routes = routes["routes"].as_array().expect("a list of routes").clone();
    let mut endpoints = routes.iter().flat_map(|r| r["endpoints"].as_array().expect("a list"));
    let at = address.to_string();
    let found = endpoints.find(|e| e["address"] == *at && e["probe"].is_object());
    found.unwrap_or_else(|| panic!("no {address} in {routes:?}")).clone()
}

#[track_caller]
fn until(router: &Router, address: SocketAddr, state: &str) -> Value {
    eventually(&format!("{address} {state}"), || {
        Some(endpoint(router, address)).filter(|e| e["probe"]["state"] == *state)
    })
}

fn probers(router: &Router) -> Vec<Value> {
    let listed = json(&crate::admin::ask(router, "/debug/tasks?kind=probe"));
    listed["tasks"].as_array().expect("a list of tasks").clone()
}

/// Sends requests and says how many came to `app`.
fn share(router: &Router, app: &App, requests: usize) -> usize {
    let before = app.count("/");
    for _ in 0..requests {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
    }
    app.count("/") - before
}

#[test]
fn an_endpoint_is_taken_out_by_its_status_and_brought_back() {
    let (ill, well) = (App::start(), App::start());
    let addresses = [ill.address(), well.address()];
    let router = Router::start(&Config::new().route_with("a.test", &addresses, CHECK));
    until(&router, ill.address(), "up");
    until(&router, well.address(), "up");
    assert_eq!(share(&router, &ill, 10), 5);
    ill.answers("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    let down = until(&router, ill.address(), "down");
    assert_eq!(down["state"], "down");
    let fault = down["probe"]["fault"].as_str().expect("a reason");
    assert_eq!(fault, "it answered 503, and 200-399 is expected");
    assert!(down["probe"]["since_unix_ms"].is_u64(), "{down}");
    let metrics = ask(&router, "/metrics");
    assert_eq!(sum(&metrics, "pointsman_endpoints{state=\"down\"}"), 1);
    assert_eq!(sum(&metrics, "pointsman_probe_transitions_total{to=\"down\"}"), 1);
    assert!(sum(&metrics, "pointsman_probes_total{result=\"status\"}") >= 2);
    assert_eq!(share(&router, &ill, 10), 0);
    ill.answers(&ok("fine"));
    until(&router, ill.address(), "up");
    let metrics = ask(&router, "/metrics");
    assert_eq!(sum(&metrics, "pointsman_probe_transitions_total{to=\"up\"}"), 1);
    assert_eq!(share(&router, &ill, 10), 5);
    for said in ["probes take the endpoint out", "probes bring the endpoint back"] {
        eventually(said, || router.stderr().contains(said).then_some(()));
    }
}

#[test]
fn an_endpoint_that_hangs_is_taken_out_until_it_answers_again() {
    let (ill, well) = (App::start(), App::start());
    let addresses = [ill.address(), well.address()];
    let router = Router::start(&Config::new().route_with("a.test", &addresses, SHORT));
    ill.hangs();
    let down = until(&router, ill.address(), "down");
    assert_eq!(down["probe"]["fault"], "the answer took longer than 1000 ms");
    assert_eq!(share(&router, &ill, 10), 0);
    ill.answers(&ok("fine"));
    until(&router, ill.address(), "up");
}

#[test]
fn an_endpoint_that_refuses_is_taken_out_until_somebody_listens() {
    let well = App::start();
    let refusing = RefusingEndpoint::start();
    let address = refusing.address();
    let addresses = [address, well.address()];
    let router = Router::start(&Config::new().route_with("a.test", &addresses, SHORT));
    eventually("a refusal", || {
        let endpoint = endpoint(&router, address);
        let refused = endpoint["probe"]["fault"] == "nothing listens on its port";
        (refused && endpoint["state"] == "down").then_some(())
    });
    let back = refusing.listen();
    std::thread::spawn(move || {
        for stream in back.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = std::io::Write::write_all(&mut stream, ok("fine").as_bytes());
            // To its end, lest the answer be reset with the question unread.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    until(&router, address, "up");
}

#[test]
fn a_probe_asks_in_the_name_of_its_route_unless_told_otherwise() {
    let app = App::start();
    let own =
        "health_check = { path = \"/own?deep=1\", interval = \"30ms\", host = \"x.test:81\" }";
    let many = "health_check = { path = \"/many\", interval = \"30ms\" }";
    let config = Config::new()
        .route_with("a.test", &[app.address()], CHECK)
        .route_with("b.test", &[app.address()], own)
        .route_with("*.c.test", &[app.address()], many);
    let router = Router::start(&config);
    let host = |target: &str| {
        let line = format!("GET {target} HTTP/1.1");
        eventually(&format!("a probe for {target}"), || {
            let request = app.endpoint.requests().into_iter().find(|r| r.line() == line)?;
            let agent = request.fields.one("user-agent").expect("a probe says who asks").to_owned();
            assert!(agent.starts_with("pointsman/") && agent.contains("health check"), "{agent}");
            assert_eq!(request.fields.one("connection"), Some("close"));
            Some(request.fields.one("host").expect("a probe has a host").to_owned())
        })
    };
    assert_eq!(host("/up"), "a.test");
    assert_eq!(host("/own?deep=1"), "x.test:81");
    assert_eq!(host("/many"), app.address().to_string());
    assert!(app.endpoint.violations().is_empty());
    let mut subjects: Vec<_> =
        probers(&router).iter().map(|task| task["subject"].as_str().unwrap().to_owned()).collect();
    subjects.sort();
    let of = |rest: &str| format!("http://{}{rest}", app.address());
    assert_eq!(
        subjects,
        [of("/many"), of("/own?deep=1 (host x.test:81)"), of("/up (host a.test)")]
    );
}

#[test]
fn what_passes_is_a_matter_of_the_check() {
    let statuses = App::start();
    statuses.answers("HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n");
    let content = App::start();
    content.answers(&ok("{\"status\":\"degraded\"}"));
    let config = Config::new()
        .route_with(
            "a.test",
            &[statuses.address()],
            "health_check = { interval = \"30ms\", expect = [204, \"410-420\"] }",
        )
        .route_with(
            "b.test",
            &[content.address()],
            "health_check = { interval = \"30ms\", fall = 1, rise = 1, expect_body = '\"ok\"' }",
        );
    let router = Router::start(&config);
    until(&router, statuses.address(), "up");
    let down = until(&router, content.address(), "down");
    assert_eq!(down["probe"]["fault"], "its content lacks what is expected");
    // Chunks do not part what stands across them.
    content.answers(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"o\r\n3\r\nk\"}\r\n0\r\n\r\n",
    );
    until(&router, content.address(), "up");
}

#[test]
fn what_is_looked_for_must_come_soon_and_hints_before_it_are_few() {
    let app = App::start();
    let check = "health_check = { interval = \"30ms\", fall = 1, rise = 1, \
                 expect_body = '\"ok\"' }";
    let router = Router::start(&Config::new().route_with("a.test", &[app.address()], check));
    let after = |bytes: usize| ok(&format!("{}\"ok\"", "x".repeat(bytes)));
    let hinting = |hints: usize| "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(hints) + &after(0);
    let lacks = "its content lacks what is expected";
    for (good, bad, fault) in [
        (after((64 << 10) - 4), after(64 << 10), lacks),
        (hinting(8), hinting(9), "it answered 103, and 200-399 is expected"),
    ] {
        app.answers(&good);
        until(&router, app.address(), "up");
        app.answers(&bad);
        assert_eq!(until(&router, app.address(), "down")["probe"]["fault"], fault);
    }
}

#[test]
fn where_all_endpoints_look_ill_requests_are_tried_all_the_same() {
    let (one, two) = (App::start(), App::start());
    let check = CHECK.replace("rise = 2", "expect = 204");
    let addresses = [one.address(), two.address()];
    let router = Router::start(&Config::new().route_with("a.test", &addresses, &check));
    until(&router, one.address(), "down");
    until(&router, two.address(), "down");
    assert_eq!(share(&router, &one, 10), 5);
}

#[test]
fn a_request_is_not_retried_on_an_endpoint_that_probes_took_out() {
    let (ill, failing) = (
        App::start(),
        ScriptedEndpoint::start(|visit| {
            // Well for probes, and closing on requests.
            let _ = visit;
            vec![
                Step::ReadHead,
                Step::ReadBody,
                Step::ByTarget(|target| match target {
                    "/up" => vec![Step::Send(ok("fine").into())],
                    _ => vec![Step::Close],
                }),
            ]
        }),
    );
    ill.answers("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    let addresses = [ill.address(), failing.address()];
    let router = Router::start(&Config::new().route_with("a.test", &addresses, CHECK));
    until(&router, ill.address(), "down");
    let answer = get(router.address(), "a.test", "/");
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("upstream-reset"), "{}", answer.text());
    assert_eq!(ill.count("/"), 0);
}

#[test]
fn health_and_probers_survive_reloads() {
    let (ill, well) = (App::start(), App::start());
    ill.answers("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    // Long enough that none of the swaps below sees a second probe: what is
    // known is kept, and not found out again.
    let slow = "health_check = { path = \"/up\", interval = \"1d\" }";
    let addresses = [ill.address(), well.address()];
    let config = |turn: usize| {
        let base = Config::new().route_with("a.test", &addresses, slow);
        (0..turn % 3).fold(base, |config, n| config.route(&format!("{n}.test"), &addresses))
    };
    let router = Router::start(&config(0));
    until(&router, ill.address(), "down");
    until(&router, well.address(), "up");
    let before = probers(&router);
    assert_eq!(before.len(), 2, "{before:?}");
    let since = |tasks: &[Value]| {
        let mut since: Vec<_> = tasks.iter().map(|t| t["since_unix_ms"].as_u64()).collect();
        since.sort();
        since
    };
    let applied = || sum(&ask(&router, "/metrics"), "pointsman_reloads_total{result=\"applied\"}");
    let already = applied();
    for turn in 1..=20 {
        router.reload(&config(turn));
        eventually("the reload", || (applied() >= already + turn as u64).then_some(()));
        assert_eq!(endpoint(&router, ill.address())["state"], "down");
    }
    let after = probers(&router);
    assert_eq!(since(&after), since(&before), "the same probers: {after:?}");
    assert_eq!(ill.count("/up"), 1);
}

#[test]
fn a_prober_ends_when_nobody_wants_it_and_probes_stop_at_the_drain() {
    let (kept, removed) = (App::start(), App::start());
    let addresses = [kept.address(), removed.address()];
    let mut router = Router::start(&Config::new().route_with("a.test", &addresses, CHECK));
    until(&router, removed.address(), "up");
    assert_eq!(probers(&router).len(), 2);
    router.reload(&Config::new().route_with("a.test", &[kept.address()], CHECK));
    eventually("one prober", || (probers(&router).len() == 1).then_some(()));
    let asked = removed.count("/up");
    let others = kept.count("/up");
    eventually("more probes", || (kept.count("/up") > others + 5).then_some(()));
    // Its last one may have been on its way.
    assert!(removed.count("/up") <= asked + 1, "{asked} before");
    router.reload(&Config::new().route("a.test", &[kept.address()]));
    eventually("no prober", || probers(&router).is_empty().then_some(()));
    router.terminate();
    assert!(router.exit().success());
}

#[test]
fn a_drain_ends_all_probers_at_once() {
    let app = App::start();
    let hanging = App::start();
    hanging.hangs();
    let check = "health_check = { interval = \"10ms\", timeout = \"1h\" }";
    let config = Config::new().set("timeouts.drain_delay", "1h").route_with(
        "a.test",
        &[app.address(), hanging.address()],
        check,
    );
    // Whose requests do not hang.
    let router = Router::start(&config.route("b.test", &[app.address()]));
    until(&router, app.address(), "up");
    router.terminate();
    eventually("no prober", || probers(&router).is_empty().then_some(()));
    assert_eq!(get(router.address(), "b.test", "/").status, 200, "it still serves");
}

#[test]
fn probes_leave_nothing_behind_whatever_they_are_answered() {
    let endless = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntags\r\n";
        answering_then(head, Step::UntilPeerLeaves)
    });
    let large = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
        let mut script = answering(head);
        script.extend([Step::SendPattern { bytes: 100_000_000, chunked: false }, Step::Close]);
        script
    });
    let closing = ScriptedEndpoint::start(|_| answering_then("HTTP/1.1 200", Step::Close));
    let resetting = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Reset]);
    let other = ScriptedEndpoint::start(|_| answering_then("SSH-2.0-x\r\n", Step::UntilPeerLeaves));
    let all = [&endless, &large, &closing, &resetting, &other];
    let addresses = all.map(ScriptedEndpoint::address);
    let router = Router::start(&Config::new().route("a.test", &addresses));
    let rest = Held::at_rest(&router);
    router.reload(&Config::new().route_with("a.test", &addresses, SHORT));
    for endpoint in all {
        eventually("many probes", || (endpoint.connections() > 20).then_some(()));
    }
    until(&router, endless.address(), "up");
    until(&router, large.address(), "up");
    until(&router, other.address(), "down");
    router.reload(&Config::new().route("a.test", &addresses));
    rest.again(&router);
}

#[test]
fn who_was_never_probed_to_the_end_is_unproven_and_since_no_time() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let more = "health_check = { timeout = \"10m\" }";
    let router = Router::start(&Config::new().route_with("a.test", &[endpoint.address()], more));
    endpoint.request_head(0);
    let probe = self::endpoint(&router, endpoint.address())["probe"].clone();
    assert_eq!(probe["state"], "unproven", "{probe}");
    assert_eq!((&probe["since_unix_ms"], &probe["last_unix_ms"]), (&Value::Null, &Value::Null));
}
