//! What health is computed from, gathered where it is known.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::watch;

use super::health::{
    HealthInputs, Heartbeats, ListenerHealth, Saturation, SourceHealth, SourceState,
};
use super::phase::Phase;
use crate::sync::Mutex;

/// The live inputs of the health report.
pub(crate) struct Health {
    heartbeats: Heartbeats,
    phase: Option<watch::Receiver<Phase>>,
    listeners: Vec<Listener>,
    /// Requests in flight and their limit, as of the last look.
    in_flight: AtomicU64,
    in_flight_limit: AtomicU64,
    sources: Mutex<Vec<Source>>,
}

/// A source of routes.
struct Source {
    name: &'static str,
    state: SourceState,
    /// When its word in force was heard.
    heard: Option<Instant>,
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
        Self::new(0, &[], None)
    }

    /// For `workers` that listen on `addresses`.
    pub(crate) fn new(
        workers: usize,
        addresses: &[SocketAddr],
        phase: Option<watch::Receiver<Phase>>,
    ) -> Self {
        let listeners = addresses
            .iter()
            .map(|address| Listener { address: *address, accepting: Arc::default() })
            .collect();
        Self {
            heartbeats: Heartbeats::new(workers, Instant::now()),
            phase,
            listeners,
            in_flight: AtomicU64::new(0),
            in_flight_limit: AtomicU64::new(u64::MAX),
            sources: Mutex::default(),
        }
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

    /// What this source said is in force.
    pub(crate) fn source_applied(&self, name: &'static str) {
        self.with_source(name, |source| {
            source.state = SourceState::Current;
            source.heard = Some(Instant::now());
        });
    }

    /// What this source said was refused: what it said before stays.
    pub(crate) fn source_refused(&self, name: &'static str) {
        self.with_source(name, |source| source.state = SourceState::Stale);
    }

    fn with_source(&self, name: &'static str, change: impl FnOnce(&mut Source)) {
        let mut sources = self.sources.lock();
        let known = sources.iter().position(|source| source.name == name);
        let place = known.unwrap_or_else(|| {
            sources.push(Source { name, state: SourceState::Pending, heard: None });
            sources.len() - 1
        });
        change(&mut sources[place]);
    }

    /// Everything health depends on, now.
    pub(crate) fn inputs(&self) -> HealthInputs {
        let at = self.in_flight.load(Relaxed);
        let of = self.in_flight_limit.load(Relaxed);
        HealthInputs {
            heartbeat_ages: self.heartbeats.ages(Instant::now()),
            draining: self.phase.as_ref().is_some_and(|phase| phase.borrow().is_draining()),
            saturated: (at >= of).then(|| Saturation {
                limit: "limits.requests_in_flight".into(),
                at,
                of,
            }),
            listeners: self.listeners.iter().map(Listener::health).collect(),
            sources: self.sources.lock().iter().map(Source::health).collect(),
        }
    }
}

impl Source {
    fn health(&self) -> SourceHealth {
        let age = |heard: Instant| u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX);
        SourceHealth { name: self.name.into(), state: self.state, age_ms: self.heard.map(age) }
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
