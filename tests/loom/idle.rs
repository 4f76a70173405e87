//! Idle connections: handed back, taken and expired at the same time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loom::thread;

use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

#[path = "../../src/upstream/idle.rs"]
mod real;

use real::Idle;

const KEEP: Duration = Duration::from_secs(60);

/// A connection is known by the time its last exchange ended.
type Connection = Instant;

trait Connections: 'static {
    fn new() -> Self;
    fn take(&self, now: Instant) -> Option<Connection>;
    fn put(&self, connection: Connection);
    fn sweep(&self, now: Instant) -> Vec<Connection>;
}

fn address() -> SocketAddr {
    ([10, 0, 0, 1], 80).into()
}

impl Connections for Idle<SocketAddr, Connection> {
    fn new() -> Self {
        Self::default()
    }

    fn take(&self, now: Instant) -> Option<Connection> {
        self.take(&address(), KEEP, now).map(|(connection, _)| connection)
    }

    fn put(&self, connection: Connection) {
        assert_eq!(self.put(address(), connection, connection), None);
    }

    fn sweep(&self, now: Instant) -> Vec<Connection> {
        self.sweep(KEEP, now, |_| true)
    }
}

/// One connection has expired and one has not. Two exchanges want one, another
/// is handed back, and two sweeps run. Each connection ends
/// in one place, and none is used past its time.
fn each_is_in_one_place<C: Connections>() {
    let idle = Arc::new(C::new());
    let old = Instant::now();
    let young = old + KEEP / 2;
    let handed_back = young + Duration::from_secs(1);
    let now = old + KEEP;
    idle.put(old);
    idle.put(young);

    let taking = Arc::clone(&idle);
    let taking = thread::spawn(move || taking.take(now));
    let sweeping = Arc::clone(&idle);
    let sweeping = thread::spawn(move || sweeping.sweep(now));
    let own = idle.take(now);
    idle.put(handed_back);
    let mut closed = idle.sweep(now);
    let taken: Vec<_> = [own, taking.join().unwrap()].into_iter().flatten().collect();
    closed.extend(sweeping.join().unwrap());

    assert!(taken.iter().all(|taken| now - *taken < KEEP), "one past its time was taken");
    assert!(closed.iter().all(|closed| *closed == old), "one with time left was closed");
    let rest = idle.sweep(now + KEEP);
    let mut all = [taken, closed, rest].concat();
    all.sort_unstable();
    assert_eq!(all, [old, young, handed_back], "one is lost, or in two places");
}

#[test]
fn a_connection_is_taken_expired_or_idle_and_never_two_of_them() {
    model(each_is_in_one_place::<Idle<SocketAddr, Connection>>);
}

/// Looks at the youngest under one lock and takes what is youngest under
/// another.
struct LookedThenTaken(Mutex<Vec<Connection>>);

impl Connections for LookedThenTaken {
    fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn take(&self, now: Instant) -> Option<Connection> {
        let youngest = self.0.lock().last().copied()?;
        if now - youngest >= KEEP {
            return None;
        }
        self.0.lock().pop()
    }

    fn put(&self, connection: Connection) {
        self.0.lock().push(connection);
    }

    fn sweep(&self, now: Instant) -> Vec<Connection> {
        self.0.lock().extract_if(.., |idle| now - *idle >= KEEP).collect()
    }
}

#[test]
fn mutant_an_age_looked_at_before_the_taking_lets_an_expired_one_out() {
    must_fail("one past its time was taken", each_is_in_one_place::<LookedThenTaken>);
}

/// Finds what has expired under one lock and closes it, by its place, under
/// another.
struct FoundThenClosed(Mutex<Vec<Connection>>);

impl Connections for FoundThenClosed {
    fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn take(&self, now: Instant) -> Option<Connection> {
        self.0.lock().pop_if(|youngest| now - *youngest < KEEP)
    }

    fn put(&self, connection: Connection) {
        self.0.lock().push(connection);
    }

    fn sweep(&self, now: Instant) -> Vec<Connection> {
        let expired = self.0.lock().iter().filter(|idle| now - **idle >= KEEP).count();
        let mut idle = self.0.lock();
        let expired = expired.min(idle.len());
        idle.drain(..expired).collect()
    }
}

#[test]
fn mutant_an_expiry_that_closes_by_place_closes_one_with_time_left() {
    must_fail("one with time left was closed", each_is_in_one_place::<FoundThenClosed>);
}
