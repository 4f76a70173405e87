//! From a host to its route, in the table of all.

use std::time::Instant;

use pointsman::Router;

use crate::Plan;
use crate::machine::processor_ns;
use crate::platform::{host, scattered};

/// A request does a little more on its way to the lookup; what stands here is
/// the worker's pin and the table, asked for every host alike.
pub(crate) fn measure(plan: &Plan, router: &Router) {
    let mut scattered = scattered(plan.routes);
    let hosts: Vec<String> = (0..1_000_000.min(plan.routes)).map(|_| host(scattered())).collect();
    let (start, start_ns) = (Instant::now(), processor_ns());
    let (mut count, mut found) = (0_usize, 0_usize);
    while start.elapsed() < plan.time {
        for host in hosts.iter().cycle().skip(count % hosts.len()).take(10_000) {
            found += usize::from(router.has_route(host, "/index.html"));
        }
        count += 10_000;
    }
    assert_eq!(found, count);
    let took_ns = processor_ns() - start_ns;
    println!("lookup, uniform hosts: {:.0} ns of processor time", took_ns / count as f64);
}
