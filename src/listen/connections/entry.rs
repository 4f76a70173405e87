//! One connection among the others: what its serving tells them, and what it is
//! told.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{ACTIVE, Connections, FIRST_REQUEST_COMES, NEXT_REQUEST_COMES, State, micros};
use crate::telemetry::metrics::{ConnectionState, Side};

/// One connection's place among the others; left when dropped.
pub(crate) struct ConnectionEntry {
    pub(super) connections: Arc<Connections>,
    pub(super) key: u64,
    pub(super) state: Arc<State>,
}

impl ConnectionEntry {
    /// A request is in progress.
    pub(crate) fn active(&self) {
        self.state.used.store(true, Ordering::Relaxed);
        if self.state.idle_since_us.swap(ACTIVE, Ordering::Relaxed) != ACTIVE {
            self.idles_no_more();
            self.connections.metrics.connection_became(Side::Client, ConnectionState::Active);
        }
    }

    /// The request is over by now.
    pub(crate) fn idle(&self, now: Instant) {
        let now_us = self.connections.at_us(now);
        if self.state.idle_since_us.swap(now_us, Ordering::Relaxed) == ACTIVE {
            self.connections.idle.fetch_add(1, Ordering::Relaxed);
            if self.is_evicted() {
                self.connections.leaving.fetch_add(1, Ordering::Relaxed);
            }
            self.connections.metrics.connection_became(Side::Client, ConnectionState::Idle);
        }
    }

    fn idles_no_more(&self) {
        self.connections.idle.fetch_sub(1, Ordering::Relaxed);
        if self.is_evicted() {
            self.connections.leaving.fetch_sub(1, Ordering::Relaxed);
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

    /// Whether it had to make room before its first request, which has come all
    /// the same: in a rush of newcomers nobody can be told from the idle. One
    /// that has been served is served to the end.
    pub(crate) fn is_turned_away(&self) -> bool {
        let away = self.is_evicted() && !self.state.used.load(Ordering::Relaxed);
        if away {
            self.connections.turned_away();
        }
        away
    }

    /// Whether it was asked to close, because the router does.
    pub(crate) fn closes_idle(&self) -> bool {
        self.state.closes_idle.load(Ordering::Relaxed)
    }

    /// After how long to close unless a request has begun to come; `None` if
    /// nobody asks for that.
    ///
    /// One that has brought none gets the time for its first, counted from when
    /// that could come: a client whose handshake has just ended has no reason
    /// to think that its request might not be answered. One that was used just
    /// now gets the time for its next, whose answer will say that it closes.
    pub(crate) fn closes_idle_in(&self) -> Option<Duration> {
        if !self.closes_idle() {
            return None;
        }
        let (since_us, patience) = if self.state.used.load(Ordering::Relaxed) {
            (&self.state.idle_since_us, NEXT_REQUEST_COMES)
        } else {
            (&self.state.first_request_us, FIRST_REQUEST_COMES)
        };
        let due_us = since_us.load(Ordering::Relaxed).saturating_add(micros(patience));
        Some(Duration::from_micros(due_us.saturating_sub(self.connections.now_us())))
    }

    /// What comes before HTTP is over: from now on a request can come.
    pub(crate) fn greeted(&self) {
        let now_us = self.connections.now_us();
        self.state.first_request_us.store(now_us, Ordering::Relaxed);
        if !self.is_active() {
            self.state.idle_since_us.store(now_us, Ordering::Relaxed);
        }
    }

    /// Runs `connection` until it ends or everything is cut. It is polled
    /// once more at the cut, so that what can be answered is. It comes pinned:
    /// taken by value, every connection would have room for it twice.
    ///
    /// A panic that nobody caught before is this connection's end, and counted.
    pub(crate) async fn until_cut(&self, mut connection: Pin<&mut impl Future<Output = ()>>) {
        let mut registered = false;
        poll_fn(|cx| {
            if !registered {
                registered = true;
                self.connections.open.reach_by(self.key, cx.waker());
            }
            let cut = self.connections.open.is_cut();
            match catch_unwind(AssertUnwindSafe(|| connection.as_mut().poll(cx))) {
                Ok(Poll::Pending) if !cut => Poll::Pending,
                Ok(_) => Poll::Ready(()),
                Err(_) => {
                    self.connections.metrics.panicked();
                    Poll::Ready(())
                }
            }
        })
        .await;
    }

    fn is_active(&self) -> bool {
        self.state.idle_since_us.load(Ordering::Relaxed) == ACTIVE
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        let state = if self.is_active() {
            ConnectionState::Active
        } else {
            self.idles_no_more();
            ConnectionState::Idle
        };
        self.connections.metrics.connection_closed(Side::Client, state);
        self.connections.open.leave(self.key);
    }
}
