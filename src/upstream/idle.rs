//! Connections at rest between two exchanges, by endpoint and by age.
//!
//! A connection is in one place at a time: here, in an exchange, or closed.
//! Each step from here to there happens under one lock, together with the look
//! at its age that decides it, so that an expiry cannot close what an exchange
//! has just taken, nor an exchange take what has just expired. Closing itself
//! happens outside: what is to be closed is handed out. Generic over the
//! connection, and without a clock, so that a model can drive it.
//!
//! Each connection is linked into two lists: that of its endpoint, whose
//! youngest is taken first, and that of all, whose oldest makes room when there
//! are too many. So every step but the sweep costs the same however many there
//! are, and places once made are used again.

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
    all: Mutex<All<K, C>>,
}

struct All<K, C> {
    of_endpoint: HashMap<K, Own, foldhash::fast::RandomState>,
    places: Places<K, C>,
}

/// What one endpoint has.
#[derive(Default)]
struct Own {
    youngest: Option<usize>,
    count: usize,
}

/// Every connection, from the oldest to the youngest.
struct Places<K, C> {
    places: Vec<Place<K, C>>,
    /// Those without a connection.
    free: Vec<usize>,
    oldest: Option<usize>,
    youngest: Option<usize>,
}

struct Place<K, C> {
    key: K,
    connection: Option<C>,
    since: Instant,
    older: Option<usize>,
    younger: Option<usize>,
    /// The next older, and the next younger, of the same endpoint.
    own_older: Option<usize>,
    own_younger: Option<usize>,
}

/// A connection that rests no longer.
struct Taken<K, C> {
    connection: C,
    key: K,
    own_older: Option<usize>,
    own_younger: Option<usize>,
}

impl<K, C> Default for Idle<K, C> {
    fn default() -> Self {
        let places = Places { places: Vec::new(), free: Vec::new(), oldest: None, youngest: None };
        Self { all: Mutex::new(All { of_endpoint: HashMap::default(), places }) }
    }
}

impl<K: Clone + Eq + Hash, C> Idle<K, C> {
    /// Takes the youngest connection if it was idle for less than `most`, and
    /// says for how long it was.
    pub(super) fn take(&self, key: &K, most: Duration, now: Instant) -> Option<(C, Duration)> {
        let mut all = self.all.lock();
        let All { of_endpoint, places } = &mut *all;
        let own = of_endpoint.get_mut(key)?;
        let youngest = own.youngest?;
        let idle = now.duration_since(places.places[youngest].since);
        if idle >= most {
            return None;
        }
        let taken = places.take(youngest)?;
        own.lose(&taken);
        Some((taken.connection, idle))
    }

    /// Takes a connection in, idle from `now`; gives it back if there are
    /// enough.
    pub(super) fn put(&self, key: K, connection: C, now: Instant) -> Option<C> {
        let mut all = self.all.lock();
        let All { of_endpoint, places } = &mut *all;
        let own = of_endpoint.entry(key.clone()).or_default();
        if own.count >= PER_ENDPOINT {
            return Some(connection);
        }
        own.youngest = Some(places.add(key, connection, now, own.youngest));
        own.count += 1;
        None
    }

    /// Gives out, to be closed, the one that has been idle longest.
    pub(super) fn take_oldest(&self) -> Option<C> {
        let mut all = self.all.lock();
        let oldest = all.places.oldest?;
        all.take(oldest)
    }

    /// Gives out all of them, to be closed.
    pub(super) fn take_all(&self) -> Vec<C> {
        self.take_those(|_, _| true)
    }

    /// Gives out, to be closed, what has been idle for `keep` or is no longer
    /// `usable`, and forgets endpoints without a connection.
    pub(super) fn sweep(
        &self,
        keep: Duration,
        now: Instant,
        mut usable: impl FnMut(&mut C) -> bool,
    ) -> Vec<C> {
        self.take_those(|connection, since| {
            now.duration_since(since) >= keep || !usable(connection)
        })
    }

    fn take_those(&self, mut which: impl FnMut(&mut C, Instant) -> bool) -> Vec<C> {
        let mut taken = Vec::new();
        let mut all = self.all.lock();
        let mut next = all.places.oldest;
        while let Some(at) = next {
            let place = &mut all.places.places[at];
            next = place.younger;
            let since = place.since;
            if place.connection.as_mut().is_some_and(|connection| which(connection, since)) {
                taken.extend(all.take(at));
            }
        }
        all.of_endpoint.retain(|_, own| own.count > 0);
        taken
    }
}

impl<K: Clone + Eq + Hash, C> All<K, C> {
    fn take(&mut self, at: usize) -> Option<C> {
        let taken = self.places.take(at)?;
        if let Some(own) = self.of_endpoint.get_mut(&taken.key) {
            own.lose(&taken);
        }
        Some(taken.connection)
    }
}

impl Own {
    fn lose<K, C>(&mut self, taken: &Taken<K, C>) {
        self.count -= 1;
        if taken.own_younger.is_none() {
            self.youngest = taken.own_older;
        }
    }
}

impl<K: Clone, C> Places<K, C> {
    /// Adds the youngest; where it is.
    fn add(&mut self, key: K, connection: C, since: Instant, own_older: Option<usize>) -> usize {
        let older = self.youngest;
        let place = Place {
            key,
            connection: Some(connection),
            since,
            older,
            younger: None,
            own_older,
            own_younger: None,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.places[at] = place;
                at
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        self.youngest = Some(at);
        match older {
            Some(older) => self.places[older].younger = Some(at),
            None => self.oldest = Some(at),
        }
        if let Some(own_older) = own_older {
            self.places[own_older].own_younger = Some(at);
        }
        at
    }

    /// Takes the connection of a place, if it has one, out of both lists.
    fn take(&mut self, at: usize) -> Option<Taken<K, C>> {
        let place = &mut self.places[at];
        let connection = place.connection.take()?;
        let (older, younger) = (place.older, place.younger);
        let (own_older, own_younger) = (place.own_older, place.own_younger);
        let key = place.key.clone();
        match older {
            Some(older) => self.places[older].younger = younger,
            None => self.oldest = younger,
        }
        match younger {
            Some(younger) => self.places[younger].older = older,
            None => self.youngest = older,
        }
        if let Some(older) = own_older {
            self.places[older].own_younger = own_younger;
        }
        if let Some(younger) = own_younger {
            self.places[younger].own_older = own_older;
        }
        self.free.push(at);
        Some(Taken { connection, key, own_older, own_younger })
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
        assert!(idle.all.lock().of_endpoint.is_empty());
    }

    #[test]
    fn what_is_too_many_is_given_back() {
        let (idle, start) = (Idle::default(), Instant::now());
        for at in 0..PER_ENDPOINT {
            assert_eq!(idle.put(address(), at, start), None);
        }
        assert_eq!(idle.put(address(), PER_ENDPOINT, start), Some(PER_ENDPOINT));
    }

    /// What happened to connections, against a plain list of them.
    #[test]
    fn the_oldest_of_all_makes_room_whatever_was_taken_and_put_before() {
        let mut random = fastrand::Rng::with_seed(7);
        let (idle, start) = (Idle::default(), Instant::now());
        // From the oldest to the youngest: endpoint and number.
        let mut expected: Vec<(u8, u32)> = Vec::new();
        for number in 0..20_000 {
            let endpoint = random.u8(..5);
            match random.u8(..8) {
                0..4 => {
                    assert_eq!(idle.put(endpoint, number, start), None);
                    expected.push((endpoint, number));
                }
                4..6 => {
                    let youngest = expected.iter().rposition(|(of, _)| *of == endpoint);
                    let youngest = youngest.map(|at| expected.remove(at).1);
                    let taken = idle.take(&endpoint, KEEP, start);
                    assert_eq!(taken.map(|(number, _)| number), youngest);
                }
                6 => {
                    let oldest = (!expected.is_empty()).then(|| expected.remove(0).1);
                    assert_eq!(idle.take_oldest(), oldest);
                }
                _ => {
                    let odd = |number: &u32| number % 3 == 1;
                    let gone = idle.sweep(KEEP, start, |number| !odd(number));
                    let closed = expected.extract_if(.., |(_, number)| odd(number));
                    assert_eq!(gone, closed.map(|(_, number)| number).collect::<Vec<_>>());
                }
            }
        }
        let places = idle.all.lock().places.places.len();
        assert!(places < 1_000, "{places} places were made, and used once");
        let all: Vec<_> = expected.iter().map(|(_, number)| *number).collect();
        assert_eq!(idle.take_all(), all);
        assert_eq!(idle.take_oldest(), None);
    }
}
