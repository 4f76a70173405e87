//! A bus that hangs: its connections stand, and nothing comes out of them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::admin::{ask, json};
use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::wait::eventually;
use crate::harness::{Router, ScriptedEndpoint, get};
use crate::nats::{config, metric, until, until_connected};

const REGISTER: &str = "router.register";
/// For how long a registration here holds: far longer than it takes to find
/// out that the bus hangs.
const HOLDS: Duration = Duration::from_secs(20);

fn nats(router: &Router) -> Value {
    let ready = json(&ask(router, "/health/ready"));
    let sources = ready["sources"].as_array().expect("sources are listed").clone();
    sources.into_iter().find(|source| source["name"] == "nats").expect("nats is listed")
}

#[test]
fn a_bus_that_hangs_is_found_out_takes_nothing_away_and_its_return_gives_everybody_time() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = Router::start(&config(&server));
    until_connected(&router);
    let holds = format!("\"stale_threshold_in_seconds\":{}", HOLDS.as_secs());
    let [silent, back] = ["silent.test", "back.test"].map(|h| message(app.address(), &[h], &holds));
    let mut emitter = Emitter::connect(&server);
    let said = Instant::now();
    emitter.publish_all(&[(REGISTER, silent), (REGISTER, back.clone())]);
    until(&router, "back.test", "/", 200);
    server.suspend();
    eventually("the router to find out", || {
        (metric(&router, "pointsman_nats_connected") == Some(0.0)).then_some(())
    });
    assert!(said.elapsed() < HOLDS, "found out after {:?}", said.elapsed());
    let health = nats(&router);
    assert_eq!(health["state"], "stale", "{health}");
    assert!(health["error"].is_string(), "{health}");
    for page in ["/health/ready", "/health/live"] {
        assert_eq!(ask(&router, page).status, 200, "a bus is not the request path");
    }
    eventually("more than they hold to pass", || {
        for host in ["silent.test", "back.test"] {
            assert_eq!(get(router.address(), host, "/").status, 200, "{host}");
        }
        (said.elapsed() > HOLDS + Duration::from_secs(2)).then_some(())
    });
    let resumed = Instant::now();
    server.resume();
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    eventually("the silent app to be gone, and no other", || {
        emitter.publish(REGISTER, &back);
        assert_eq!(get(router.address(), "back.test", "/").status, 200);
        (get(router.address(), "silent.test", "/").status == 404).then_some(())
    });
    assert!(resumed.elapsed() >= HOLDS, "gone after {:?}", resumed.elapsed());
    let added = metric(&router, "pointsman_nats_endpoints_total{result=\"added\"}");
    assert_eq!(added, Some(2.0), "what was confirmed was never gone");
    assert_eq!(nats(&router)["state"], "current");
}
