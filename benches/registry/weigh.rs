//! Bytes a route, beyond what its texts are long.

use std::net::SocketAddr;

use pointsman::registry::LiveRoutes;

use crate::Plan;
use crate::machine::{memory_bytes, processor_ns};
use crate::platform::{host, message, register_all, text_bytes};

pub(crate) fn measure(plan: &Plan, live: &LiveRoutes) {
    let (before, start_ns) = (memory_bytes("VmRSS"), processor_ns());
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    register_all(live, plan.routes, 0, [nowhere; 2]);
    let seconds = (processor_ns() - start_ns) / 1e9;
    // The host stands in the table and in the route's name; it counts once.
    let texts = text_bytes(&message(0, 0)) + text_bytes(&message(0, 1)) + host(0).len();
    let bytes = (memory_bytes("VmRSS") - before) as f64 / plan.routes as f64;
    println!(
        "{} routes, 2 endpoints each: {:.0} bytes a route beyond {texts} of text; \
         registered from bytes at {:.0}/s",
        plan.routes,
        bytes - texts as f64,
        2.0 * plan.routes as f64 / seconds
    );
}
