//! The options of live routes: what a reload says of them reaches those in use,
//! and their endpoints are probed.

use serde_json::{Value, json};

use crate::admin::json as body;
use crate::admin_routes::send;
use crate::harness::held::{Held, ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Answer, Config, Router, ScriptedEndpoint, get, script};

fn post(router: &Router, what: &str, app: &ScriptedEndpoint, uris: &[&str], zone: &str) -> Answer {
    let address = app.address();
    let message = json!({
        "host": address.ip(), "port": address.port(), "uris": uris, "availability_zone": zone,
    });
    let answer = send(router.admin(), &format!("POST /{what}"), "", &message.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// The endpoint of this address on the route of this host.
fn endpoint(router: &Router, host: &str, app: &ScriptedEndpoint) -> Value {
    let routes = body(&crate::admin::ask(router, &format!("/routes?host={host}")));
    let endpoints = routes["routes"][0]["endpoints"].as_array().expect("a list").clone();
    let at = app.address().to_string();
    endpoints.into_iter().find(|e| e["address"] == *at).expect("it is listed")
}

fn applied(router: &Router) -> u64 {
    sum(&ask(router, "/metrics"), "pointsman_reloads_total{result=\"applied\"}")
}

fn reload(router: &Router, config: &Config) {
    let before = applied(router);
    router.reload(config);
    eventually("the reload", || (applied(router) > before).then_some(()));
}

fn probers(router: &Router) -> Vec<Value> {
    let listed = body(&crate::admin::ask(router, "/debug/tasks?kind=probe"));
    listed["tasks"].as_array().expect("a list of tasks").clone()
}

#[test]
fn what_a_reload_says_of_ejection_holds_for_live_routes_in_use() {
    let bad = ScriptedEndpoint::start(|_| {
        script::answering("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
    });
    let good = ScriptedEndpoint::echo("good");
    let config = |in_a_row: i64| {
        Config::new()
            .set("outlier.failures_in_a_row", in_a_row)
            .set("outlier.success_percent", 0)
            .set("outlier.ejection", "1h")
            .set("outlier.ejection_max", "1h")
    };
    let router = Router::start(&config(0));
    post(&router, "register", &bad, &["a.test"], "");
    post(&router, "register", &good, &["a.test"], "");
    let failed = || {
        let all = (0..40).map(|_| get(router.address(), "a.test", "/").status);
        all.filter(|status| *status == 503).count()
    };
    assert_eq!(failed(), 20, "nobody is ejected");
    reload(&router, &config(1));
    assert_eq!(failed(), 1, "after one failure it is");
    assert_eq!(endpoint(&router, "a.test", &bad)["state"], "ejected");
    // Nor does a reload that says the same forget it.
    reload(&router, &config(1).set("registry.grace", "7s"));
    assert_eq!((failed(), &endpoint(&router, "a.test", &bad)["state"]), (0, &"ejected".into()));
}

#[test]
fn what_a_reload_says_of_zones_holds_for_live_routes_in_use() {
    let (a, b) = (ScriptedEndpoint::echo("a"), ScriptedEndpoint::echo("b"));
    let router = Router::start(&Config::new());
    post(&router, "register", &a, &["a.test"], "a");
    post(&router, "register", &b, &["a.test"], "b");
    let asked_of = |app: &ScriptedEndpoint| {
        let before = app.count();
        for _ in 0..10 {
            assert_eq!(get(router.address(), "a.test", "/").status, 200);
        }
        app.count() - before
    };
    assert_eq!(asked_of(&a), 5);
    reload(&router, &Config::new().set("zone.name", "a"));
    assert_eq!(asked_of(&a), 10);
    reload(&router, &Config::new().set("zone.name", "b"));
    assert_eq!(asked_of(&b), 10);
    reload(&router, &Config::new());
    assert_eq!(asked_of(&b), 5);
}

#[test]
fn live_routes_in_use_are_probed_once_an_address_and_no_longer_than_they_are_there() {
    let (ill, well) = (App::start(), App::start());
    ill.is_well(false);
    // Its connections to apps end soon, for the comparison below.
    let base = Config::new().set("timeouts.upstream_keep_alive", "200ms");
    let router = Router::start(&base);
    let uris = ["a.test", "b.test", "c.test/api"];
    for app in [&ill, &well] {
        post(&router, "register", &app.endpoint, &uris, "");
    }
    let use_all = || {
        for (host, path) in [("a.test", "/"), ("b.test", "/"), ("c.test", "/api")] {
            get(router.address(), host, path);
        }
    };
    use_all();
    assert!(probers(&router).is_empty());
    let rest = Held::at_rest(&router);
    let probed = base
        .clone()
        .set("registry.slow_start", "1h")
        .set("registry.health_check.path", "/up")
        .set("registry.health_check.interval", "20ms")
        .set("registry.health_check.rise", 1)
        .set("registry.health_check.fall", 1);
    reload(&router, &probed);
    // Routes in use before the reload are probed, and one that comes to be used.
    eventually("verdicts", || {
        let down = endpoint(&router, "b.test", &ill.endpoint)["state"] == "down";
        let up = endpoint(&router, "c.test", &well.endpoint)["probe"]["state"] == "up";
        (down && up).then_some(())
    });
    assert_eq!(probers(&router).len(), 2, "one for each address: {:?}", probers(&router));
    for _ in 0..10 {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
    }
    ill.is_well(true);
    eventually("its return", || {
        let seen = endpoint(&router, "a.test", &ill.endpoint);
        (seen["state"] == "slow-start" && seen["reason"] == "probes").then_some(())
    });
    // Registered again and again, they are the same.
    for _ in 0..20 {
        post(&router, "register", &ill.endpoint, &uris, "elsewhere");
        post(&router, "register", &ill.endpoint, &uris, "");
    }
    use_all();
    eventually("the same probers", || (probers(&router).len() == 2).then_some(()));
    let before = well.probes();
    post(&router, "unregister", &ill.endpoint, &uris, "");
    eventually("one prober", || (probers(&router).len() == 1).then_some(()));
    let asked = ill.probes();
    eventually("more probes of the other", || (well.probes() > before + 10).then_some(()));
    // Its last one may have been on its way.
    assert!(ill.probes() <= asked + 1, "{asked} before");
    // A route that is used for the first time is noticed.
    post(&router, "register", &ill.endpoint, &["d.test"], "");
    get(router.address(), "d.test", "/");
    eventually("its prober", || (probers(&router).len() == 2).then_some(()));
    reload(&router, &base);
    eventually("no prober", || probers(&router).is_empty().then_some(()));
    rest.again(&router);
}

/// An app that can be ill.
struct App {
    endpoint: ScriptedEndpoint,
    answer: std::sync::Arc<parking_lot::Mutex<crate::harness::Script>>,
}

impl App {
    fn start() -> Self {
        let answer = std::sync::Arc::<parking_lot::Mutex<Vec<_>>>::default();
        let given = std::sync::Arc::clone(&answer);
        let endpoint = ScriptedEndpoint::start(move |_| {
            use crate::harness::Step::{Defer, ReadBody, ReadHead};
            vec![ReadHead, ReadBody, Defer(given.clone())]
        });
        let app = Self { endpoint, answer };
        app.is_well(true);
        app
    }

    fn is_well(&self, well: bool) {
        let ill = "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_owned();
        let head = if well { script::ok("fine") } else { ill };
        *self.answer.lock() = vec![crate::harness::Step::Send(head.into())];
    }

    fn probes(&self) -> usize {
        self.endpoint.requests().iter().filter(|r| r.line() == "GET /up HTTP/1.1").count()
    }
}
