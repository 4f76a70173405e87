//! Figures: `pointsman_*` and `process_*`, in OpenMetrics.
//!
//! prometheus-client's own counters are atomics shared by whoever holds them;
//! one of them per request would be a cache line that every core fights for.
//! So each worker has a [`WorkerMetrics`], alone on its cache lines, and a
//! custom collector sums the workers when somebody scrapes. What is not a
//! count of events but a state (routes, endpoints, ages) is handed in by the
//! control plane at that moment, as [`Observed`].
//!
//! Label sets are bounded: codes and classes are enums, and at most
//! [`MAX_LABELLED_ROUTES`] routes have a label of their own ([`RouteLabels`]).

mod adaptive;
mod collector;
mod families;
mod histogram;
mod kinds;
mod labels;
mod process;
mod shard;
mod sources;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::registry::Registry;

pub use collector::Observed;
pub use kinds::{
    ConnectionState, DNS_RESULTS, InformationalDrop, PROBE_RESULTS, ReloadResult, Side,
};
pub use labels::{RouteLabel, RouteLabels};
pub use shard::WorkerMetrics;

use crate::endpoint::{Change, Condition, Reason};
use crate::sync::Mutex;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every figure of one router.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<WorkerMetrics>]>,
    labels: Mutex<RouteLabels>,
    reloads: [AtomicU64; ReloadResult::ALL.len()],
    probes: [AtomicU64; PROBE_RESULTS.len()],
    lookups: [AtomicU64; DNS_RESULTS.len()],
    /// Verdicts of probes that have changed: to up, to down.
    turns: [AtomicU64; 2],
    /// Changes of endpoints' conditions; they are rare.
    transitions: Mutex<BTreeMap<(Condition, Reason), u64>>,
}

impl Metrics {
    /// Figures for `workers` workers, all zero.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers).map(|_| Arc::new(WorkerMetrics::new())).collect(),
            labels: Mutex::new(RouteLabels::new()),
            reloads: Default::default(),
            probes: Default::default(),
            lookups: Default::default(),
            turns: Default::default(),
            transitions: Mutex::default(),
        })
    }

    /// The shard of one worker.
    ///
    /// # Panics
    /// If there is no such worker: workers are numbered from 0 at start.
    pub fn worker(&self, worker: usize) -> Arc<WorkerMetrics> {
        Arc::clone(&self.workers[worker])
    }

    /// Gives every route of a new table its label, in the order given; the
    /// flag is the route's `metrics` key. Names keep their label from table
    /// to table (see [`RouteLabels::assign`]). Called before the table is
    /// published.
    pub fn assign_routes<N: AsRef<str>>(
        &self,
        routes: impl IntoIterator<Item = (N, bool)>,
    ) -> Vec<RouteLabel> {
        // A scrape takes the same lock, so it sees no slot between its old
        // name and its new one.
        let mut labels = self.labels.lock();
        let assignment = labels.assign(routes);
        for label in assignment.renamed {
            for worker in &self.workers {
                worker.forget_route(label);
            }
        }
        assignment.labels
    }

    /// Gives one more route its label, if there is still one to have: the
    /// label of its own name, or [`RouteLabel::OTHER`].
    pub fn add_route(&self, name: &str) -> RouteLabel {
        let mut labels = self.labels.lock();
        let (label, renamed) = labels.add(name);
        if renamed {
            self.workers.iter().for_each(|worker| worker.forget_route(label));
        }
        label
    }

    /// Takes back the label of a route that is gone.
    pub fn retire_route(&self, name: &str) {
        self.labels.lock().retire(name);
    }

    /// Counts a reload.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads[result as usize].fetch_add(1, Relaxed);
    }

    /// Counts a probe by its result, one of [`PROBE_RESULTS`].
    pub fn probed(&self, result: &str) {
        if let Some(index) = PROBE_RESULTS.iter().position(|known| *known == result) {
            self.probes[index].fetch_add(1, Relaxed);
        }
    }

    /// Counts a name that was asked for, by one of [`DNS_RESULTS`].
    pub fn resolved(&self, result: &str) {
        if let Some(index) = DNS_RESULTS.iter().position(|known| *known == result) {
            self.lookups[index].fetch_add(1, Relaxed);
        }
    }

    /// Counts a verdict of probes that has changed.
    pub fn verdict_turned(&self, to_down: bool) {
        self.turns[usize::from(to_down)].fetch_add(1, Relaxed);
    }

    /// Counts a change of an endpoint's condition.
    pub fn endpoint_changed(&self, change: Change) {
        *self.transitions.lock().entry((change.to, change.reason)).or_default() += 1;
    }

    /// Requests in flight on all workers, for the limit and for health.
    pub fn requests_in_flight(&self) -> u64 {
        shard::sum(&self.workers, WorkerMetrics::requests_in_flight_delta)
    }

    /// The OpenMetrics text of this moment, to be sent as [`CONTENT_TYPE`].
    pub fn render(self: &Arc<Self>, observed: Observed) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(collector::Scrape::new(Arc::clone(self), observed)));
        let mut text = String::new();
        // Writing into a String does not fail, and neither does the collector.
        if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        text
    }
}
