//! Requests in flight at an endpoint: leases taken and dropped by several
//! workers, and dropped elsewhere than they were taken.

use loom::thread;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{model, must_fail};

use pointsman::endpoint::{EndpointState, Lease};

trait Count: 'static {
    type Lease: 'static;
    fn new(workers: usize) -> Self;
    fn lease(&self, worker: usize) -> Self::Lease;
    fn total(&self) -> u64;
}

impl Count for EndpointState {
    type Lease = Lease;

    fn new(workers: usize) -> Self {
        Self::new(([192, 0, 2, 1], 80).into(), workers)
    }

    fn lease(&self, worker: usize) -> Lease {
        self.try_lease(worker).expect("there is no limit")
    }

    fn total(&self) -> u64 {
        self.in_flight()
    }
}

/// Two threads of one worker, as in a multi-threaded runtime: one begins a
/// request while the other ends one.
fn what_was_leased_is_given_back<C: Count>() {
    let count = Arc::new(C::new(1));
    let first = count.lease(0);
    let other = Arc::clone(&count);
    let ending = thread::spawn(move || {
        drop(first);
        other.total()
    });
    let second = count.lease(0);
    let seen = ending.join().unwrap();
    assert!(seen <= 1, "more are counted than are in flight: {seen}");
    assert_eq!(count.total(), 1, "one is in flight");
    drop(second);
    assert_eq!(count.total(), 0, "none is in flight");
}

#[test]
fn a_request_that_ends_while_another_begins_leaves_the_count_right() {
    model(what_was_leased_is_given_back::<EndpointState>);
}

#[test]
fn a_worker_that_sums_while_others_count_sees_no_more_than_there_are() {
    model(|| {
        let count = Arc::new(<EndpointState as Count>::new(2));
        let own = count.lease(0);
        let other = Arc::clone(&count);
        let working = thread::spawn(move || drop(other.lease(1)));
        let seen = count.in_flight_seen_by(0, 100);
        assert!((1..=2).contains(&seen), "{seen} are seen in flight");
        working.join().unwrap();
        assert_eq!(count.in_flight_seen_by(0, 110), 1);
        drop(own);
        assert_eq!(count.in_flight_seen_by(0, 110), 0);
    });
}

/// "A worker's shard has one writer": true until a request ends elsewhere.
struct OneWriter(Arc<AtomicU64>);

struct OneWriterLease(Arc<AtomicU64>);

impl Count for OneWriter {
    type Lease = OneWriterLease;

    fn new(_workers: usize) -> Self {
        Self(Arc::new(AtomicU64::new(0)))
    }

    fn lease(&self, _worker: usize) -> OneWriterLease {
        self.0.store(self.0.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
        OneWriterLease(Arc::clone(&self.0))
    }

    fn total(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for OneWriterLease {
    fn drop(&mut self) {
        self.0.store(self.0.load(Ordering::SeqCst).saturating_sub(1), Ordering::SeqCst);
    }
}

#[test]
fn mutant_a_shard_written_as_if_by_one_thread_miscounts() {
    must_fail("in flight", what_was_leased_is_given_back::<OneWriter>);
}
