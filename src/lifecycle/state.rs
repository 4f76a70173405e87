//! What health is computed from, gathered where it is known.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::watch;

use super::health::{HealthInputs, Heartbeats, ListenerHealth, Saturation, SourceHealth};
use super::phase::Phase;
use crate::registry::snapshot::Status;
use crate::registry::{FileSource, NatsStatus};

/// The live inputs of the health report.
pub(crate) struct Health {
    heartbeats: Heartbeats,
    phase: Option<watch::Receiver<Phase>>,
    listeners: Vec<Listener>,
    file: Option<Arc<FileSource>>,
    nats: OnceLock<Arc<NatsStatus>>,
    snapshot: OnceLock<Arc<Status>>,
    /// Requests in flight and their limit, as of the last look.
    in_flight: AtomicU64,
    in_flight_limit: AtomicU64,
}

struct Listener {
    address: SocketAddr,
    /// Workers that accept on it.
    accepting: Arc<AtomicUsize>,
}

impl Health {
    /// For a router in somebody else's process: it has no workers, listeners
    /// or phases of its own.
    pub(crate) fn embedded() -> Self {
        Self::new(0, &[], None, None)
    }

    /// For `workers` that listen on `addresses`, with routes from `file`.
    pub(crate) fn new(
        workers: usize,
        addresses: &[SocketAddr],
        phase: Option<watch::Receiver<Phase>>,
        file: Option<Arc<FileSource>>,
    ) -> Self {
        let listeners = addresses
            .iter()
            .map(|address| Listener { address: *address, accepting: Arc::default() })
            .collect();
        Self {
            heartbeats: Heartbeats::new(workers, Instant::now()),
            phase,
            listeners,
            file,
            nats: OnceLock::new(),
            snapshot: OnceLock::new(),
            in_flight: AtomicU64::new(0),
            in_flight_limit: AtomicU64::new(u64::MAX),
        }
    }

    /// Shows a bus from now on; there is one at most.
    pub(crate) fn attend_nats(&self) -> Arc<NatsStatus> {
        self.nats.get_or_init(Arc::default).clone()
    }

    /// The bus, if there is one.
    pub(crate) fn nats(&self) -> Option<&Arc<NatsStatus>> {
        self.nats.get()
    }

    /// Live routes are kept in a file, which does like this.
    pub(crate) fn keeps(&self, snapshot: Arc<Status>) {
        // It is said once, before anybody asks.
        let _ = self.snapshot.set(snapshot);
    }

    /// How the file does that live routes are kept in.
    pub(crate) fn snapshot(&self) -> Option<&Arc<Status>> {
        self.snapshot.get()
    }

    /// A worker's loop turns.
    pub(crate) fn beat(&self, worker: usize) {
        self.heartbeats.beat(worker, Instant::now());
    }

    /// How many requests are in flight, of how many at most.
    pub(crate) fn observe_in_flight(&self, in_flight: u64, limit: u64) {
        self.in_flight.store(in_flight, Relaxed);
        self.in_flight_limit.store(limit, Relaxed);
    }

    /// A worker accepts on the listener of this index until the guard drops.
    pub(crate) fn accepting(&self, listener: usize) -> Accepting {
        let accepting = self.listeners[listener].accepting.clone();
        accepting.fetch_add(1, Relaxed);
        Accepting(accepting)
    }

    /// Everything health depends on, now.
    pub(crate) fn inputs(&self) -> HealthInputs {
        let now = Instant::now();
        let at = self.in_flight.load(Relaxed);
        let of = self.in_flight_limit.load(Relaxed);
        HealthInputs {
            heartbeat_ages: self.heartbeats.ages(now),
            draining: self.phase.as_ref().is_some_and(|phase| phase.borrow().is_draining()),
            saturated: (at >= of).then(|| Saturation {
                limit: "limits.requests_in_flight".into(),
                at,
                of,
            }),
            listeners: self.listeners.iter().map(Listener::health).collect(),
            snapshot: self.snapshot.get().map(|status| status.health(now)),
            sources: self.sources(now),
        }
    }
}

impl Health {
    fn sources(&self, now: Instant) -> Vec<SourceHealth> {
        let file = self.file.iter().map(|file| file.health(now));
        file.chain(self.nats().map(|nats| nats.health(now))).collect()
    }
}

impl Listener {
    fn health(&self) -> ListenerHealth {
        ListenerHealth { address: self.address, accepting: self.accepting.load(Relaxed) > 0 }
    }
}

/// A worker accepts on a listener.
pub(crate) struct Accepting(Arc<AtomicUsize>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
