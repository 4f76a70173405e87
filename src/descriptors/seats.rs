//! Who of a worker's connections holds how many descriptors.
//!
//! Clients count themselves; here are those to endpoints, and the duplicates
//! that watch for a departure. Those can be done without, so they are made only
//! of what the others leave over, and count like any other once they are there:
//! a client that sends far ahead holds one for as long as its request lasts.
//!
//! What is counted is what is held. An idle client that was asked to make room
//! has its descriptor until it has left, and it may not leave at all, because
//! its request has come: whoever needs the room waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::descriptors::Share;
use crate::listen::connections::Connections;

/// The descriptors of one worker's connections.
pub(crate) struct Seats {
    share: Share,
    /// Indexed by [`For`].
    taken: [AtomicUsize; 2],
    clients: Arc<Connections>,
}

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Endpoint,
    Watch,
}

/// One descriptor, counted until this drops.
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
    /// For a worker that may hold so much and has these clients.
    pub(crate) fn new(share: Share, clients: Arc<Connections>) -> Arc<Self> {
        Arc::new(Self { share, taken: Default::default(), clients })
    }

    /// For a test that holds only what it takes here.
    #[cfg(test)]
    pub(crate) fn without_clients(share: Share) -> Arc<Self> {
        let metrics = crate::telemetry::metrics::Metrics::new(1).worker(0);
        Self::new(share, Connections::new(metrics))
    }

    /// More than a test needs.
    #[cfg(test)]
    pub(crate) fn plenty() -> Arc<Self> {
        Self::without_clients(Share::of(1_000, 1, 1))
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
    /// did; else an idle client is asked to make room.
    ///
    /// `None` if there may be no more than there are now; see
    /// [`some_leave`](Self::some_leave).
    pub(crate) fn for_endpoint(self: &Arc<Self>, close_idle: impl Fn() -> bool) -> Option<Seat> {
        let seat = Seat::take(self, For::Endpoint);
        if self.has_surplus() && close_idle() {
            return Some(seat);
        }
        if self.all() > self.share.connections {
            self.clients.make_room_beyond(self.clients_beside());
            // Among the clients are those that are being refused.
            let most = self.share.connections + self.share.refusals;
            if self.all() > most && !close_idle() {
                return None;
            }
        }
        Some(seat)
    }

    /// Whether there will be room in a moment, unless others take it.
    pub(crate) fn some_leave(&self) -> bool {
        self.clients.some_leave()
    }

    /// For a duplicate that watches for a departure; `None` if none is left
    /// over.
    pub(crate) fn for_watch(self: &Arc<Self>) -> Option<Seat> {
        (self.all() < self.share.connections).then(|| Seat::take(self, For::Watch))
    }

    fn all(&self) -> usize {
        self.clients.len() + self.taken(For::Endpoint) + self.taken(For::Watch)
    }

    fn taken(&self, is_for: For) -> usize {
        self.taken[is_for as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::connections::ConnectionEntry;

    /// So many connections to endpoints, and four more than these in all.
    fn seats(endpoints: usize) -> Arc<Seats> {
        let connections = endpoints + 4;
        Seats::without_clients(Share { clients: 4, refusals: 1, endpoints, connections })
    }

    fn idle(seats: &Seats) -> ConnectionEntry {
        seats.clients.enter(([127, 0, 0, 1], 40_000).into())
    }

    fn served(seats: &Seats) -> ConnectionEntry {
        let entry = idle(seats);
        entry.active();
        entry
    }

    const NONE_IDLE: fn() -> bool = || false;

    #[test]
    fn clients_and_connections_to_endpoints_together_are_never_too_many() {
        let seats = seats(2);
        assert_eq!(seats.clients_beside(), 6);
        let mut clients: Vec<_> = (0..4).map(|_| served(&seats)).collect();
        let taken: Vec<_> = (0..3).map(|_| seats.for_endpoint(NONE_IDLE).unwrap()).collect();
        assert_eq!(seats.clients_beside(), 3);
        assert!(seats.for_endpoint(NONE_IDLE).is_none() && !seats.some_leave());
        assert_eq!(seats.clients_beside(), 3, "who was refused holds nothing");
        assert!(seats.for_endpoint(|| true).is_some(), "one that was idle is closed");
        clients.pop();
        assert!(seats.for_endpoint(NONE_IDLE).is_some(), "one client has left");
        drop(taken);
        assert_eq!(seats.clients_beside(), 6);
    }

    #[test]
    fn whoever_needs_the_room_of_idle_clients_has_it_when_they_have_left() {
        let seats = seats(2);
        let _served = [served(&seats), served(&seats)];
        let clients = [idle(&seats), idle(&seats)];
        let evicted = || clients.iter().filter(|client| client.is_evicted()).count();
        let mut taken: Vec<_> = (0..2).map(|_| seats.for_endpoint(NONE_IDLE).unwrap()).collect();
        assert_eq!(evicted(), 0, "there is room for all");
        taken.extend(seats.for_endpoint(NONE_IDLE));
        assert_eq!((taken.len(), evicted()), (3, 1), "as many are refused at most");
        for _ in 0..3 {
            assert!(seats.for_endpoint(NONE_IDLE).is_none() && seats.some_leave());
            assert_eq!(evicted(), 2, "one for each");
        }
        let [first, second] = clients;
        // Its request came before it had left.
        first.active();
        assert!(seats.for_endpoint(NONE_IDLE).is_none() && seats.some_leave());
        drop(second);
        taken.extend(seats.for_endpoint(NONE_IDLE));
        assert!(seats.for_endpoint(NONE_IDLE).is_none() && !seats.some_leave());
        assert_eq!(taken.len(), 4);
    }

    #[test]
    fn idle_connections_to_endpoints_make_room_where_watches_hold_what_is_left_over() {
        let seats = seats(4);
        let _clients: Vec<_> = (0..4).map(|_| served(&seats)).collect();
        let _watches: Vec<_> = (0..9).map_while(|_| seats.for_watch()).collect();
        let _last = seats.for_endpoint(NONE_IDLE).unwrap();
        assert!(!seats.has_surplus() && seats.for_endpoint(NONE_IDLE).is_none());
        assert!(seats.for_endpoint(|| true).is_some());
    }

    #[test]
    fn who_watches_takes_what_is_left_over_and_counts() {
        let seats = seats(2);
        let _clients: Vec<_> = (0..4).map(|_| served(&seats)).collect();
        let watches: Vec<_> = (0..9).map_while(|_| seats.for_watch()).collect();
        assert_eq!((watches.len(), seats.clients_beside()), (2, 4));
        let one = seats.for_endpoint(NONE_IDLE).unwrap();
        assert!(seats.for_endpoint(NONE_IDLE).is_none(), "watches hold what it would need");
        drop(watches);
        let other = seats.for_endpoint(NONE_IDLE).unwrap();
        assert!(seats.for_watch().is_none(), "clients and endpoints are all that there may be");
        assert!(seats.for_endpoint(NONE_IDLE).is_some());
        drop((one, other));
        assert!(seats.for_watch().is_some());
    }
}
