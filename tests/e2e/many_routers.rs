//! Three routers on one bus, and everything that can go wrong with it.

use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::{Router, ScriptedEndpoint};
use crate::nats::{config, until, until_connected};

/// Long enough that no slow machine lets fifty refreshes in a row be late.
const THRESHOLD: &str = "\"stale_threshold_in_seconds\":10";

fn three(server: &NatsServer) -> Vec<Router> {
    let routers: Vec<_> = (0..3).map(|_| Router::start(&config(server))).collect();
    routers.iter().for_each(until_connected);
    routers
}

#[test]
fn what_is_registered_is_served_by_all_and_what_is_unregistered_by_none() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let routers = three(&server);
    let mut emitter = Emitter::connect(&server);
    emitter.publish("router.register", &message(app.address(), &["a.test"], THRESHOLD));
    routers.iter().for_each(|router| until(router, "a.test", "/", 200));
    emitter.publish("router.unregister", &message(app.address(), &["a.test"], ""));
    routers.iter().for_each(|router| until(router, "a.test", "/", 404));
}
