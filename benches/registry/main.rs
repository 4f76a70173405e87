//! The live routes of a large platform: what they weigh, and what changes,
//! refreshes, lookups, swaps under load and the snapshot file cost.
//!
//! ```text
//! cargo bench --bench registry                                # a million routes
//! cargo bench --bench registry -- --routes 10000 --seconds 1  # a look
//! cargo bench --bench registry -- --only lookup,refresh
//! ```
//!
//! Every route is a host of its own with two endpoints that expire, an
//! instance, an app and three tags each, registered from the bytes of messages.
//! Figures are printed; there is no verdict, since they depend on the machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark may stop where it stands, and prints what it found"
)]

mod in_force;
mod load;
mod lookup;
mod machine;
mod platform;
mod refresh;
mod snapshot;
mod swaps;
mod weigh;

use std::time::Duration;

use pointsman::registry::LiveRoutes;
use pointsman::{Router, config};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What to measure, and how long.
struct Plan {
    routes: usize,
    time: Duration,
    /// Pairs of rounds, one quiet and one with swaps.
    rounds: usize,
    /// Requests a second while tables are swapped.
    rate: usize,
    only: Vec<String>,
}

impl Plan {
    fn has(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|own| own == part)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut plan = Plan {
        routes: 1_000_000,
        time: Duration::from_secs(5),
        rounds: 7,
        rate: 5_000,
        only: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().unwrap().parse().unwrap();
        match argument.as_str() {
            "--routes" => plan.routes = number(),
            "--seconds" => plan.time = Duration::from_secs(number() as u64),
            "--rounds" => plan.rounds = number(),
            "--rate" => plan.rate = number(),
            "--only" => {
                plan.only = arguments.next().unwrap().split(',').map(str::to_owned).collect();
            }
            "--restore" => return snapshot::restore(&arguments.next().unwrap()),
            "--test" => {
                (plan.routes, plan.rounds, plan.time) = (1_000, 1, Duration::from_secs(1));
            }
            _ => {}
        }
    }
    if ["weigh", "refresh", "lookup", "in-force"].iter().any(|part| plan.has(part)) {
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        let router = Router::new(config::parse(text, "bench").unwrap()).unwrap();
        in_process(&plan, &router, &router.live_routes());
    }
    if plan.has("swaps") {
        swaps::measure(&plan);
    }
    if plan.has("snapshot") {
        snapshot::measure(&plan);
    }
}

fn in_process(plan: &Plan, router: &Router, live: &LiveRoutes) {
    weigh::measure(plan, live);
    if plan.has("refresh") {
        refresh::measure(plan, live);
    }
    if plan.has("lookup") {
        lookup::measure(plan, router);
    }
    if plan.has("in-force") {
        in_force::measure(plan, router, live);
    }
}
