//! Idle endpoint connections of one worker.
//!
//! Each worker keeps its own, so that a connection never changes threads. The
//! youngest is taken first: the rest grow old together and expire. The lock is
//! never contended inside a worker; it is there so that the same router also
//! runs in a multi-threaded runtime.
//!
//! A worker has a bound on the endpoint connections it keeps, those in exchanges
//! and those at rest. Where one more is needed, the one idle longest makes room,
//! whichever endpoint it leads to: idle ones only ever use what is left over.
//! Without an idle one there may be more, while clients leave descriptors over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::descriptors::{Seat, Seats};
use crate::telemetry::metrics::ConnectionState;
use crate::upstream::Shortage;
use crate::upstream::connection::EndpointConnection;
use crate::upstream::idle::Idle;

/// A request that must not be sent twice takes only a connection that was
/// idle for less than this (a stale one would have to be answered 502).
const FRESH: Duration = Duration::from_secs(1);

/// After so many turns of the runtime an idle client that was asked to make room
/// has done so: at the first it hears of it, before the second it looks whether
/// its request has come, and who waits for it may be ahead of it each time.
const TURNS_TO_LEAVE: usize = 4;

/// What kind of connection a request may be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any that looks alive: if it dies, the request can be sent again.
    Any,
    /// Only one used a moment ago.
    Fresh,
}

/// What the runtime heard of a connection is at most a turn of its loop old;
/// after this long the system itself is asked.
const HEARSAY: Duration = Duration::from_millis(10);

/// Whether a connection was closed by its endpoint, or spoiled by bytes nobody
/// asked for. For a request that must not be sent twice the system is always
/// asked.
fn looks_closed(connection: &mut EndpointConnection, reuse: Reuse, idle: Duration) -> bool {
    let hearsay = reuse == Reuse::Any && idle < HEARSAY;
    if hearsay && !connection.stream.seems_disturbed() {
        return false;
    }
    connection.stream.is_disturbed()
}

/// Where a connection leads, and what its endpoint was verified as.
pub(crate) type Place = (SocketAddr, u64);

/// The idle connections of a worker; boxed, since they move to their exchange
/// and back.
pub(crate) struct Pool {
    idle: Idle<Place, Box<EndpointConnection>>,
    seats: Arc<Seats>,
}

impl Pool {
    /// For connections that are counted there.
    pub(crate) fn new(seats: Arc<Seats>) -> Self {
        Self { idle: Idle::default(), seats }
    }

    /// Makes room for a connection about to be opened, where clients are so many
    /// and so many of them idle. What is in exchanges stays.
    ///
    /// # Errors
    /// If clients and connections in exchanges are all that there may be.
    pub(crate) async fn wait_for_room(&self) -> Result<Seat, Shortage> {
        for _ in 0..TURNS_TO_LEAVE {
            match self.make_room() {
                Err(_) if self.seats.some_leave() => tokio::task::yield_now().await,
                made => return made,
            }
        }
        self.make_room()
    }

    /// The same at once, though idle clients may not have left yet.
    ///
    /// # Errors
    /// As for [`wait_for_room`](Self::wait_for_room).
    pub(crate) fn make_room(&self) -> Result<Seat, Shortage> {
        // Its socket closes here, after the lock has been let go.
        let close_idle = || self.idle.take_oldest().is_some();
        self.seats.for_endpoint(close_idle).ok_or(Shortage::Descriptors)
    }

    /// Closes all that are idle; whether there was any.
    pub(crate) fn close_idle(&self) -> bool {
        !self.idle.take_all().is_empty()
    }

    /// Takes a connection that was idle for less than `keep` and that the
    /// system says is open and silent.
    pub(crate) fn take(
        &self,
        place: Place,
        reuse: Reuse,
        keep: Duration,
        now: Instant,
    ) -> Option<Box<EndpointConnection>> {
        let most = match reuse {
            Reuse::Any => keep,
            Reuse::Fresh => keep.min(FRESH),
        };
        loop {
            let (mut connection, idle) = self.idle.take(&place, most, now.into_std())?;
            if !looks_closed(&mut connection, reuse, idle) {
                connection.enter(ConnectionState::Active);
                return Some(connection);
            }
        }
    }

    /// Takes a connection back after a whole exchange; closes it if there are
    /// more than there may be.
    pub(crate) fn put(&self, mut connection: Box<EndpointConnection>, now: Instant) {
        debug_assert!(connection.is_clean());
        if self.seats.has_surplus() {
            return;
        }
        connection.exchanges += 1;
        connection.enter(ConnectionState::Idle);
        connection.inbox.release();
        connection.outbox.clear();
        let surplus = self.idle.put(connection.place, connection, now.into_std());
        // Its socket closes here, after the lock has been let go.
        drop(surplus);
    }

    /// Closes what has been idle for `keep`, was closed by its endpoint, or
    /// leads to an address that is no longer `wanted`.
    pub(crate) fn sweep(&self, keep: Duration, now: Instant, wanted: impl Fn(SocketAddr) -> bool) {
        let usable = |connection: &mut Box<EndpointConnection>| {
            !connection.stream.seems_disturbed() && wanted(connection.place.0)
        };
        // The sockets close here, after the lock has been let go.
        drop(self.idle.sweep(keep, now.into_std(), usable));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::net::TcpStream;

    use super::*;
    use crate::descriptors::Share;
    use crate::telemetry::metrics::Metrics;
    use crate::transport::Transport;
    use crate::upstream::Hop;

    const SECOND: Duration = Duration::from_secs(1);

    const PLACE: Place = (SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80), 0);

    /// For so many connections to endpoints that may be idle, and one client.
    fn pool(endpoints: usize) -> Pool {
        let share = Share { clients: 1, refusals: 1, endpoints, connections: endpoints + 1 };
        Pool::new(Seats::without_clients(share))
    }

    fn opened(pool: &Pool, stream: impl Transport + 'static) -> Box<EndpointConnection> {
        opened_to(PLACE.0, pool, stream)
    }

    fn opened_to(
        endpoint: SocketAddr,
        pool: &Pool,
        stream: impl Transport + 'static,
    ) -> Box<EndpointConnection> {
        let (metrics, seat) = (Metrics::new(1).worker(0), pool.make_room().unwrap());
        let stream = Box::new(stream);
        Box::new(EndpointConnection::new(stream, endpoint, &Hop::PLAIN, metrics, seat))
    }

    /// Whether a connection that was idle for so long is given to such a
    /// request, where they are kept for `keep`.
    fn is_given(idle: Duration, reuse: Reuse, keep: Duration) -> bool {
        let (pool, now) = (pool(10), Instant::now());
        let (ours, _theirs) = tokio::io::duplex(1);
        pool.put(opened(&pool, ours), now);
        pool.take(PLACE, reuse, keep, now + idle).is_some()
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_repeated_takes_only_what_was_just_used() {
        for (idle, reuse, keep, given) in [
            (SECOND / 2, Reuse::Fresh, 60 * SECOND, true),
            (SECOND, Reuse::Fresh, 60 * SECOND, false),
            (SECOND, Reuse::Any, 60 * SECOND, true),
            (60 * SECOND, Reuse::Any, 60 * SECOND, false),
            // Nobody takes what is kept no more.
            (SECOND / 2, Reuse::Fresh, SECOND / 4, false),
            (SECOND / 2, Reuse::Any, SECOND / 4, false),
        ] {
            assert_eq!(is_given(idle, reuse, keep), given, "{reuse:?} after {idle:?} of {keep:?}");
        }
    }

    #[tokio::test]
    async fn the_system_is_asked_before_what_cannot_be_repeated_and_after_a_while() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (idle, reuse, given) in [
            (HEARSAY / 2, Reuse::Any, true),
            (HEARSAY / 2, Reuse::Fresh, false),
            (HEARSAY, Reuse::Any, false),
        ] {
            let (pool, now) = (pool(10), Instant::now());
            let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (theirs, _) = listener.accept().unwrap();
            pool.put(opened(&pool, ours), now);
            // The runtime does not turn from here on, and hears nothing of it.
            drop(theirs);
            let taken = pool.take(PLACE, reuse, 60 * SECOND, now + idle);
            assert_eq!(taken.is_some(), given, "{reuse:?} after {idle:?}");
        }
    }

    #[tokio::test]
    async fn of_more_connections_than_may_be_open_those_that_come_back_are_closed() {
        let (pool, now) = (pool(1), Instant::now());
        let [(one, _), (two, _)] = [tokio::io::duplex(1), tokio::io::duplex(1)];
        let [one, two] = [opened(&pool, one), opened(&pool, two)];
        pool.put(one, now);
        assert!(pool.take(PLACE, Reuse::Any, SECOND, now).is_none());
        pool.put(two, now);
        assert!(pool.take(PLACE, Reuse::Any, SECOND, now).is_some());
    }

    #[tokio::test]
    async fn an_idle_connection_makes_room_where_clients_are_many() {
        let (pool, now) = (pool(1), Instant::now());
        let (ours, _theirs) = tokio::io::duplex(1);
        pool.put(opened(&pool, ours), now);
        let _seats = [pool.make_room().unwrap(), pool.make_room().unwrap()];
        assert!(pool.take(PLACE, Reuse::Any, SECOND, now).is_none());
        assert!(pool.make_room().is_ok(), "among the refused");
    }

    #[tokio::test]
    async fn a_connection_that_comes_back_counts_the_exchanges_it_has_carried() {
        let (pool, now) = (pool(10), Instant::now());
        let (ours, _theirs) = tokio::io::duplex(1);
        let mut connection = opened(&pool, ours);
        for carried in 0..3 {
            assert_eq!(connection.exchanges, carried);
            pool.put(connection, now);
            connection = pool.take(PLACE, Reuse::Any, SECOND, now).unwrap();
        }
    }

    #[tokio::test]
    async fn closing_idle_ones_says_whether_that_gave_anything_back() {
        let (pool, now) = (pool(10), Instant::now());
        assert!(!pool.close_idle());
        let (ours, _theirs) = tokio::io::duplex(1);
        pool.put(opened(&pool, ours), now);
        assert!(pool.close_idle());
        assert_eq!(pool.seats.endpoints(), 0);
        assert!(!pool.close_idle());
    }

    #[tokio::test]
    async fn a_sweep_keeps_what_is_young_open_and_wanted() {
        let (pool, now) = (pool(10), Instant::now());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = async || {
            let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (ours, listener.accept().unwrap())
        };
        let [wanted, unwanted, closed] = [connect().await, connect().await, connect().await];
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], 80));
        drop(closed.1);
        // From here on the runtime has heard of it.
        closed.0.readable().await.unwrap();
        pool.put(opened(&pool, wanted.0), now);
        pool.put(opened(&pool, closed.0), now);
        pool.put(opened_to(elsewhere, &pool, unwanted.0), now);
        pool.sweep(SECOND, now, |_| true);
        assert_eq!(pool.seats.endpoints(), 2, "the closed one has gone");
        pool.sweep(SECOND, now, |endpoint| endpoint == PLACE.0);
        assert_eq!(pool.seats.endpoints(), 1);
        assert!(pool.take((elsewhere, 0), Reuse::Any, SECOND, now).is_none());
        pool.sweep(SECOND, now + SECOND, |_| true);
        assert_eq!(pool.seats.endpoints(), 0, "what is old goes");
    }
}
