//! Endpoints that probes bring back, and how they are asked where something
//! comes before the request.

use serde_json::Value;

use crate::admin::json;
use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint, Step, get, script};

/// The only route's first endpoint.
fn first(router: &Router) -> Value {
    json(&crate::admin::ask(router, "/routes"))["routes"][0]["endpoints"][0].clone()
}

#[test]
fn an_endpoint_that_probes_bring_back_has_its_slow_start_and_is_counted() {
    let answer = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let ill = || vec![Step::Send(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec())];
    *answer.lock() = vec![Step::Send(script::ok("fine").into())];
    let given = answer.clone();
    let returning = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::ReadBody, Step::Defer(given.clone())]
    });
    let steady = ScriptedEndpoint::echo("steady");
    let more = "slow_start = \"1h\"\noutlier = \"off\"\n\
                health_check = { path = \"/up\", interval = \"20ms\", rise = 1, fall = 1 }";
    let addresses = [returning.address(), steady.address()];
    // What is new at the start is so for all, and none is spared.
    let router = Router::start(&Config::new().route_with("a.test", &addresses, more));
    let until = |state: &str| {
        eventually(state, || (first(&router)["probe"]["state"] == *state).then_some(()));
    };
    let asked = || {
        let requests = returning.requests();
        requests.iter().filter(|request| request.line().starts_with("GET / ")).count()
    };
    until("up");
    for _ in 0..20 {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
    }
    assert_eq!(asked(), 10);
    *answer.lock() = ill();
    until("down");
    *answer.lock() = vec![Step::Send(script::ok("fine").into())];
    until("up");
    let shown = first(&router);
    assert_eq!((&shown["state"], &shown["reason"]), (&"slow-start".into(), &"probes".into()));
    let metrics = ask(&router, "/metrics");
    for to in ["down", "available"] {
        let series =
            format!("pointsman_endpoint_transitions_total{{to=\"{to}\",reason=\"probes\"}}");
        assert_eq!(sum(&metrics, &series), 1, "{metrics}");
    }
    // The other is as new as the router.
    let counts = ["slow-start", "available"]
        .map(|state| sum(&metrics, &format!("pointsman_endpoints{{state=\"{state}\"}}")));
    assert_eq!(counts, [2, 0], "as the list of routes has it: {metrics}");
}

#[test]
fn a_probe_of_an_endpoint_that_wants_a_proxy_header_says_that_it_is_the_routers_own() {
    // What a PROXY header of version 2 is that names nobody (LOCAL).
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let app = ScriptedEndpoint::start(move |_| {
        [vec![Step::ReadBytes(local.len())], script::answering(script::ok("fine"))].concat()
    });
    let config = Config::new().and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", send_proxy = \"v2\" }}]\n\
         health_check = {{ path = \"/up\", interval = \"20ms\" }}\n",
        app.address()
    ));
    let router = Router::start(&config);
    eventually("a probe that passes", || (first(&router)["probe"]["state"] == "up").then_some(()));
    assert!(app.violations().is_empty(), "{:?}", app.violations());
    assert_eq!(app.request(0).line(), "GET /up HTTP/1.1");
}
