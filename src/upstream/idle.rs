//! Connections at rest between two exchanges, by endpoint.
//!
//! A connection is in one place at a time: here, in an exchange, or closed.
//! Each step from here to there happens under one lock, together with the look
//! at its age that decides it, so that an expiry cannot close what an exchange
//! has just taken, nor an exchange take what has just expired. Closing itself
//! happens outside: what is to be closed is handed out. Generic over the
//! connection, and without a clock, so that a model can drive it.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// Idle connections kept for one endpoint; more are closed.
const PER_ENDPOINT: usize = 512;

/// The idle connections of a worker.
///
/// `K` tells what a connection is good for: where it leads, and whatever else
/// must be the same.
pub(super) struct Idle<K, C> {
    of_endpoint: Mutex<HashMap<K, Vec<Resting<C>>, foldhash::fast::RandomState>>,
}

/// The youngest stands last.
struct Resting<C> {
    connection: C,
    since: Instant,
}

impl<K, C> Default for Idle<K, C> {
    fn default() -> Self {
        Self { of_endpoint: Mutex::new(HashMap::default()) }
    }
}

impl<K: Eq + Hash, C> Idle<K, C> {
    /// Takes the youngest connection if it was idle for less than `most`, and
    /// says for how long it was.
    pub(super) fn take(&self, key: &K, most: Duration, now: Instant) -> Option<(C, Duration)> {
        let mut all = self.of_endpoint.lock();
        let mut idle = Duration::ZERO;
        let youngest = all.get_mut(key)?.pop_if(|resting| {
            idle = now.duration_since(resting.since);
            idle < most
        })?;
        Some((youngest.connection, idle))
    }

    /// Takes a connection in, idle from `now`; gives it back if there are
    /// enough.
    pub(super) fn put(&self, key: K, connection: C, now: Instant) -> Option<C> {
        let mut all = self.of_endpoint.lock();
        let resting = all.entry(key).or_default();
        if resting.len() >= PER_ENDPOINT {
            return Some(connection);
        }
        resting.push(Resting { connection, since: now });
        None
    }

    /// Gives out, to be closed, what has been idle for `keep` or is no longer
    /// `usable`, and forgets endpoints without a connection.
    pub(super) fn sweep(
        &self,
        keep: Duration,
        now: Instant,
        mut usable: impl FnMut(&mut C) -> bool,
    ) -> Vec<C> {
        let mut closing = Vec::new();
        self.of_endpoint.lock().retain(|_, resting| {
            let gone = resting.extract_if(.., |resting| {
                now.duration_since(resting.since) >= keep || !usable(&mut resting.connection)
            });
            closing.extend(gone.map(|resting| resting.connection));
            !resting.is_empty()
        });
        closing
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const KEEP: Duration = Duration::from_secs(60);

    fn address() -> SocketAddr {
        ([10, 0, 0, 1], 80).into()
    }

    #[test]
    fn the_youngest_is_taken_first_and_none_that_is_too_old() {
        let (idle, start) = (Idle::default(), Instant::now());
        idle.put(address(), "old", start);
        idle.put(address(), "young", start + KEEP / 2);
        let now = start + KEEP;
        assert_eq!(idle.take(&address(), KEEP, now), Some(("young", KEEP / 2)));
        assert_eq!(idle.take(&address(), KEEP, now), None);
    }

    #[test]
    fn a_sweep_gives_out_the_expired_and_the_unusable_and_leaves_the_rest() {
        let (idle, start) = (Idle::default(), Instant::now());
        let later = start + Duration::from_millis(1);
        idle.put(address(), "expired", start);
        idle.put(address(), "closed", later);
        idle.put(address(), "good", later);
        let gone = idle.sweep(KEEP, start + KEEP, |connection| *connection != "closed");
        assert_eq!(gone, ["expired", "closed"]);
        assert_eq!(idle.take(&address(), KEEP, later), Some(("good", Duration::ZERO)));
    }

    #[test]
    fn an_endpoint_without_a_connection_is_forgotten() {
        let (idle, start) = (Idle::default(), Instant::now());
        idle.put(address(), (), start);
        idle.sweep(KEEP, start + KEEP, |()| true);
        assert!(idle.of_endpoint.lock().is_empty());
    }

    #[test]
    fn what_is_too_many_is_given_back() {
        let (idle, start) = (Idle::default(), Instant::now());
        for at in 0..PER_ENDPOINT {
            assert_eq!(idle.put(address(), at, start), None);
        }
        assert_eq!(idle.put(address(), PER_ENDPOINT, start), Some(PER_ENDPOINT));
    }
}
