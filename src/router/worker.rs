//! What one worker has to itself, and what all share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

use crate::attempt::RetryBudget;
use crate::config::Settings;
use crate::descriptors::{self, Seats, Share};
use crate::endpoint::{EndpointRegistry, NameRegistry, ProbeRegistry};
use crate::error::Code;
use crate::lifecycle::{Health, Tasks};
use crate::listen::connections::Connections;
use crate::registry::{LastHeard, Live};
use crate::request::{InFlightRecords, Record};
use crate::route::{Publisher, Reader};
use crate::router::{Snapshot, Terms, TlsState};
use crate::sync::Mutex;
use crate::telemetry::access_log::AccessLogHandle;
use crate::telemetry::metrics::{Metrics, WorkerMetrics};
use crate::telemetry::{RecentErrors, Seldom};
use crate::upstream::{Connect, Pool};

/// Between two looks at how many requests the other workers have in flight.
const SUM_EVERY_MS: u64 = 10;

/// What all workers of a router share. None of it is written per request.
pub(crate) struct Shared {
    pub(crate) snapshots: Publisher<Snapshot>,
    /// What the snapshots' tables are made from. Held by who publishes.
    pub(crate) live: Mutex<Live>,
    /// When each source was last heard, in their order.
    pub(crate) sources_heard: [LastHeard; 3],
    pub(crate) endpoints: EndpointRegistry,
    /// The options of routes that have none of their own.
    pub(crate) plain: Mutex<Arc<Terms>>,
    pub(crate) probes: ProbeRegistry,
    pub(crate) names: NameRegistry,
    /// Told of every reload, and of the addresses of names.
    pub(crate) published: watch::Sender<()>,
    pub(crate) budget: RetryBudget,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recent_errors: Arc<RecentErrors>,
    /// What is said of connections that cannot be accepted.
    pub(crate) failed_accepts: Seldom,
    pub(crate) health: Health,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) workers: usize,
    /// What each worker may hold of the process's descriptors.
    pub(crate) descriptors: Share,
    /// This process's name in `Via`, unless the settings have one.
    pub(crate) node: String,
    pub(crate) start: Instant,
    /// The same moment by the calendar.
    pub(crate) start_time: SystemTime,
    /// Where connections to endpoints come from.
    pub(crate) connector: Box<dyn Connect>,
    /// What of TLS outlives snapshots.
    pub(crate) tls: TlsState,
}

impl Shared {
    /// Milliseconds since the router was built: the time of all cores.
    pub(crate) fn now_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// Warns if there are not the descriptors for `limits.connections`.
    pub(crate) fn tell_of_connections(&self, settings: &Settings) {
        let (limit, most) = (settings.limits.connections, self.descriptors.clients * self.workers);
        if limit > most {
            let descriptors = descriptors::limit();
            tracing::warn!(
                "limits.connections is {limit}, and {most} is what {descriptors} file descriptors \
                 allow: that is the limit in force; raise that of descriptors (ulimit -n, \
                 LimitNOFILE)"
            );
        }
    }

    /// A moment in milliseconds since 1970: always the same for the same
    /// moment, so that a list can be ordered by it from page to page.
    pub(crate) fn unix_ms(&self, moment: Instant) -> u64 {
        let start = self.start_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(start.as_millis()).unwrap_or(u64::MAX).saturating_add(self.now_ms(moment))
    }
}

/// One worker's part of a router.
pub(crate) struct WorkerRouter {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshots: Reader<Snapshot>,
    pub(crate) pool: Arc<Pool>,
    /// The client connections it holds.
    pub(crate) connections: Arc<Connections>,
    /// The descriptors of these and of the pool's.
    pub(crate) seats: Arc<Seats>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) access_log: AccessLogHandle,
    pub(crate) in_flight_records: InFlightRecords<Record>,
    in_flight_elsewhere: AtomicU64,
    next_sum_ms: AtomicU64,
    cut: AtomicBool,
}

impl WorkerRouter {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, access_log: AccessLogHandle) -> Self {
        let metrics = shared.metrics.worker(index);
        let connections = Connections::new(metrics.clone());
        let seats = Seats::new(shared.descriptors, connections.clone());
        Self {
            index,
            snapshots: shared.snapshots.reader(),
            pool: Arc::new(Pool::new(seats.clone())),
            connections,
            seats,
            metrics,
            access_log,
            in_flight_records: InFlightRecords::default(),
            in_flight_elsewhere: AtomicU64::new(0),
            next_sum_ms: AtomicU64::new(0),
            cut: AtomicBool::new(false),
            shared,
        }
    }

    /// What is in flight from here on is cut: its client has not left.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Whether what ends now is cut at the end of a drain.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Why a request ended that nobody finished.
    pub(crate) fn code_of_dropped(&self) -> Code {
        if std::thread::panicking() {
            Code::Internal
        } else if self.is_cut() {
            Code::DrainCut
        } else {
            Code::ClientClosed
        }
    }

    /// Requests in flight: this worker's own exactly, the others' as of at
    /// most 10 ms ago, so that counting costs no shared write.
    pub(crate) fn in_flight(&self, now_ms: u64) -> u64 {
        let own = self.metrics.requests_in_flight_delta();
        if self.shared.workers == 1 {
            return own;
        }
        if now_ms >= self.next_sum_ms.load(Relaxed) {
            self.next_sum_ms.store(now_ms + SUM_EVERY_MS, Relaxed);
            let elsewhere = self.shared.metrics.requests_in_flight().saturating_sub(own);
            self.in_flight_elsewhere.store(elsewhere, Relaxed);
        }
        own + self.in_flight_elsewhere.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Health;

    #[test]
    fn requests_of_all_workers_are_in_flight_the_others_as_of_a_moment_ago() {
        let settings = crate::config::parse("[[listener]]\naddress = \"127.0.0.1:0\"\n", "test");
        let shared = Shared::new(settings.unwrap(), 3, Health::embedded()).unwrap();
        let shared = Arc::new(shared);
        let worker = |index| WorkerRouter::new(shared.clone(), index, AccessLogHandle::off());
        let (own, others) = (worker(0), [worker(1), worker(2)]);
        assert_eq!(own.in_flight(0), 0);
        own.metrics.request_started();
        assert_eq!(own.in_flight(1), 1, "its own at once");
        others.iter().for_each(|other| other.metrics.request_started());
        assert_eq!(own.in_flight(SUM_EVERY_MS - 1), 1);
        assert_eq!(own.in_flight(SUM_EVERY_MS), 3);
        assert_eq!(others[0].in_flight(SUM_EVERY_MS), 3);
    }

    /// Asks when it drops, as what is in flight does.
    struct InFlight<'a>(&'a WorkerRouter, &'a Mutex<Vec<Code>>);

    impl Drop for InFlight<'_> {
        fn drop(&mut self) {
            self.1.lock().push(self.0.code_of_dropped());
        }
    }

    #[test]
    fn what_nobody_finished_was_ended_by_a_bug_by_the_drain_or_by_its_client() {
        let settings = crate::config::parse("[[listener]]\naddress = \"127.0.0.1:0\"\n", "test");
        let shared = Shared::new(settings.unwrap(), 1, Health::embedded()).unwrap();
        let worker = WorkerRouter::new(Arc::new(shared), 0, AccessLogHandle::off());
        let codes = Mutex::new(Vec::new());
        drop(InFlight(&worker, &codes));
        worker.cut();
        drop(InFlight(&worker, &codes));
        let bug = std::panic::AssertUnwindSafe(|| {
            let _ends = InFlight(&worker, &codes);
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(std::panic::catch_unwind(bug).is_err());
        assert_eq!(*codes.lock(), [Code::ClientClosed, Code::DrainCut, Code::Internal]);
    }
}
