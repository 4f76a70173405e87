//! The client connections of one worker: how many there are, which have been
//! idle longest, and how to reach all of them at once.
//!
//! A connection registers its waker when it starts; what it then reads at each
//! turn are plain flags. So draining and cutting need no channel and no timer
//! per connection.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Instant;

use tokio::sync::Notify;

use crate::sync::Mutex;
use crate::telemetry::metrics::{ConnectionState, Side, WorkerMetrics};

/// The value of `idle_since_ms` while a request is being served.
const ACTIVE: u64 = u64::MAX;

/// Every open client connection of one worker.
pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Open, foldhash::fast::RandomState>>,
    next_key: AtomicU64,
    start: Instant,
    draining: AtomicBool,
    closing_idle: AtomicBool,
    cut: AtomicBool,
    emptied: Notify,
    metrics: Arc<WorkerMetrics>,
}

struct Open {
    state: Arc<State>,
    waker: Option<Waker>,
}

struct State {
    /// Since when no request is in progress, in ms since `start`.
    idle_since_ms: AtomicU64,
    /// Asked to make room.
    evicted: AtomicBool,
}

impl Connections {
    pub(crate) fn new(metrics: Arc<WorkerMetrics>) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(HashMap::default()),
            next_key: AtomicU64::new(0),
            start: Instant::now(),
            draining: AtomicBool::new(false),
            closing_idle: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            emptied: Notify::new(),
            metrics,
        })
    }

    /// Takes in a connection just accepted.
    pub(crate) fn enter(self: &Arc<Self>) -> ConnectionEntry {
        let state = Arc::new(State {
            idle_since_ms: AtomicU64::new(self.now_ms()),
            evicted: AtomicBool::new(false),
        });
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(key, Open { state: state.clone(), waker: None });
        self.metrics.connection_opened(Side::Client, ConnectionState::Idle);
        ConnectionEntry { connections: self.clone(), key, state }
    }

    /// The number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Asks the connection that has been longest without a whole request to
    /// close; false if every one is in use.
    pub(crate) fn evict_longest_idle(&self) -> bool {
        let open = self.open.lock();
        let longest = open
            .values()
            .filter(|open| !open.state.evicted.load(Ordering::Relaxed))
            .filter(|open| open.state.idle_since_ms.load(Ordering::Relaxed) != ACTIVE)
            .min_by_key(|open| open.state.idle_since_ms.load(Ordering::Relaxed));
        let Some(longest) = longest else { return false };
        longest.state.evicted.store(true, Ordering::Relaxed);
        if let Some(waker) = &longest.waker {
            waker.wake_by_ref();
        }
        true
    }

    /// From now on answers say `Connection: close` and, once `close_idle` is
    /// called too, idle connections close.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Closes the connections that wait for a request, now and later.
    pub(crate) fn close_idle(&self) {
        self.closing_idle.store(true, Ordering::Relaxed);
        for open in self.open.lock().values() {
            if let Some(waker) = &open.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Ends every connection at once.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        for open in self.open.lock().values() {
            if let Some(waker) = &open.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Waits until none is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(ACTIVE - 1)
    }
}

/// One connection's place among the others; left when dropped.
pub(crate) struct ConnectionEntry {
    connections: Arc<Connections>,
    key: u64,
    state: Arc<State>,
}

impl ConnectionEntry {
    /// A request is in progress.
    pub(crate) fn active(&self) {
        if self.state.idle_since_ms.swap(ACTIVE, Ordering::Relaxed) != ACTIVE {
            self.connections.metrics.connection_became(Side::Client, ConnectionState::Active);
        }
    }

    /// The request is over.
    pub(crate) fn idle(&self) {
        let now_ms = self.connections.now_ms();
        if self.state.idle_since_ms.swap(now_ms, Ordering::Relaxed) == ACTIVE {
            self.connections.metrics.connection_became(Side::Client, ConnectionState::Idle);
        }
    }

    /// Whether answers should say that the connection closes.
    pub(crate) fn is_draining(&self) -> bool {
        self.connections.draining.load(Ordering::Relaxed)
    }

    /// Whether to close while no request is whole: it has been longest without
    /// one, and another connection needs the room. Half a head is no excuse, or
    /// one byte on each connection would make the limit a soft one.
    pub(crate) fn is_evicted(&self) -> bool {
        self.state.evicted.load(Ordering::Relaxed)
    }

    /// Whether to close unless a request has begun to come.
    pub(crate) fn closes_idle(&self) -> bool {
        self.connections.closing_idle.load(Ordering::Relaxed)
    }

    /// Runs `connection` until it ends or everything is cut.
    pub(crate) async fn until_cut<F: Future<Output = ()>>(&self, connection: F) {
        let mut connection = pin!(connection);
        let mut registered = false;
        poll_fn(|cx| {
            if !registered {
                registered = true;
                if let Some(open) = self.connections.open.lock().get_mut(&self.key) {
                    open.waker = Some(cx.waker().clone());
                }
            }
            if self.connections.cut.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            connection.as_mut().poll(cx)
        })
        .await;
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        let active = self.state.idle_since_ms.load(Ordering::Relaxed) == ACTIVE;
        let state = if active { ConnectionState::Active } else { ConnectionState::Idle };
        self.connections.metrics.connection_closed(Side::Client, state);
        let mut open = self.connections.open.lock();
        open.remove(&self.key);
        if open.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}
