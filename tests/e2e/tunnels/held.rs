//! What a tunnel counts as while it lasts, and that nothing of it stays.

use serde_json::Value;

use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Held, Router, ScriptedEndpoint, Step};

use super::{UPGRADE, switched, switching};

#[test]
fn a_tunnel_is_in_flight_and_listed_until_its_end() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::EchoBytes, Step::Close]));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let rest = Held::at_rest(&router);
    let mut client = switched(&router);
    client.send("twelve bytes");
    client.bytes(12);
    let listed = eventually("the tunnel's bytes in the list", || {
        let page: Value = serde_json::from_str(&ask(&router, "/requests")).expect("JSON");
        page["requests"].as_array()?.first().filter(|one| one["bytes_out"] == 12).cloned()
    });
    assert_eq!((&listed["phase"], &listed["bytes_in"]), (&"tunnel".into(), &12.into()));
    let held = Held::by(&router);
    assert_eq!((held.requests, held.leases, held.clients, held.endpoints), (1, 1, 1, 1));
    client.finish_sending();
    client.ending();
    rest.again(&router);
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
