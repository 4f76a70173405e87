//! The sums, written as OpenMetrics when somebody scrapes.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::endpoint::DoorSeen;
use crate::error::Code;
use crate::registry::NatsStatus;
use crate::registry::snapshot::SnapshotFigures;

use super::Metrics;
use super::adaptive::doors;
use super::families::Families;
use super::histogram::HistogramSum;
use super::kinds::{
    ConnectionState, DNS_RESULTS, InformationalDrop, PROBE_RESULTS, ReloadResult, STATUS_CLASSES,
    Side,
};
use super::labels::RouteLabels;
use super::process::{ProcessFigures, process};
use super::shard::{self, WorkerMetrics};
use super::sources::{bus, snapshot_file};

/// The states that only the control plane knows, as they are now. Label values
/// are sets the caller bounds.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Routes in the table.
    pub routes: u64,
    /// Endpoints by state.
    pub endpoints: Vec<(&'static str, u64)>,
    /// Names of endpoints by state.
    pub names: Vec<(&'static str, u64)>,
    /// What routes with an adaptive limit let in, by their names.
    pub doors: Vec<(Arc<str>, DoorSeen)>,
    /// How long ago each route source was last heard.
    pub source_ages: Vec<(String, Duration)>,
    /// The bus, if there is one.
    pub(crate) nats: Option<Arc<NatsStatus>>,
    /// Live tasks by kind.
    pub tasks: Vec<(&'static str, u64)>,
    /// How long ago each worker last turned, in worker order.
    pub heartbeat_ages: Vec<Duration>,
    /// The file live routes are kept in, if they are.
    pub snapshot: Option<SnapshotFigures>,
    /// Access log lines lost, see `AccessLog::dropped`.
    pub access_log_lines_dropped: u64,
    /// Diagnostics lines lost, see `telemetry::log_lines_dropped`.
    pub log_lines_dropped: u64,
}

/// One scrape.
pub(super) struct Scrape {
    metrics: Arc<Metrics>,
    observed: Observed,
}

impl Scrape {
    pub(super) fn new(metrics: Arc<Metrics>, observed: Observed) -> Self {
        Self { metrics, observed }
    }

    fn sum(&self, figure: impl Fn(&WorkerMetrics) -> u64) -> u64 {
        shard::sum(&self.metrics.workers, figure)
    }

    /// The codes whose figure is not zero, with it.
    fn by_code(
        &self,
        figure: impl Fn(&WorkerMetrics, Code) -> u64,
    ) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
        Code::ALL
            .iter()
            .map(move |code| ([("reason", code.as_str())], self.sum(|w| figure(w, *code))))
            .filter(|(_, count)| *count > 0)
    }
}

impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrape").field("observed", &self.observed).finish_non_exhaustive()
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut out = Families(encoder);
        {
            let labels = self.metrics.labels.lock();
            self.requests(&mut out, &labels)?;
            self.durations(&mut out, &labels)?;
            doors(&mut out, &self.observed.doors, &labels)?;
        }
        self.attempts(&mut out)?;
        self.connections(&mut out)?;
        self.errors(&mut out)?;
        self.control_plane(&mut out)?;
        if let Some(nats) = &self.observed.nats {
            bus(&mut out, nats)?;
        }
        process(&mut out, ProcessFigures::read())
    }
}

impl Scrape {
    fn requests(&self, out: &mut Families<'_>, labels: &RouteLabels) -> Result<(), Error> {
        let mut samples = Vec::new();
        for (label, route) in labels.shown() {
            for (class, name) in STATUS_CLASSES.into_iter().enumerate() {
                let mut sample = |code, count| {
                    if count > 0 {
                        samples.push((
                            [("route", route), ("status_class", name), ("code", code)],
                            count,
                        ));
                    }
                };
                sample("", self.sum(|w| w.answered(label, class)));
                if self.metrics.workers.iter().any(|w| w.has_codes(label, class)) {
                    for code in Code::ALL {
                        sample(code.as_str(), self.sum(|w| w.with_code(label, class, *code)));
                    }
                }
            }
        }
        out.counters(
            "pointsman_requests",
            "Requests ended, by route, class of the status sent, and code if the router made the \
             answer or cut it",
            samples,
        )
    }

    fn durations(&self, out: &mut Families<'_>, labels: &RouteLabels) -> Result<(), Error> {
        let samples = labels.shown().map(|(label, route)| {
            let mut sum = HistogramSum::default();
            for worker in &self.metrics.workers {
                worker.add_durations(label, &mut sum);
            }
            ([("route", route)], sum)
        });
        out.histograms(
            "pointsman_request_duration_seconds",
            "From the first byte of a request to the last byte of its answer",
            samples.filter(|(_, sum)| sum.count() > 0),
        )
    }

    fn attempts(&self, out: &mut Families<'_>) -> Result<(), Error> {
        let response =
            [([("outcome", "response")], self.sum(WorkerMetrics::attempts_with_response))];
        let failed = self.by_code(WorkerMetrics::attempts_failed);
        out.counters(
            "pointsman_attempts",
            "Attempts ended, by the code of their failure, or \"response\" for a response head",
            response.into_iter().chain(failed.map(|([(_, code)], n)| ([("outcome", code)], n))),
        )?;
        out.counters(
            "pointsman_retries",
            "Attempts that followed a failed one, by the code of that failure",
            self.by_code(WorkerMetrics::retries),
        )?;
        out.counter(
            "pointsman_stale_reuse",
            "Reused endpoint connections that died before the first response byte",
            self.sum(WorkerMetrics::stale_reuses),
        )?;
        out.counters(
            "pointsman_informational_dropped",
            "Informational (1xx) responses not forwarded",
            InformationalDrop::ALL
                .map(|why| ([("reason", why.as_str())], self.sum(|w| w.informational_drops(why)))),
        )
    }

    fn connections(&self, out: &mut Families<'_>) -> Result<(), Error> {
        out.gauge(
            "pointsman_requests_in_flight",
            "Requests begun and not ended",
            self.metrics.requests_in_flight(),
        )?;
        out.gauge(
            "pointsman_requests_queued",
            "Requests that wait for an endpoint with room, see max_requests",
            self.sum(WorkerMetrics::requests_queued),
        )?;
        let states = [(ConnectionState::Active, "active"), (ConnectionState::Idle, "idle")];
        let samples = Side::ALL.into_iter().flat_map(|side| {
            states.map(|(state, name)| {
                let labels = [("side", side.as_str()), ("state", name)];
                (labels, self.sum(|w| w.connections(side, state)))
            })
        });
        out.gauges(
            "pointsman_connections",
            "Open connections, by side and by whether a request is on them",
            samples,
        )
    }

    fn errors(&self, out: &mut Families<'_>) -> Result<(), Error> {
        // All of them, zeros too: an alert on a rate needs the first one.
        let samples =
            Code::ALL.iter().map(|c| ([("code", c.as_str())], self.sum(|w| w.errors(*c))));
        out.counters("pointsman_errors", "Errors, with or without a request", samples)?;
        out.counter("pointsman_panics", "Panics caught", self.sum(WorkerMetrics::panics))
    }

    fn control_plane(&self, out: &mut Families<'_>) -> Result<(), Error> {
        let seen = &self.observed;
        out.gauge("pointsman_routes", "Routes in the table", seen.routes)?;
        out.gauges(
            "pointsman_endpoints",
            "Endpoints in the table",
            seen.endpoints.iter().map(|(state, count)| ([("state", *state)], *count)),
        )?;
        out.gauges(
            "pointsman_source_age_seconds",
            "Time since a source of routes was last heard",
            seen.source_ages
                .iter()
                .map(|(name, age)| ([("source", name.as_str())], age.as_secs_f64())),
        )?;
        out.counters(
            "pointsman_reloads",
            "Reloads of the configuration",
            ReloadResult::ALL.map(|result| {
                let count = self.metrics.reloads[result as usize].load(Relaxed);
                ([("result", result.as_str())], count)
            }),
        )?;
        let transitions = self.metrics.transitions.lock().clone();
        out.counters(
            "pointsman_endpoint_transitions",
            "Changes of endpoints' conditions",
            transitions.iter().map(|((to, reason), count)| {
                ([("to", to.as_str()), ("reason", reason.as_str())], *count)
            }),
        )?;
        out.counters(
            "pointsman_probes",
            "Probes of endpoints, by what they came to",
            PROBE_RESULTS
                .iter()
                .zip(&self.metrics.probes)
                .map(|(result, count)| ([("result", *result)], count.load(Relaxed))),
        )?;
        out.counters(
            "pointsman_probe_transitions",
            "Endpoints that probes took out or brought back",
            ["up", "down"]
                .iter()
                .zip(&self.metrics.turns)
                .map(|(to, count)| ([("to", *to)], count.load(Relaxed))),
        )?;
        out.counters(
            "pointsman_dns_lookups",
            "Names of endpoints asked for, by what came of it",
            DNS_RESULTS
                .iter()
                .zip(&self.metrics.lookups)
                .map(|(result, count)| ([("result", *result)], count.load(Relaxed))),
        )?;
        out.gauges(
            "pointsman_dns_names",
            "Names of endpoints, by whether they have an answer and whether their last one was good",
            seen.names.iter().map(|(state, count)| ([("state", *state)], *count)),
        )?;
        out.gauges(
            "pointsman_tasks",
            "Live tasks",
            seen.tasks.iter().map(|(kind, count)| ([("kind", *kind)], *count)),
        )?;
        let workers: Vec<String> = (0..seen.heartbeat_ages.len()).map(|w| w.to_string()).collect();
        out.gauges(
            "pointsman_worker_heartbeat_age_seconds",
            "Time since a worker last turned",
            workers
                .iter()
                .zip(&seen.heartbeat_ages)
                .map(|(worker, age)| ([("worker", worker.as_str())], age.as_secs_f64())),
        )?;
        if let Some(snapshot) = &seen.snapshot {
            snapshot_file(out, snapshot)?;
        }
        out.counter(
            "pointsman_access_log_lines_dropped",
            "Access log lines lost to a sink too slow or broken",
            seen.access_log_lines_dropped,
        )?;
        out.counter(
            "pointsman_log_lines_dropped",
            "Lines of the diagnostics log lost to a standard error too slow or broken",
            seen.log_lines_dropped,
        )
    }
}
