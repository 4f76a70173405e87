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
    fn take_oldest(&self) -> Option<Connection>;
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

    fn take_oldest(&self) -> Option<Connection> {
        self.take_oldest()
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

    fn take_oldest(&self) -> Option<Connection> {
        let mut idle = self.0.lock();
        (!idle.is_empty()).then(|| idle.remove(0))
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

    fn take_oldest(&self) -> Option<Connection> {
        let mut idle = self.0.lock();
        (!idle.is_empty()).then(|| idle.remove(0))
    }
}

#[test]
fn mutant_an_expiry_that_closes_by_place_closes_one_with_time_left() {
    must_fail("one with time left was closed", each_is_in_one_place::<FoundThenClosed>);
}

/// Two connections are idle and none is too old. One exchange wants the
/// youngest, another needs room, and a third hands one back.
fn who_makes_room_is_in_no_other_place<C: Connections>() {
    let idle = Arc::new(C::new());
    let old = Instant::now();
    let young = old + Duration::from_secs(1);
    let handed_back = old + Duration::from_secs(2);
    idle.put(old);
    idle.put(young);

    let taking = Arc::clone(&idle);
    let taking = thread::spawn(move || taking.take(handed_back));
    let closing = Arc::clone(&idle);
    let closing = thread::spawn(move || closing.take_oldest());
    idle.put(handed_back);
    let taken = taking.join().unwrap();
    let closed = closing.join().unwrap();

    assert_eq!(closed, Some(old), "another than the oldest made room");
    let rest = idle.sweep(handed_back + KEEP);
    let mut all: Vec<_> = taken.into_iter().chain(closed).chain(rest).collect();
    all.sort_unstable();
    assert_eq!(all, [old, young, handed_back], "one is lost, or in two places");
}

#[test]
fn the_oldest_makes_room_and_an_exchange_never_has_it() {
    model(who_makes_room_is_in_no_other_place::<Idle<SocketAddr, Connection>>);
}

/// Looks for the oldest under one lock and closes it, by its place from the
/// end, under another.
struct CountedThenClosed(Mutex<Vec<Connection>>);

impl Connections for CountedThenClosed {
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
        self.0.lock().extract_if(.., |idle| now - *idle >= KEEP).collect()
    }

    fn take_oldest(&self) -> Option<Connection> {
        let count = self.0.lock().len();
        let mut idle = self.0.lock();
        let oldest = idle.len().checked_sub(count).unwrap_or_default();
        (!idle.is_empty()).then(|| idle.remove(oldest))
    }
}

#[test]
fn mutant_an_oldest_counted_before_it_is_closed_is_another() {
    let mutant = who_makes_room_is_in_no_other_place::<CountedThenClosed>;
    must_fail("another than the oldest made room", mutant);
}
