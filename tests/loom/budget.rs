//! The retry budget: workers that take from one account while others count.

use loom::thread;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

#[path = "../../src/attempt/budget.rs"]
mod real;

use real::RetryBudget;

const NOW_MS: u64 = 60_000;

trait Budget: 'static {
    /// One with a single retry left.
    fn with_one_retry() -> Self;
    /// One that allows as many retries as requests were counted.
    fn with_none() -> Self;
    fn count_request(&self);
    fn take_retry(&self) -> bool;
}

impl Budget for RetryBudget {
    fn with_one_retry() -> Self {
        Self::new(0, 1, 1)
    }

    fn with_none() -> Self {
        Self::new(100, 0, 1)
    }

    fn count_request(&self) {
        self.count_request(0, NOW_MS);
    }

    fn take_retry(&self) -> bool {
        self.take_retry(NOW_MS)
    }
}

/// Runs `work` in two threads and here; what each returned.
fn three_at_once<T: 'static>(work: impl Fn() -> T + Clone + 'static) -> [T; 3] {
    let (one, other) = (work.clone(), work.clone());
    let (one, other) = (thread::spawn(one), thread::spawn(other));
    let own = work();
    [one.join().unwrap(), other.join().unwrap(), own]
}

fn the_last_retry_is_taken_once<B: Budget>() {
    let budget = Arc::new(B::with_one_retry());
    let taken = three_at_once(move || budget.take_retry());
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "the last retry");
}

fn every_request_counts<B: Budget>() {
    let budget = Arc::new(B::with_none());
    let counting = Arc::clone(&budget);
    three_at_once(move || counting.count_request());
    let taken = (0..4).filter(|_| budget.take_retry()).count();
    assert_eq!(taken, 3, "a request was not counted");
}

#[test]
fn the_last_retry_of_the_floor_is_taken_once() {
    model(the_last_retry_is_taken_once::<RetryBudget>);
}

#[test]
fn requests_counted_on_one_shard_by_several_threads_all_count() {
    model(every_request_counts::<RetryBudget>);
}

#[test]
fn the_last_retry_of_the_share_is_taken_once_while_a_request_is_counted() {
    model(|| {
        let budget = Arc::new(RetryBudget::with_none());
        budget.count_request(0, NOW_MS);
        let others = [(); 2].map(|()| Arc::clone(&budget));
        let [taking, counting] = others;
        let taking = thread::spawn(move || taking.take_retry(NOW_MS));
        let counting = thread::spawn(move || counting.count_request(0, NOW_MS));
        let own = budget.take_retry(NOW_MS);
        let other = taking.join().unwrap();
        counting.join().unwrap();
        assert!(own || other, "the last retry is refused");
        let left = usize::from(budget.take_retry(NOW_MS));
        assert_eq!(usize::from(own) + usize::from(other) + left, 2, "the last retry");
    });
}

#[test]
fn terms_that_change_while_a_retry_is_taken_are_the_old_or_the_new_ones() {
    model(|| {
        let budget = Arc::new(RetryBudget::with_none());
        budget.count_request(0, NOW_MS);
        let reloading = Arc::clone(&budget);
        let reloading = thread::spawn(move || reloading.set_terms(0, 1));
        assert!(budget.take_retry(NOW_MS), "both terms allow one");
        reloading.join().unwrap();
        assert!(!budget.take_retry(NOW_MS), "neither allows another");
    });
}

/// Looks at the account under one lock and books under another; counts by a
/// load and a store.
struct InTwoSteps {
    left: Mutex<u64>,
    requests: AtomicU64,
}

impl Budget for InTwoSteps {
    fn with_one_retry() -> Self {
        Self { left: Mutex::new(1), requests: AtomicU64::new(0) }
    }

    fn with_none() -> Self {
        Self { left: Mutex::new(0), requests: AtomicU64::new(0) }
    }

    fn count_request(&self) {
        let seen = self.requests.load(Ordering::SeqCst);
        self.requests.store(seen + 1, Ordering::SeqCst);
        *self.left.lock() = seen + 1;
    }

    fn take_retry(&self) -> bool {
        let exhausted = *self.left.lock() == 0;
        if !exhausted {
            let mut left = self.left.lock();
            *left = left.saturating_sub(1);
        }
        !exhausted
    }
}

#[test]
fn mutant_a_budget_looked_at_before_it_is_booked_is_spent_twice() {
    must_fail("the last retry", the_last_retry_is_taken_once::<InTwoSteps>);
}

#[test]
fn mutant_a_request_counted_without_a_compare_and_exchange_is_lost() {
    must_fail("a request was not counted", every_request_counts::<InTwoSteps>);
}
