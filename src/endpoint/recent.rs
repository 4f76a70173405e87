//! How an endpoint's recent requests ended, counted without a shared cache line.
//!
//! Time is cut into periods of half a window; a worker counts into its own
//! shard, for the period that runs and the one before. Whoever asks adds the
//! shards up. That the sum covers between half a window and a whole one is good
//! enough to judge by; what began a window ago no longer weighs.

use std::sync::OnceLock;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of one endpoint.
#[derive(Debug)]
pub(super) struct Recent {
    workers: usize,
    shards: OnceLock<Box<[OnceLock<Box<Shard>>]>>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    period: AtomicU64,
    now: Count,
    before: Count,
}

#[derive(Debug, Default)]
struct Count {
    worked: AtomicU64,
    failed: AtomicU64,
}

/// What a sum came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) worked: u64,
    pub(super) failed: u64,
}

impl Recent {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers: workers.max(1), shards: OnceLock::new() }
    }

    /// Counts a request of this worker. Workers that share a number lose a count
    /// at the turn of a period at worst.
    pub(super) fn count(&self, worker: usize, now_ms: u64, window_ms: u64, worked: bool) {
        let shard = self.shard_of_now(worker, now_ms, window_ms);
        let count = if worked { &shard.now.worked } else { &shard.now.failed };
        count.fetch_add(1, Relaxed);
    }

    /// Counts a request of this worker as failed that was counted as one that
    /// worked; if that was in an earlier period it stays there.
    pub(super) fn turn(&self, worker: usize, now_ms: u64, window_ms: u64) {
        let shard = self.shard_of_now(worker, now_ms, window_ms);
        let worked = shard.now.worked.load(Relaxed);
        shard.now.worked.store(worked.saturating_sub(1), Relaxed);
        shard.now.failed.fetch_add(1, Relaxed);
    }

    fn shard_of_now(&self, worker: usize, now_ms: u64, window_ms: u64) -> &Shard {
        let shard = self.shard(worker);
        let period = now_ms / half(window_ms);
        let seen = shard.period.load(Relaxed);
        if seen < period {
            let kept = seen + 1 == period;
            shard.before.set(if kept { shard.now.read() } else { Sum::default() });
            shard.now.set(Sum::default());
            shard.period.store(period, Relaxed);
        }
        shard
    }

    /// All workers' recent requests.
    pub(super) fn sum(&self, now_ms: u64, window_ms: u64) -> Sum {
        let period = now_ms / half(window_ms);
        let shards = self.shards.get().map_or(&[][..], |shards| shards);
        shards.iter().filter_map(OnceLock::get).fold(Sum::default(), |sum, shard| {
            let seen = shard.period.load(Relaxed);
            let now = if seen + 1 >= period { shard.now.read() } else { Sum::default() };
            let before = if seen >= period { shard.before.read() } else { Sum::default() };
            Sum {
                worked: sum.worked + now.worked + before.worked,
                failed: sum.failed + now.failed + before.failed,
            }
        })
    }

    /// Forgets all: what was held against it has been answered for.
    pub(super) fn clear(&self) {
        let shards = self.shards.get().map_or(&[][..], |shards| shards);
        for shard in shards.iter().filter_map(OnceLock::get) {
            shard.now.set(Sum::default());
            shard.before.set(Sum::default());
        }
    }

    fn shard(&self, worker: usize) -> &Shard {
        let shards = self
            .shards
            .get_or_init(|| std::iter::repeat_with(OnceLock::new).take(self.workers).collect());
        shards[worker % self.workers].get_or_init(Box::default)
    }
}

impl Count {
    fn read(&self) -> Sum {
        Sum { worked: self.worked.load(Relaxed), failed: self.failed.load(Relaxed) }
    }

    fn set(&self, sum: Sum) {
        self.worked.store(sum.worked, Relaxed);
        self.failed.store(sum.failed, Relaxed);
    }
}

fn half(window_ms: u64) -> u64 {
    (window_ms / 2).max(1)
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_no_longer_weighs() {
        let recent = Recent::new(2);
        assert_eq!(recent.sum(0, 1_000), Sum::default());
        recent.count(0, 100, 1_000, true);
        recent.count(1, 400, 1_000, false);
        assert_eq!(recent.sum(499, 1_000), Sum { worked: 1, failed: 1 });
        recent.count(0, 600, 1_000, true);
        assert_eq!(recent.sum(999, 1_000), Sum { worked: 2, failed: 1 });
        assert_eq!(recent.sum(1_000, 1_000), Sum { worked: 1, failed: 0 });
        recent.count(0, 1_100, 1_000, false);
        assert_eq!(recent.sum(1_100, 1_000), Sum { worked: 1, failed: 1 });
        recent.count(0, 9_000, 1_000, false);
        assert_eq!(recent.sum(9_000, 1_000), Sum { worked: 0, failed: 1 });
        recent.clear();
        assert_eq!(recent.sum(9_000, 1_000), Sum::default());
    }

    #[test]
    fn a_worker_beyond_the_number_counts_with_another() {
        let recent = Recent::new(2);
        (0..7).for_each(|worker| recent.count(worker, 0, 1_000, true));
        assert_eq!(recent.sum(0, 1_000), Sum { worked: 7, failed: 0 });
    }

    #[test]
    fn a_request_that_turns_out_to_have_failed_is_counted_once() {
        let recent = Recent::new(1);
        recent.count(0, 0, 1_000, true);
        recent.count(0, 0, 1_000, true);
        recent.turn(0, 1, 1_000);
        assert_eq!(recent.sum(1, 1_000), Sum { worked: 1, failed: 1 });
        recent.turn(0, 500, 1_000);
        assert_eq!(recent.sum(500, 1_000), Sum { worked: 1, failed: 2 }, "that was long ago");
    }
}
