//! What health is computed from, gathered where it is known.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::watch;

use super::health::{HealthInputs, Heartbeats, ListenerHealth, Saturation, SourceHealth};
use super::phase::Phase;
use crate::descriptors::SetBy;
use crate::registry::snapshot::Status;
use crate::registry::{FileSource, NatsStatus};
use crate::sync::Mutex;

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
    /// Of each worker, as of its last beat.
    rooms: Mutex<Vec<Room>>,
}

/// Whether newcomers get in at one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// While all its connections are in use and newcomers are turned away.
    pub(crate) full: Option<Full>,
    /// The listeners, by their index, that it cannot accept on.
    pub(crate) shut: Vec<usize>,
}

/// A worker that has as many connections as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// How many it had when that was seen last.
    pub(crate) at: u64,
    /// How many it may have.
    pub(crate) of: u64,
    /// What says so.
    pub(crate) set_by: SetBy,
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
            rooms: Mutex::new(vec![Room::default(); workers]),
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

    /// Whether newcomers get in at a worker.
    pub(crate) fn observe_room(&self, worker: usize, room: Room) {
        if let Some(seen) = self.rooms.lock().get_mut(worker) {
            *seen = room;
        }
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
        let rooms = self.rooms.lock().clone();
        let listener = |(index, listener): (usize, &Listener)| {
            let shut = rooms.iter().any(|room| room.shut.contains(&index));
            ListenerHealth { address: listener.address, accepting: listener.accepts() && !shut }
        };
        HealthInputs {
            heartbeat_ages: self.heartbeats.ages(now),
            draining: self.phase.as_ref().is_some_and(|phase| phase.borrow().is_draining()),
            saturated: self.requests_in_flight().or_else(|| connections(&rooms)),
            listeners: self.listeners.iter().enumerate().map(listener).collect(),
            snapshot: self.snapshot.get().map(|status| status.health(now)),
            sources: self.sources(now),
        }
    }
}

impl Health {
    fn requests_in_flight(&self) -> Option<Saturation> {
        let (at, of) = (self.in_flight.load(Relaxed), self.in_flight_limit.load(Relaxed));
        (at >= of).then(|| Saturation { limit: "limits.requests_in_flight".into(), at, of })
    }

    fn sources(&self, now: Instant) -> Vec<SourceHealth> {
        let file = self.file.iter().map(|file| file.health(now));
        file.chain(self.nats().map(|nats| nats.health(now))).collect()
    }
}

/// The workers whose connections are all in use, taken together: the system
/// decides whose a newcomer is, so that room elsewhere is none for it.
fn connections(rooms: &[Room]) -> Option<Saturation> {
    let full = rooms.iter().filter_map(|room| room.full);
    let all = full.reduce(|all, more| Full {
        at: all.at + more.at,
        of: all.of + more.of,
        // A higher setting would not help where descriptors are short.
        set_by: if all.set_by == SetBy::Descriptors { all.set_by } else { more.set_by },
    })?;
    Some(Saturation { limit: all.set_by.as_str().into(), at: all.at, of: all.of })
}

impl Listener {
    fn accepts(&self) -> bool {
        self.accepting.load(Relaxed) > 0
    }
}

/// A worker accepts on a listener.
pub(crate) struct Accepting(Arc<AtomicUsize>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_lets_nobody_in_is_enough() {
        let health =
            Health::new(3, &[([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()], None, None);
        let _accepting = [health.accepting(0), health.accepting(1)];
        assert!(health.inputs().ready().healthy);
        let reason = || health.inputs().ready().reason;
        health.observe_room(1, Room { full: None, shut: vec![1] });
        assert_eq!(reason().unwrap(), "the listener 127.0.0.1:2 does not accept connections");
        let full = |at, set_by| Room { full: Some(Full { at, of: 4, set_by }), shut: vec![] };
        health.observe_room(1, full(5, SetBy::Settings));
        health.observe_room(2, full(4, SetBy::Settings));
        assert_eq!(reason().unwrap(), "saturated: limits.connections is reached (9 of 8)");
        for short in [1, 2] {
            health.observe_room(1, full(4, SetBy::Settings));
            health.observe_room(2, full(4, SetBy::Settings));
            health.observe_room(short, full(4, SetBy::Descriptors));
            let short = "saturated: what file descriptors allow of connections (ulimit -n, \
                         LimitNOFILE) is reached (8 of 8)";
            assert_eq!(reason().unwrap(), short);
        }
        health.observe_room(1, Room::default());
        health.observe_room(2, Room::default());
        assert_eq!(reason(), None);
    }
}
