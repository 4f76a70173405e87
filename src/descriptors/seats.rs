//! Who of a worker's connections holds how many descriptors.
//!
//! Clients are counted where they are counted for the metrics; here are those
//! to endpoints, and the duplicates that watch for a departure. Those can be
//! done without, so they are made only of what the others leave over, and count
//! like any other once they are there: a client that sends far ahead holds one
//! for as long as its request lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::descriptors::Share;
use crate::telemetry::metrics::WorkerMetrics;

/// The descriptors of one worker's connections.
#[derive(Debug)]
pub(crate) struct Seats {
    share: Share,
    /// Indexed by [`For`].
    taken: [AtomicUsize; 2],
    metrics: Arc<WorkerMetrics>,
}

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Endpoint,
    Watch,
}

/// One descriptor, counted until this drops.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    is_for: For,
}

impl Seat {
    fn take(seats: &Arc<Seats>, is_for: For) -> Self {
        seats.taken[is_for as usize].fetch_add(1, Relaxed);
        Self { seats: seats.clone(), is_for }
    }

    /// Those it is one of.
    pub(crate) fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken[self.is_for as usize].fetch_sub(1, Relaxed);
    }
}

impl Seats {
    /// For a worker that may hold so much, whose clients `metrics` counts.
    pub(crate) fn new(share: Share, metrics: Arc<WorkerMetrics>) -> Arc<Self> {
        Arc::new(Self { share, taken: Default::default(), metrics })
    }

    /// More than a test needs.
    #[cfg(test)]
    pub(crate) fn plenty() -> Arc<Self> {
        Self::new(Share::of(1_000, 1), crate::telemetry::metrics::Metrics::new(1).worker(0))
    }

    /// For how many clients the others leave descriptors.
    pub(crate) fn clients_beside(&self) -> usize {
        let others = self.endpoints() + self.taken(For::Watch);
        self.share.connections.saturating_sub(others)
    }

    /// Connections to endpoints, idle or not, or that are being made.
    pub(crate) fn endpoints(&self) -> usize {
        self.taken(For::Endpoint)
    }

    /// Whether there are more connections to endpoints than may be idle.
    pub(crate) fn has_surplus(&self) -> bool {
        self.endpoints() > self.share.endpoints
    }

    /// A connection to an endpoint is about to be opened. Where there are as
    /// many as may be idle, `close_idle` is to close one, and says whether it
    /// did; else idle clients make room. They are asked to by whoever is served,
    /// and may not have done so yet.
    ///
    /// `None` if what is in exchanges is all that there may be.
    pub(crate) fn for_endpoint(
        self: &Arc<Self>,
        close_idle: impl FnOnce() -> bool,
    ) -> Option<Seat> {
        let seat = Seat::take(self, For::Endpoint);
        if self.has_surplus() {
            let (_, idle) = self.metrics.clients();
            let made = close_idle() || idle > 0;
            // Among the clients are those that are being refused.
            if !made && self.all() > self.share.connections + self.share.refusals {
                return None;
            }
        }
        Some(seat)
    }

    /// For a duplicate that watches for a departure; `None` if none is left
    /// over.
    pub(crate) fn for_watch(self: &Arc<Self>) -> Option<Seat> {
        (self.all() < self.share.connections).then(|| Seat::take(self, For::Watch))
    }

    fn all(&self) -> usize {
        let (clients, _) = self.metrics.clients();
        let clients = usize::try_from(clients).unwrap_or(usize::MAX);
        clients.saturating_add(self.taken(For::Endpoint)).saturating_add(self.taken(For::Watch))
    }

    fn taken(&self, is_for: For) -> usize {
        self.taken[is_for as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{ConnectionState, Metrics, Side};

    /// So many connections to endpoints, and four more than these in all.
    fn seats(endpoints: usize) -> (Arc<Seats>, Arc<WorkerMetrics>) {
        let share = Share { clients: 4, refusals: 1, endpoints, connections: endpoints + 4 };
        let metrics = Metrics::new(1).worker(0);
        (Seats::new(share, metrics.clone()), metrics)
    }

    const NONE_IDLE: fn() -> bool = || false;

    #[test]
    fn clients_and_connections_to_endpoints_together_are_never_too_many() {
        let (seats, metrics) = seats(2);
        assert_eq!(seats.clients_beside(), 6);
        (0..4).for_each(|_| metrics.connection_opened(Side::Client, ConnectionState::Active));
        let taken: Vec<_> = (0..3).map(|_| seats.for_endpoint(NONE_IDLE).unwrap()).collect();
        assert_eq!(seats.clients_beside(), 3);
        assert!(seats.for_endpoint(NONE_IDLE).is_none());
        assert_eq!(seats.clients_beside(), 3, "who was refused holds nothing");
        assert!(seats.for_endpoint(|| true).is_some(), "one that was idle is closed");
        metrics.connection_opened(Side::Client, ConnectionState::Idle);
        assert!(seats.for_endpoint(NONE_IDLE).is_some(), "one client is about to leave");
        (0..2).for_each(|_| metrics.connection_closed(Side::Client, ConnectionState::Idle));
        assert!(seats.for_endpoint(NONE_IDLE).is_some(), "one client has left");
        drop(taken);
        assert_eq!(seats.clients_beside(), 6);
    }

    #[test]
    fn who_watches_takes_what_is_left_over_and_counts() {
        let (seats, metrics) = seats(2);
        (0..4).for_each(|_| metrics.connection_opened(Side::Client, ConnectionState::Active));
        let watches: Vec<_> = (0..9).map_while(|_| seats.for_watch()).collect();
        assert_eq!((watches.len(), seats.clients_beside()), (2, 4));
        let endpoints: Vec<_> = (0..2).map(|_| seats.for_endpoint(NONE_IDLE).unwrap()).collect();
        assert!(seats.for_endpoint(NONE_IDLE).is_none(), "watches hold what it would need");
        drop(watches);
        assert!(seats.for_watch().is_none(), "clients and endpoints are all that there may be");
        assert!(seats.for_endpoint(NONE_IDLE).is_some());
        drop(endpoints);
        assert!(seats.for_watch().is_some());
    }
}
