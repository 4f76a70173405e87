//! Session tickets, and when their keys are replaced.
//!
//! Whoever has the key of a ticket can read what a TLS 1.2 session said that
//! was resumed with it, so a key must not be old. One seals tickets for a
//! [`PERIOD`] and opens them for one more, counted from when it was made and
//! not from when somebody last came: in a router that nobody visits for days a
//! ticket opens nothing either. (rustls replaces keys when they are next asked
//! for, so there the last visitor's key would live on.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

use crate::sync::Mutex;

/// How long a key seals tickets.
const PERIOD: Duration = Duration::from_secs(6 * 60 * 60);

/// The key that seals, the one before it, and when each was made.
#[derive(Debug)]
struct Rotation<K> {
    newest: (K, Instant),
    before: Option<(K, Instant)>,
}

impl<K: Clone> Rotation<K> {
    fn new(key: K, now: Instant) -> Self {
        Self { newest: (key, now), before: None }
    }

    /// Forgets the key that opens nothing any more, and makes another if the
    /// newest has done its period. Without another the newest stays, and seals
    /// nothing.
    fn turn(&mut self, now: Instant, make: impl FnOnce() -> Option<K>) {
        self.before.take_if(|(_, made)| age(now, *made) >= 2 * PERIOD);
        if age(now, self.newest.1) < PERIOD {
            return;
        }
        if let Some(key) = make() {
            let old = std::mem::replace(&mut self.newest, (key, now));
            self.before = Some(old).filter(|(_, made)| age(now, *made) < 2 * PERIOD);
        }
    }

    /// The key for new tickets.
    fn sealing(&self, now: Instant) -> Option<K> {
        let (key, made) = &self.newest;
        (age(now, *made) < PERIOD).then(|| key.clone())
    }

    /// The keys whose tickets are still good, the newest first.
    fn opening(&self, now: Instant) -> [Option<K>; 2] {
        [Some(&self.newest), self.before.as_ref()].map(|one| {
            let (key, made) = one?;
            (age(now, *made) < 2 * PERIOD).then(|| key.clone())
        })
    }
}

fn age(now: Instant, made: Instant) -> Duration {
    now.saturating_duration_since(made)
}

/// A key of one period. rustls does the cryptography (RFC 5077 section 4), and
/// keeps what it is given for two periods of its own, which are as long.
type Key = Arc<dyn ProducesTickets>;

/// The tickets of one policy, for all workers and listeners.
pub(super) struct Tickets {
    /// Held while keys are looked up, not while they are used.
    keys: Mutex<Rotation<Key>>,
}

impl Tickets {
    /// # Errors
    /// If there is no randomness for a key.
    pub(super) fn new(now: Instant) -> Result<Self, rustls::Error> {
        Ok(Self { keys: Mutex::new(Rotation::new(Ticketer::new()?, now)) })
    }

    fn seal_at(&self, now: Instant, session: &[u8]) -> Option<Vec<u8>> {
        let key = {
            let mut keys = self.keys.lock();
            keys.turn(now, || Ticketer::new().ok());
            keys.sealing(now)
        };
        key?.encrypt(session)
    }

    fn open_at(&self, now: Instant, ticket: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.lock().opening(now);
        keys.into_iter().flatten().find_map(|key| key.decrypt(ticket))
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// What clients are told, in seconds: every ticket lives that long at least.
    fn lifetime(&self) -> u32 {
        PERIOD.as_secs() as u32
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        self.seal_at(Instant::now(), session)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open_at(Instant::now(), ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_seals_for_a_period_and_opens_for_two() {
        let start = Instant::now();
        let mut keys = Rotation::new(1, start);
        keys.turn(start + PERIOD - TICK, || panic!("it is not time"));
        assert_eq!(keys.sealing(start + PERIOD - TICK), Some(1));
        keys.turn(start + PERIOD, || Some(2));
        assert_eq!(keys.sealing(start + PERIOD), Some(2));
        assert_eq!(keys.opening(start + 2 * PERIOD - TICK), [Some(2), Some(1)]);
        assert_eq!(keys.opening(start + 2 * PERIOD), [Some(2), None]);
        keys.turn(start + 2 * PERIOD, || Some(3));
        assert_eq!(keys.opening(start + 2 * PERIOD), [Some(3), Some(2)]);
    }

    #[test]
    fn after_days_without_a_visitor_no_old_key_opens_anything() {
        let start = Instant::now();
        let later = start + 10 * PERIOD;
        let mut keys = Rotation::new(1, start);
        assert_eq!(keys.opening(later), [None, None]);
        keys.turn(later, || Some(2));
        assert_eq!(keys.opening(later), [Some(2), None]);
    }

    #[test]
    fn without_randomness_an_old_key_seals_nothing_and_opens_to_its_end() {
        let start = Instant::now();
        let mut keys = Rotation::new(1, start);
        let now = start + PERIOD;
        keys.turn(now, || None);
        assert_eq!(keys.sealing(now), None);
        assert_eq!(keys.opening(now), [Some(1), None]);
        keys.turn(now + TICK, || Some(2));
        assert_eq!(keys.sealing(now + TICK), Some(2));
    }

    #[test]
    fn a_ticket_of_the_last_period_resumes_and_one_of_the_period_before_does_not() {
        let start = Instant::now();
        let tickets = Tickets::new(start).unwrap();
        let first = tickets.seal_at(start + PERIOD - TICK, b"first").unwrap();
        let second = tickets.seal_at(start + PERIOD, b"second").unwrap();
        let open = |now, ticket: &[u8]| tickets.open_at(now, ticket);
        for at in [start + PERIOD, start + 2 * PERIOD - TICK] {
            assert_eq!(open(at, &first).as_deref(), Some(&b"first"[..]));
            assert_eq!(open(at, &second).as_deref(), Some(&b"second"[..]));
        }
        let third = tickets.seal_at(start + 2 * PERIOD, b"third").unwrap();
        assert_eq!(open(start + 2 * PERIOD, &first), None);
        assert!(open(start + 2 * PERIOD, &second).is_some());
        assert_eq!(open(start + 3 * PERIOD, &second), None);
        assert!(open(start + 3 * PERIOD, &third).is_some());
        // Nobody else's.
        assert_eq!(Tickets::new(start).unwrap().open_at(start, &first), None);
    }
}
