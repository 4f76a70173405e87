//! What is known of one endpoint, shared by every route that leads to it.

use std::net::SocketAddr;

use crate::endpoint::changes;
use crate::endpoint::condition::{Change, Condition, Reason, Seen};
use crate::endpoint::ejection::Standing;
use crate::endpoint::gate::{Gate, Permit};
use crate::endpoint::in_flight::{InFlight, Load};
use crate::endpoint::lease::Lease;
use crate::endpoint::outlier::Outlier;
use crate::endpoint::pass_over::{PASS_OVER_MS, PassOver};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};

/// The state of one address: requests in flight, the pass-over mark, what its
/// recent requests say. It belongs to the address and outlives tables (see
/// [`EndpointRegistry`](crate::endpoint::EndpointRegistry)).
#[derive(Debug)]
pub struct EndpointState {
    address: SocketAddr,
    pass_over: PassOver,
    in_flight: InFlight,
    pub(super) outlier: Outlier,
    /// When it came or came back; [`UNSEEN`] before it is in a table.
    came_ms: AtomicU64,
    /// For the operator; locked when something changes, not when nothing does.
    pub(super) noted: Mutex<Noted>,
    /// Whether a source has registered it, or ever had.
    registered: AtomicBool,
    gate: Arc<Gate>,
    /// Whether there is a limit or ever was one: then all go through the gate.
    is_gated: AtomicBool,
}

/// Since when, and why.
#[derive(Debug)]
pub(super) struct Noted {
    passed_over: (u64, Reason),
    pub(super) ejected: (u64, Reason),
    /// When the last ejection that was followed by a trial was over.
    pub(super) half_open_ms: u64,
    came: Reason,
}

const UNSEEN: u64 = u64::MAX;

/// The route an operator sees an endpoint on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenOn {
    /// Its slow start; 0 is none.
    pub slow_start_ms: u64,
    /// When its probes brought the endpoint back, if they did.
    pub brought_back_ms: Option<u64>,
    /// Whether it heeds that the endpoint is ejected.
    pub ejection_counts: bool,
}

impl Default for SeenOn {
    /// No route in particular.
    fn default() -> Self {
        Self { slow_start_ms: 0, brought_back_ms: None, ejection_counts: true }
    }
}

impl EndpointState {
    /// The state of an address nothing is known of, for so many workers.
    pub fn new(address: SocketAddr, workers: usize) -> Self {
        let nothing = (0, Reason::New);
        let gate = Arc::new(Gate::new());
        Self {
            address,
            pass_over: PassOver::new(),
            in_flight: InFlight::new(workers, &gate),
            outlier: Outlier::new(workers),
            came_ms: AtomicU64::new(UNSEEN),
            noted: Mutex::new(Noted {
                passed_over: nothing,
                ejected: nothing,
                half_open_ms: 0,
                came: Reason::New,
            }),
            registered: AtomicBool::new(false),
            gate,
            is_gated: AtomicBool::new(false),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the limit of registered endpoints is for it.
    pub(super) fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }

    /// From now on it is. To be called by who holds the limits.
    pub(super) fn note_registered(&self) {
        self.registered.store(true, Ordering::Relaxed);
    }

    /// Counts a request of this worker as in flight until the lease is dropped,
    /// if the limit on requests leaves room for it.
    pub fn try_lease(&self, worker: usize) -> Option<Lease> {
        match self.lease_ungated(worker) {
            Ok(lease) => Some(lease),
            Err(gate) => Some(self.lease_with(worker, Gate::enter(gate)?)),
        }
    }

    /// A lease where nothing is limited, else the gate to go through.
    pub(super) fn lease_ungated(&self, worker: usize) -> Result<Lease, &Arc<Gate>> {
        let counted = self.in_flight.count_ungated(worker).ok_or(&self.gate)?;
        Ok(Lease::new(counted, None))
    }

    /// A lease for one who was let in.
    pub(super) fn lease_with(&self, worker: usize, permit: Permit) -> Lease {
        Lease::new(self.in_flight.count(worker), Some(permit))
    }

    /// Whether the limit on requests seems to leave room for one more. Where
    /// there is no limit this reads nothing that requests write.
    pub(super) fn has_room(&self) -> bool {
        !self.is_gated.load(Ordering::Relaxed) || self.gate.has_room()
    }

    /// How many requests it takes at a time; `None` if there is no limit.
    pub fn max_requests(&self) -> Option<u64> {
        Some(self.gate.limit()).filter(|limit| *limit > 0)
    }

    /// How many requests it takes at a time from now on, of all routes and
    /// workers together; `None` is no limit. Requests that are in flight count,
    /// and end in their own time.
    pub(super) fn set_max_requests(&self, limit: Option<u64>) {
        let limit = limit.unwrap_or(0);
        if limit == 0 && !self.is_gated.load(Ordering::Relaxed) {
            return;
        }
        Gate::set_limit(&self.gate, limit, || {
            self.is_gated.store(true, Ordering::Relaxed);
            self.in_flight.begin_gating()
        });
    }

    /// Requests in flight from all workers, as an operator sees them.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.total()
    }

    /// Requests in flight as this worker sees them when it balances: its own
    /// exactly, the others' as of at most 10 ms ago.
    pub fn in_flight_seen_by(&self, worker: usize, now_ms: u64) -> u64 {
        self.in_flight.seen_by(worker, now_ms)
    }

    /// The same, with how long its answers take.
    pub(super) fn load_seen_by(&self, worker: usize, now_ms: u64) -> Load {
        self.in_flight.load_seen_by(worker, now_ms)
    }

    /// Notes that an answer's head came to this worker at `now_ms`, so many
    /// microseconds after its attempt began.
    pub fn answered(&self, worker: usize, now_ms: u64, took_us: u64) {
        self.in_flight.answered(worker, now_ms, took_us);
    }

    /// Notes a failed attempt: all workers pass it over for 5 s from `now_ms`.
    /// What it is now, if that is news.
    pub fn pass_over(&self, now_ms: u64, why: Reason) -> Option<Change> {
        self.pass_over_for(now_ms, PASS_OVER_MS, why)
    }

    /// Passes it over for so long, unless it is already for longer.
    pub fn pass_over_for(&self, now_ms: u64, for_ms: u64, why: Reason) -> Option<Change> {
        let news = !self.pass_over.is_marked(now_ms);
        if news {
            self.noted.lock().passed_over = (now_ms, why);
        }
        self.pass_over.mark_until(now_ms + for_ms);
        // A mark that only lasts longer need not be told: who remembers the old
        // end looks again when that has come.
        news.then(|| changed(Condition::PassedOver, why))
    }

    /// Whether it is passed over at `now_ms`.
    pub fn is_passed_over(&self, now_ms: u64) -> bool {
        self.pass_over.is_marked(now_ms)
    }

    /// Until when the last pass-over is, or was, in force; 0 if there was none.
    pub(super) fn passed_over_until_ms(&self) -> u64 {
        self.pass_over.until_ms()
    }

    /// For how many milliseconds more it is passed over; `None` if it is not.
    pub fn passed_over_for_ms(&self, now_ms: u64) -> Option<u64> {
        Some(self.pass_over.left_ms(now_ms)).filter(|left| *left > 0)
    }

    /// It is in a table from now on; only the first time counts.
    pub(super) fn enter_table(&self, now_ms: u64) {
        // Whoever loses has about the same time. Nobody remembers it otherwise:
        // a set is asked only after all of its endpoints are in a table.
        let (unseen, now) = (UNSEEN, now_ms);
        let _ = self.came_ms.compare_exchange(unseen, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It was out and is back: its share grows from here, where a route has a
    /// slow start.
    pub(crate) fn come_back(&self, now_ms: u64, why: Reason) -> Change {
        self.noted.lock().came = why;
        self.came_ms.store(now_ms, Ordering::Relaxed);
        changed(Condition::Available, why)
    }

    /// When it came, or came back.
    pub(super) fn came_ms(&self) -> u64 {
        Some(self.came_ms.load(Ordering::Relaxed)).filter(|at| *at != UNSEEN).unwrap_or(0)
    }

    /// Its condition as an operator sees it on a route.
    pub fn seen(&self, now_ms: u64, on: SeenOn) -> Seen {
        let noted = self.noted.lock();
        let (ejected, passed_over, came) = (noted.ejected, noted.passed_over, noted.came);
        // Of this ejection, not of one before.
        let half_open_ms = Some(noted.half_open_ms).filter(|since_ms| *since_ms > ejected.0);
        drop(noted);
        let came = (self.came_ms(), came);
        let came = match on.brought_back_ms {
            Some(back_ms) if back_ms > came.0 => (back_ms, Reason::Probes),
            _ => came,
        };
        let standing = if on.ejection_counts { self.standing(now_ms, 0) } else { Standing::In };
        let (condition, (since_ms, reason), until_ms) = match standing {
            Standing::In => self.seen_in(now_ms, on.slow_start_ms, passed_over, came),
            Standing::Out { until_ms } => (Condition::Ejected, ejected, Some(until_ms)),
            _ if ejected.1 == Reason::ClientsLeft => (Condition::HalfOpen, ejected, None),
            Standing::Due { .. } | Standing::OnTrial | Standing::OnLentTrial { .. } => {
                let due_ms = match standing {
                    Standing::Due { since_ms } => since_ms,
                    _ => ejected.0,
                };
                let since_ms = half_open_ms.unwrap_or(due_ms);
                (Condition::HalfOpen, (since_ms, Reason::EjectionEnded), None)
            }
        };
        Seen { condition, since_ms, reason, until_ms }
    }

    fn seen_in(
        &self,
        now_ms: u64,
        slow_start_ms: u64,
        passed_over: (u64, Reason),
        (came_ms, came): (u64, Reason),
    ) -> (Condition, (u64, Reason), Option<u64>) {
        let passed_until_ms = self.passed_over_until_ms();
        if passed_until_ms > now_ms {
            return (Condition::PassedOver, passed_over, Some(passed_until_ms));
        }
        let ramp_until_ms = came_ms.saturating_add(slow_start_ms);
        if now_ms < ramp_until_ms {
            (Condition::SlowStart, (came_ms, came), Some(ramp_until_ms))
        } else if passed_until_ms > came_ms {
            (Condition::Available, (passed_until_ms, Reason::PassOverEnded), None)
        } else {
            (Condition::Available, (came_ms, came), None)
        }
    }
}

pub(super) fn changed(to: Condition, reason: Reason) -> Change {
    changes::note();
    Change { to, reason }
}

#[cfg(all(test, not(pointsman_loom)))]
#[path = "state_tests.rs"]
mod tests;
