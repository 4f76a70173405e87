//! The leak budget, which is nothing: after tens of thousands of exchanges
//! that ended in every way, and hundreds of new route tables between them, the
//! router holds what it held before.
//!
//! An exchange is a client behaviour ([`clients`]) meeting an endpoint
//! behaviour ([`endpoints`]); a protocol more is an entry more in these tables.

mod budget;
mod clients;
mod encrypted_tunnels;
mod endpoints;
mod handshakes;
mod tables;
mod tunnels;

use std::net::SocketAddr;

use serde_json::json;

use crate::admin_routes::put;
use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Held, RefusingEndpoint, Router, ScriptedEndpoint};

/// Exchanges in all, after those that warm the router up.
const EXCHANGES: usize = 20_000;
const WARM_UP: usize = 4_000;
/// New route tables while they are at it.
const SWAPS: usize = 200;

/// The endpoints, and the configurations that take turns.
struct Stage {
    scripted: Vec<ScriptedEndpoint>,
    /// A limit belongs to an address, so this one has a route of its own.
    limited: ScriptedEndpoint,
    refusing: RefusingEndpoint,
}

impl Stage {
    fn set() -> Self {
        let scripted = (0..3).map(|_| ScriptedEndpoint::start(endpoints::behave)).collect();
        let limited = ScriptedEndpoint::start(endpoints::behave);
        Self { scripted, limited, refusing: RefusingEndpoint::start() }
    }

    /// The `turn`th configuration: endpoints change places, and routes come
    /// and go.
    fn config(&self, turn: usize) -> Config {
        let mut scripted: Vec<SocketAddr> = self.scripted.iter().map(|e| e.address()).collect();
        let refusing = self.refusing.address();
        scripted.rotate_left(turn % 3);
        let base = Config::new()
            .set("workers.threads", 2)
            .set("timeouts.upstream_keep_alive", "300ms")
            .set("timeouts.linger", "300ms")
            .route("a.test", &scripted[..2])
            .route("retried.test", &[refusing, scripted[0]])
            .route("refused.test", &[refusing])
            .route_with("limited.test", &[self.limited.address()], "max_requests = 2")
            .route_with("probed.test", &scripted[..2], endpoints::PROBED)
            .route_with("stall.test", &scripted, endpoints::IMPATIENT);
        (0..turn % 5).fold(base, |config, n| config.route(&format!("{n}.test"), &scripted))
    }
}

/// One exchange: a third are whole, a third the client leaves, a third the
/// endpoint fails.
fn exchange(router: SocketAddr, number: usize) {
    let (kind, number) = (number % 3, number / 3);
    let (client, target) = match kind {
        0 => {
            let client = clients::STAYING[number % clients::STAYING.len()];
            let rest = number / clients::STAYING.len();
            (client, endpoints::WHOLE[rest % endpoints::WHOLE.len()])
        }
        1 => {
            let client = clients::LEAVING[number % clients::LEAVING.len()];
            let rest = number / clients::LEAVING.len();
            let all = endpoints::WHOLE.len() + endpoints::FAILING.len();
            let mut every = endpoints::WHOLE.iter().chain(endpoints::FAILING);
            (client, *every.nth(rest % all).expect("it is one of them"))
        }
        _ => {
            let client = clients::STAYING[number % clients::STAYING.len()];
            let rest = number / clients::STAYING.len();
            (client, endpoints::FAILING[rest % endpoints::FAILING.len()])
        }
    };
    clients::behave(client, router, target);
}

/// Swaps the table `SWAPS` times; each is in force before the next.
fn swap(router: &Router, stage: &Stage) {
    let reloads = || sum(&ask(router, "/metrics"), "pointsman_reloads_total{result=\"applied\"");
    for turn in 1..=SWAPS {
        let before = reloads();
        router.reload(&stage.config(turn));
        eventually("the new table to be in force", || (reloads() > before).then_some(()));
    }
}

#[test]
fn exchanges_that_end_in_every_way_leave_nothing_behind() {
    let stage = Stage::set();
    let router = budget::router(&stage.config(0));
    // The limit of its address counts for a route that was registered, too.
    let endpoints = json!({ "endpoints": [stage.limited.address()] });
    let given = put(&router, "live.test", &endpoints);
    assert_eq!(given.status, 201, "{}", given.text());
    let rest = Held::at_rest(&router);
    let client = |number| exchange(router.address(), number);
    budget::clients(WARM_UP, client);
    budget::keeps_to(&router, &rest, budget::ROOM_KIB, || {
        std::thread::scope(|scope| {
            scope.spawn(|| swap(&router, &stage));
            budget::clients(EXCHANGES, client);
        });
    });
    every_way_was_taken(&router);
}

/// The exchanges were what they were meant to be.
fn every_way_was_taken(router: &Router) {
    let metrics = ask(router, "/metrics");
    for code in endpoints::CODES {
        let series = format!("pointsman_errors_total{{code=\"{code}\"");
        assert!(sum(&metrics, &series) > 0, "no {code} in {metrics}");
    }
    let left = sum(&metrics, "pointsman_errors_total{code=\"client-closed\"") as usize;
    // How many are quicker than their answers depends on the machine.
    assert!(left > EXCHANGES / 20, "only {left} clients left their requests");
}
