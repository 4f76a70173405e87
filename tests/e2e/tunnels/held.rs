//! What a tunnel counts as while it lasts, and that nothing of it stays.

use serde_json::Value;

use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Held, Router, ScriptedEndpoint, Step, get, script};

use super::{SWITCHED, UPGRADE, line, lines, switched, switching};

#[test]
fn a_tunnel_is_in_flight_and_listed_until_its_end() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let config = Config::new().set("access_log.path", "-").route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let rest = Held::at_rest(&router);
    let mut client = switched(&router);
    client.send("twelve bytes");
    client.bytes(12);
    let listed = eventually("the tunnel's bytes in the list", || {
        let page: Value = serde_json::from_str(&ask(&router, "/requests")).expect("JSON");
        page["requests"].as_array()?.first().filter(|one| one["bytes_out"] == 12).cloned()
    });
    assert_eq!((&listed["phase"], &listed["bytes_in"]), (&"tunnel".into(), &12.into()));
    assert_eq!((&listed["protocol"], &listed["host"]), (&"custom/1".into(), &"a.test".into()));
    let older = |age: &str| {
        let page = ask(&router, &format!("/requests?older_than={age}"));
        serde_json::from_str::<Value>(&page).expect("JSON")["requests"].as_array().map(Vec::len)
    };
    assert_eq!(older("1h"), Some(0), "it has an age");
    eventually("it to grow older", || (older("50ms") == Some(1)).then_some(()));
    let held = Held::by(&router);
    assert_eq!((held.requests, held.leases, held.clients, held.endpoints), (1, 1, 1, 1));
    assert_eq!(lines(&router), [""; 0], "it is logged at its end");
    client.finish_sending();
    client.ending();
    rest.again(&router);
    let line = line(&router);
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&12.into(), &12.into()), "{line}");
    assert_eq!((&line["status"], &line["code"]), (&101.into(), &Value::Null), "{line}");
    // A request later, its line is behind all that was ever said of the tunnel.
    get(router.address(), "nobody.test", "/");
    eventually("the next line", || (lines(&router).len() > 1).then_some(()));
    let about = lines(&router).into_iter().filter(|line| line.contains("\"/live\""));
    assert_eq!(about.count(), 1, "and once");
    let metrics = ask(&router, "/metrics");
    assert_eq!(sum(&metrics, "pointsman_requests_total{route=\"a.test\",status_class=\"1xx\""), 1);
}

#[test]
fn a_tunnel_lives_on_through_a_reload_that_takes_its_route_away() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let config = Config::new();
    let router = Router::start(&config.clone().route("a.test", &[endpoint.address()]));
    let mut client = switched(&router);
    router.reload(&config.route("b.test", &[endpoint.address()]));
    eventually("the new table", || {
        let mut late = Connection::open(router.address());
        late.send(UPGRADE);
        (late.answer("GET").status == 404).then_some(())
    });
    client.send("still");
    assert_eq!(client.bytes(5), b"still");
}

#[test]
fn a_tunnel_has_its_place_at_the_endpoint_until_it_ends() {
    let by_target = |target: &str| match target {
        "/live" => vec![Step::Send(SWITCHED.into()), Step::EchoBytes, Step::Close],
        _ => vec![Step::Send(script::ok("plain").into())],
    };
    let endpoint =
        ScriptedEndpoint::start(move |_| vec![Step::ReadHead, Step::ByTarget(by_target)]);
    let limited = "max_requests = 1\nqueue = \"100ms\"";
    let router = Router::start(&Config::new().route_with("a.test", &[endpoint.address()], limited));
    for resets in [false, true] {
        let mut client = switched(&router);
        let refused = get(router.address(), "a.test", "/");
        assert_eq!((refused.status, refused.code()), (503, Some("endpoints-saturated")));
        client.send("still");
        assert_eq!(client.bytes(5), b"still");
        if resets {
            client.reset();
        } else {
            client.finish_sending();
            assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
        }
        eventually("the place to be free", || {
            (get(router.address(), "a.test", "/").status == 200).then_some(())
        });
    }
}
