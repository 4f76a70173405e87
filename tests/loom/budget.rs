//! The retry budget: workers that take from one account while others count.

use loom::thread;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

#[path = "../../src/attempt/budget.rs"]
mod real;

use real::RetryBudget;

const NOW_MS: u64 = 60_000;

/// Runs `work` in two threads and here; what each returned.
fn three_at_once<T: 'static>(work: impl Fn() -> T + Clone + 'static) -> [T; 3] {
    let (one, other) = (work.clone(), work.clone());
    let (one, other) = (thread::spawn(one), thread::spawn(other));
    let own = work();
    [one.join().unwrap(), other.join().unwrap(), own]
}

#[test]
fn the_last_retry_of_the_floor_is_taken_once() {
    model(|| {
        let budget = Arc::new(RetryBudget::new(0, 1, 1));
        let taken = three_at_once(move || budget.take_retry(NOW_MS));
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "the last retry");
    });
}

#[test]
fn the_last_retry_of_the_share_is_taken_once_while_requests_are_counted() {
    model(|| {
        let budget = Arc::new(RetryBudget::new(100, 0, 1));
        budget.count_request(0, NOW_MS);
        let other = Arc::clone(&budget);
        let other = thread::spawn(move || other.take_retry(NOW_MS));
        let own = budget.take_retry(NOW_MS);
        assert!(own ^ other.join().unwrap(), "the last retry");
    });
}

#[test]
fn requests_counted_on_one_shard_by_several_threads_all_count() {
    model(|| {
        let budget = Arc::new(RetryBudget::new(100, 0, 1));
        let counting = Arc::clone(&budget);
        three_at_once(move || counting.count_request(0, NOW_MS));
        let taken = (0..4).filter(|_| budget.take_retry(NOW_MS)).count();
        assert_eq!(taken, 3, "a request was not counted");
    });
}

/// The account looked at under one lock and booked under another.
struct LookedThenBooked(Mutex<u64>);

impl LookedThenBooked {
    fn take_retry(&self) -> bool {
        let left = *self.0.lock() > 0;
        if left {
            let mut account = self.0.lock();
            *account = account.saturating_sub(1);
        }
        left
    }
}

#[test]
fn mutant_a_budget_looked_at_before_it_is_booked_is_spent_twice() {
    must_fail("the last retry", || {
        let budget = Arc::new(LookedThenBooked(Mutex::new(1)));
        let taken = three_at_once(move || budget.take_retry());
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "the last retry");
    });
}

#[test]
fn mutant_a_request_counted_without_a_compare_and_exchange_is_lost() {
    must_fail("a request was not counted", || {
        let count = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&count);
        three_at_once(move || {
            let seen = counting.load(Ordering::SeqCst);
            counting.store(seen + 1, Ordering::SeqCst);
        });
        assert_eq!(count.load(Ordering::SeqCst), 3, "a request was not counted");
    });
}
