//! Requests in flight at one endpoint, counted without a shared cache line.
//!
//! Every worker has a shard of its own: it counts its requests there, and
//! remembers what the others' shards came to when it last looked. A worker's
//! view is exact for itself and at most 10 ms old for the others, which is
//! enough to balance by. A hard limit needs more; that is the business of the
//! gate, and only where one is set.
//!
//! Shards come into being with a worker's first look, so that an endpoint
//! without traffic costs a few words. What is [`Counted`] holds its shard, not the
//! endpoint: to count a reference on the endpoint would write the very cache
//! line, shared by all workers, that the shards avoid.

use std::sync::OnceLock;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};

/// How old a worker's view of the others may become, in milliseconds.
const REFRESH_MS: u64 = 10;

/// The count of one endpoint.
#[derive(Debug)]
pub(super) struct InFlight {
    workers: usize,
    shards: OnceLock<Box<[OnceLock<Arc<Shard>>]>>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    own: AtomicU64,
    others: AtomicU64,
    /// When `others` is summed again.
    stale_at_ms: AtomicU64,
}

/// One request in flight at an endpoint. Dropping it ends the count.
#[derive(Debug)]
#[must_use = "what is dropped no longer counts"]
pub(super) struct Counted {
    shard: Arc<Shard>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shard.own.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InFlight {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers: workers.max(1), shards: OnceLock::new() }
    }

    /// Counts a request of this worker until what it gives is dropped.
    pub(super) fn count(&self, worker: usize) -> Counted {
        let shard = Arc::clone(self.shard(worker));
        shard.own.fetch_add(1, Ordering::Relaxed);
        Counted { shard }
    }

    /// The count as this worker sees it: its own to the request, the others' as
    /// of at most 10 ms ago.
    pub(super) fn seen_by(&self, worker: usize, now_ms: u64) -> u64 {
        let shard = self.shard(worker);
        let own = shard.own.load(Ordering::Relaxed);
        if now_ms < shard.stale_at_ms.load(Ordering::Relaxed) {
            return own + shard.others.load(Ordering::Relaxed);
        }
        let others = self.total().saturating_sub(own);
        shard.others.store(others, Ordering::Relaxed);
        shard.stale_at_ms.store(now_ms + REFRESH_MS, Ordering::Relaxed);
        own + others
    }

    /// The count of all workers. They go on counting meanwhile, so it is exact
    /// only when they rest.
    pub(super) fn total(&self) -> u64 {
        let shards = self.shards.get().map_or(&[][..], |shards| shards);
        shards.iter().filter_map(OnceLock::get).map(|s| s.own.load(Ordering::Relaxed)).sum()
    }

    fn shard(&self, worker: usize) -> &Arc<Shard> {
        let shards = self
            .shards
            .get_or_init(|| std::iter::repeat_with(OnceLock::new).take(self.workers).collect());
        shards[worker % self.workers].get_or_init(|| {
            Arc::new(Shard {
                own: AtomicU64::new(0),
                others: AtomicU64::new(0),
                stale_at_ms: AtomicU64::new(0),
            })
        })
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_its_count_is_dropped() {
        let in_flight = InFlight::new(2);
        assert_eq!(in_flight.total(), 0);
        let first = in_flight.count(0);
        let second = in_flight.count(1);
        assert_eq!(in_flight.total(), 2);
        drop(first);
        assert_eq!(in_flight.total(), 1);
        drop(second);
        assert_eq!(in_flight.total(), 0);
    }

    #[test]
    fn a_worker_is_exact_for_itself_and_at_most_ten_milliseconds_behind_the_others() {
        let in_flight = InFlight::new(2);
        assert_eq!(in_flight.seen_by(0, 100), 0);
        let _other = in_flight.count(1);
        let _own = in_flight.count(0);
        assert_eq!(in_flight.seen_by(0, 109), 1);
        assert_eq!(in_flight.seen_by(0, 110), 2);
        assert_eq!(in_flight.seen_by(0, 111), 2, "what was seen of the others is added");
    }

    #[test]
    fn a_count_outlives_the_endpoint_it_counts_at() {
        let in_flight = InFlight::new(1);
        let counted = in_flight.count(0);
        drop(in_flight);
        drop(counted);
    }
}
