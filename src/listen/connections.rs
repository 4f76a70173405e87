//! The client connections of one worker: how many there are, which have been
//! idle longest, and how to reach all of them at once.
//!
//! A connection registers its waker when it starts; what it then reads at each
//! turn are plain flags. So draining and cutting need no channel and no timer
//! per connection.

mod entry;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::lifecycle::{DrainGate, Task, TaskKind};
use crate::sync::Mutex;
use crate::telemetry::metrics::{ConnectionState, Side, WorkerMetrics};

pub(crate) use entry::ConnectionEntry;

/// The value of `idle_since_us` while a request is being served.
const ACTIVE: u64 = u64::MAX;

/// How long a connection may be silent at first and still count as one whose
/// request is on its way.
pub(crate) const FIRST_REQUEST_COMES: Duration = Duration::from_millis(500);

/// How long a connection that was used may be idle and still count as one whose
/// next request is on its way: many clients send one behind the other, and with
/// the answer just written they were not told of a close.
const NEXT_REQUEST_COMES: Duration = FIRST_REQUEST_COMES;

/// How many are remembered of one look for the longest idle.
const EVICTIONS_A_LOOK: usize = 512;

/// Every open client connection of one worker.
pub(crate) struct Connections {
    open: DrainGate<Arc<State>>,
    /// When the next to be evicted became idle, and their keys; the first to
    /// go is last.
    longest_idle: Mutex<Vec<(u64, u64)>>,
    /// How many have no request in progress: with none, nobody looks.
    idle: AtomicUsize,
    /// How many of these were asked to make room, and do at their next turns.
    leaving: AtomicUsize,
    /// Whether a newcomer was turned away since the last look.
    turned_away: AtomicBool,
    start: Instant,
    draining: AtomicBool,
    metrics: Arc<WorkerMetrics>,
}

struct State {
    client: SocketAddr,
    since: Instant,
    /// Since when no request is in progress, in µs since `start`.
    idle_since_us: AtomicU64,
    /// Whether it has brought a request.
    used: AtomicBool,
    /// Asked to make room.
    evicted: AtomicBool,
    /// Asked to close, because the router does.
    closes_idle: AtomicBool,
    /// Since when its first request could come, in µs since `start`.
    first_request_us: AtomicU64,
}

impl State {
    /// Since when it could be asked to make room, if it can.
    fn evictable_since_us(&self) -> Option<u64> {
        let idle_since_us = self.idle_since_us.load(Ordering::Relaxed);
        let in_use = idle_since_us == ACTIVE || self.evicted.load(Ordering::Relaxed);
        (!in_use).then_some(idle_since_us)
    }

    fn task(&self) -> Task {
        let idle_since_us = self.idle_since_us.load(Ordering::Relaxed);
        Task {
            kind: TaskKind::Connection,
            subject: self.client.to_string(),
            state: Some(if idle_since_us == ACTIVE { "active" } else { "idle" }),
            since: self.since,
        }
    }
}

impl Connections {
    pub(crate) fn new(metrics: Arc<WorkerMetrics>) -> Arc<Self> {
        Arc::new(Self {
            open: DrainGate::new(),
            longest_idle: Mutex::new(Vec::new()),
            idle: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            turned_away: AtomicBool::new(false),
            start: Instant::now(),
            draining: AtomicBool::new(false),
            metrics,
        })
    }

    /// As if they had been there for so long already.
    #[cfg(test)]
    pub(crate) fn aged(mut self: Arc<Self>, by: Duration) -> Arc<Self> {
        Arc::get_mut(&mut self).expect("nobody else has it yet").start -= by;
        self
    }

    /// Takes in a connection just accepted from `client`.
    pub(crate) fn enter(self: &Arc<Self>, client: SocketAddr) -> ConnectionEntry {
        let now_us = self.now_us();
        let state = Arc::new(State {
            client,
            since: Instant::now(),
            idle_since_us: AtomicU64::new(now_us),
            used: AtomicBool::new(false),
            evicted: AtomicBool::new(false),
            closes_idle: AtomicBool::new(false),
            first_request_us: AtomicU64::new(now_us),
        });
        let key = self.open.enter(state.clone());
        self.idle.fetch_add(1, Ordering::Relaxed);
        self.metrics.connection_opened(Side::Client, ConnectionState::Idle);
        ConnectionEntry { connections: self.clone(), key, state }
    }

    /// The number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The number of those that are not about to leave.
    pub(crate) fn staying(&self) -> usize {
        self.len().saturating_sub(self.leaving.load(Ordering::Relaxed))
    }

    /// Whether some were asked to make room and have not left yet.
    pub(crate) fn some_leave(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) > 0
    }

    /// An idle one is asked to leave if more than `limit` are to stay.
    pub(crate) fn make_room_beyond(&self, limit: usize) {
        if self.staying() > limit {
            self.evict_longest_idle();
        }
    }

    /// The tasks that serve them.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        // Addresses are written out after the lock has been let go.
        self.open.known().iter().map(|state| state.task()).collect()
    }

    /// A newcomer found no room.
    pub(crate) fn turned_away(&self) {
        self.turned_away.store(true, Ordering::Relaxed);
    }

    /// Whether a newcomer would find no room among `limit` now, or one found
    /// none since the last look.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        let turned_away = self.turned_away.swap(false, Ordering::Relaxed);
        turned_away || (self.idle.load(Ordering::Relaxed) == 0 && self.len() >= limit)
    }

    /// Asks the connection that has been longest without a whole request to
    /// close; false if every one is in use.
    pub(crate) fn evict_longest_idle(&self) -> bool {
        if self.idle.load(Ordering::Relaxed) <= self.leaving.load(Ordering::Relaxed) {
            return false;
        }
        let mut longest_idle = self.longest_idle.lock();
        loop {
            if longest_idle.is_empty() {
                *longest_idle = self.look_for_longest_idle();
            }
            let Some((since_us, key)) = longest_idle.pop() else { return false };
            // One that was used since is idle for less than those behind it.
            let evict = |state: &Arc<State>| {
                let still = state.evictable_since_us() == Some(since_us);
                still && !state.evicted.swap(true, Ordering::Relaxed)
            };
            if self.open.wake_one(key, evict) {
                self.leaving.fetch_add(1, Ordering::Relaxed);
                return true;
            }
        }
    }

    /// The ones idle longest, the longest last. Whoever becomes idle after
    /// this look has been so for less long, so that one look serves many
    /// evictions: each costs little, however many connections there are.
    fn look_for_longest_idle(&self) -> Vec<(u64, u64)> {
        let mut idle = self.open.ranked(|state| state.evictable_since_us());
        if idle.len() > EVICTIONS_A_LOOK {
            idle.select_nth_unstable(EVICTIONS_A_LOOK);
            idle.truncate(EVICTIONS_A_LOOK);
            idle.shrink_to_fit();
        }
        idle.sort_unstable_by(|a, b| b.cmp(a));
        idle
    }

    /// From now on answers say `Connection: close`.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Closes the connections that wait for a request, except those that were
    /// opened just now: their first one is on its way, and its client has no
    /// reason to think that it might not be answered.
    pub(crate) fn close_idle(&self) {
        self.close_idle_at(self.now_us());
    }

    fn close_idle_at(&self, now_us: u64) {
        let silent_since_us = now_us.saturating_sub(micros(FIRST_REQUEST_COMES));
        self.close_those(|state| {
            state.used.load(Ordering::Relaxed)
                || state.idle_since_us.load(Ordering::Relaxed) < silent_since_us
        });
    }

    /// Closes all connections that wait for a request.
    pub(crate) fn close_silent(&self) {
        self.close_those(|_| true);
    }

    /// Wakes those that wait for a request: what they keep to has changed.
    pub(crate) fn look_again(&self) {
        self.open.wake(|state| state.idle_since_us.load(Ordering::Relaxed) != ACTIVE);
    }

    fn close_those(&self, which: impl Fn(&State) -> bool) {
        self.open.wake(|state| {
            let closes = which(state);
            if closes {
                state.closes_idle.store(true, Ordering::Relaxed);
            }
            closes
        });
    }

    /// Ends every connection at once.
    pub(crate) fn cut(&self) {
        self.open.cut();
    }

    /// Waits until none is open.
    pub(crate) async fn all_closed(&self) {
        poll_fn(|cx| self.open.poll_empty(cx)).await;
    }

    fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    fn at_us(&self, moment: Instant) -> u64 {
        micros(moment.saturating_duration_since(self.start)).min(ACTIVE - 1)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
