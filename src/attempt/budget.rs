//! How many retries may follow requests that perhaps were processed.
//!
//! When endpoints drown, every retry is another stone on them. So retries of
//! `MaybeProcessed` attempts are held to a share of the requests of the last
//! 10 s; a floor per second lets a quiet router retry at all. Retries of
//! requests that never reached an endpoint cost it nothing and are not counted.
//!
//! Dividing the floor by the workers would be wrong at low numbers (a floor of
//! 1 on 16 workers is 0 or 16), so there is one account for all. It is touched
//! only when a retry is wanted: requests are counted by each worker in its own
//! cache line, and the lines are summed then.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Seconds that count as recent, the current one included.
const WINDOW_S: u64 = 10;
/// Slots of a ring of seconds: the window and some to tell old from new.
const SLOTS: usize = 16;
const COUNT_BITS: u32 = 32;

/// The retry budget, shared by all workers.
///
/// Times are milliseconds on any one clock that all callers share; workers may
/// disagree by up to 5 s.
#[derive(Debug)]
pub struct RetryBudget {
    requests: Box<[Requests]>,
    account: Mutex<Account>,
}

/// The terms, and the retries that were taken by second.
#[derive(Debug)]
struct Account {
    percent: u64,
    min_per_s: u64,
    retries: [Second; SLOTS],
}

/// One worker's requests by second, as `second << 32 | count`.
#[derive(Debug)]
#[repr(align(128))]
struct Requests([AtomicU64; SLOTS]);

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    at: u64,
    retries: u64,
}

impl RetryBudget {
    /// A budget of `percent` of the requests of the last 10 s, and of
    /// `min_per_s` retries in any second whatever the requests.
    pub fn new(percent: u32, min_per_s: u32, workers: usize) -> Self {
        let shard = || Requests(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            requests: std::iter::repeat_with(shard).take(workers.max(1)).collect(),
            account: Mutex::new(Account {
                percent: u64::from(percent),
                min_per_s: u64::from(min_per_s),
                retries: [Second::default(); SLOTS],
            }),
        }
    }

    /// Changes the terms, as for [`RetryBudget::new`]; what was counted stays.
    pub fn set_terms(&self, percent: u32, min_per_s: u32) {
        let mut account = self.account.lock();
        account.percent = u64::from(percent);
        account.min_per_s = u64::from(min_per_s);
    }

    /// Counts a request, once, whatever its number of attempts.
    pub fn count_request(&self, worker: usize, now_ms: u64) {
        let second = now_ms / 1000;
        let slot = &self.requests[worker % self.requests.len()].0[slot_of(second)];
        let mut seen = slot.load(Ordering::Relaxed);
        loop {
            let next = match (seen >> COUNT_BITS).cmp(&second) {
                std::cmp::Ordering::Equal => seen + 1,
                std::cmp::Ordering::Less => second << COUNT_BITS | 1,
                // The ring has gone round since this caller read its clock.
                std::cmp::Ordering::Greater => return,
            };
            match slot.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now_there) => seen = now_there,
            }
        }
    }

    /// Takes one retry from the budget; false if it is exhausted.
    pub fn take_retry(&self, now_ms: u64) -> bool {
        let second = now_ms / 1000;
        // Held over sum and booking, so that two workers cannot both take the last.
        let mut account = self.account.lock();
        let Account { percent, min_per_s, retries } = &mut *account;
        let this_second = retries.iter().find(|s| s.at == second).map_or(0, |s| s.retries);
        if this_second >= *min_per_s {
            let recent: u64 =
                retries.iter().filter(|s| is_recent(s.at, second)).map(|s| s.retries).sum();
            if (recent + 1) * 100 > self.recent_requests(second) * *percent {
                return false;
            }
        }
        let slot = &mut retries[slot_of(second)];
        if slot.at < second {
            *slot = Second { at: second, retries: 0 };
        }
        slot.retries += 1;
        true
    }

    fn recent_requests(&self, second: u64) -> u64 {
        self.requests
            .iter()
            .flat_map(|shard| &shard.0)
            .map(|slot| slot.load(Ordering::Relaxed))
            .filter(|packed| is_recent(packed >> COUNT_BITS, second))
            .map(|packed| packed & ((1 << COUNT_BITS) - 1))
            .sum()
    }
}

fn slot_of(second: u64) -> usize {
    // The remainder is below SLOTS.
    (second % SLOTS as u64) as usize
}

/// Whether `at` lies in the window that ends with `second`. A worker whose clock
/// was read later counts as well.
fn is_recent(at: u64, second: u64) -> bool {
    at + WINDOW_S > second
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    fn taken(budget: &RetryBudget, wanted: usize, now_ms: u64) -> usize {
        (0..wanted).filter(|_| budget.take_retry(now_ms)).count()
    }

    #[test]
    fn without_requests_only_the_floor_is_there_and_it_returns_every_second() {
        let budget = RetryBudget::new(20, 3, 4);
        assert_eq!(taken(&budget, 10, 60_000), 3);
        assert_eq!(taken(&budget, 10, 60_999), 0);
        assert_eq!(taken(&budget, 10, 61_000), 3);
    }

    #[test]
    fn a_floor_of_one_is_one_for_all_workers_together() {
        let budget = RetryBudget::new(0, 1, 16);
        assert_eq!(taken(&budget, 16, 5_000), 1);
    }

    #[test]
    fn retries_are_held_to_their_share_of_all_workers_requests() {
        let budget = RetryBudget::new(20, 0, 4);
        for request in 0..100 {
            budget.count_request(request, 60_000);
        }
        assert_eq!(taken(&budget, 100, 60_500), 20);
        for request in 0..50 {
            budget.count_request(request, 61_000);
        }
        assert_eq!(taken(&budget, 100, 61_500), 10);
    }

    #[test]
    fn new_terms_hold_at_once_and_what_was_counted_stays() {
        let budget = RetryBudget::new(0, 1, 1);
        (0..100).for_each(|_| budget.count_request(0, 60_000));
        assert_eq!(taken(&budget, 10, 60_000), 1);
        budget.set_terms(5, 0);
        assert_eq!(taken(&budget, 10, 60_000), 4, "5 % of 100, and one was taken");
    }

    fn budget_with_ten_requests_at(now_ms: u64) -> RetryBudget {
        let budget = RetryBudget::new(50, 0, 1);
        (0..10).for_each(|_| budget.count_request(0, now_ms));
        budget
    }

    #[test]
    fn requests_are_forgotten_after_ten_seconds() {
        assert_eq!(taken(&budget_with_ten_requests_at(60_000), 9, 69_999), 5);
        assert_eq!(taken(&budget_with_ten_requests_at(60_000), 9, 70_000), 0);
    }

    #[test]
    fn retries_are_forgotten_after_ten_seconds() {
        let budget = budget_with_ten_requests_at(60_000);
        assert_eq!(taken(&budget, 9, 60_000), 5);
        (0..10).for_each(|_| budget.count_request(0, 70_000));
        assert_eq!(taken(&budget, 9, 70_000), 5);
    }

    #[test]
    fn a_worker_whose_clock_was_read_a_moment_later_counts_too() {
        assert_eq!(taken(&budget_with_ten_requests_at(61_000), 9, 60_999), 5);
    }

    #[test]
    fn a_slot_of_the_ring_is_used_again_without_its_old_count() {
        let budget = RetryBudget::new(100, 0, 1);
        for _ in 0..5 {
            budget.count_request(0, 1_000);
        }
        budget.count_request(0, 17_000);
        // One that read its clock a whole ring ago is left out.
        budget.count_request(0, 1_000);
        assert_eq!(taken(&budget, 9, 17_000), 1);
    }

    #[test]
    fn the_floor_and_the_share_are_not_added_up() {
        let budget = RetryBudget::new(10, 5, 1);
        for _ in 0..100 {
            budget.count_request(0, 60_000);
        }
        assert_eq!(taken(&budget, 100, 60_000), 10);
    }
}
