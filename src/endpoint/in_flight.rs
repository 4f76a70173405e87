//! Requests in flight at one endpoint, and how long their answers take, counted
//! without a shared cache line.
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

use crate::endpoint::pace::{Level, Pace};
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
    /// The worker's own [`Pace`].
    pace: AtomicU64,
    /// The newest of the others'.
    others_pace: AtomicU64,
}

/// How busy an endpoint is, as a worker sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Requests in flight.
    pub(super) requests: u64,
    /// How long its answers take.
    pub(super) level: Level,
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

    /// Notes that an answer to a request of this worker took so long.
    pub(super) fn answered(&self, worker: usize, now_ms: u64, took_us: u64) {
        let shard = self.shard(worker);
        let pace = Pace::of(shard.pace.load(Ordering::Relaxed)).after(now_ms, took_us);
        shard.pace.store(pace.word(), Ordering::Relaxed);
    }

    /// The count as this worker sees it: its own to the request, the others' as
    /// of at most 10 ms ago.
    pub(super) fn seen_by(&self, worker: usize, now_ms: u64) -> u64 {
        self.load_seen_by(worker, now_ms).requests
    }

    /// The same, with how long answers take: as the worker knows from its own
    /// requests, or as others know, if they have newer ones.
    pub(super) fn load_seen_by(&self, worker: usize, now_ms: u64) -> Load {
        let shard = self.shard(worker);
        if now_ms >= shard.stale_at_ms.load(Ordering::Relaxed) {
            self.look_at_others(shard, now_ms);
        }
        let [own, others] = [&shard.own, &shard.others].map(|count| count.load(Ordering::Relaxed));
        let paces = [&shard.pace, &shard.others_pace].map(|word| word.load(Ordering::Relaxed));
        let pace = Pace::of(paces[0]).max(Pace::of(paces[1]));
        Load { requests: own + others, level: pace.level(now_ms) }
    }

    fn look_at_others(&self, shard: &Shard, now_ms: u64) {
        let all = self.shards.get().map_or(&[][..], |shards| shards);
        let others = all.iter().filter_map(OnceLock::get).filter(|s| !std::ptr::eq(&***s, shard));
        let (mut requests, mut pace) = (0, Pace::default());
        for other in others {
            requests += other.own.load(Ordering::Relaxed);
            pace = pace.max(Pace::of(other.pace.load(Ordering::Relaxed)));
        }
        shard.others.store(requests, Ordering::Relaxed);
        shard.others_pace.store(pace.word(), Ordering::Relaxed);
        shard.stale_at_ms.store(now_ms + REFRESH_MS, Ordering::Relaxed);
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
        // A division costs more than the count.
        let own = shards.get(worker).unwrap_or_else(|| &shards[worker % self.workers]);
        own.get_or_init(|| {
            Arc::new(Shard {
                own: AtomicU64::new(0),
                others: AtomicU64::new(0),
                stale_at_ms: AtomicU64::new(0),
                pace: AtomicU64::new(0),
                others_pace: AtomicU64::new(0),
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
    fn a_worker_knows_what_others_know_of_how_long_answers_take() {
        let in_flight = InFlight::new(2);
        let level = |worker, now_ms| in_flight.load_seen_by(worker, now_ms).level;
        let of = |took_us| Pace::default().after(0, took_us).level(0);
        assert_eq!(level(0, 100), Level::default());
        in_flight.answered(1, 100, 200_000);
        assert_eq!((level(0, 109), level(0, 110)), (Level::default(), of(200_000)));
        in_flight.answered(0, 120, 10_000);
        assert_eq!(level(0, 120), of(10_000), "its own is newer");
        assert_eq!(level(0, 31_000), Level::default(), "nobody knows any more");
    }

    #[test]
    fn a_count_outlives_the_endpoint_it_counts_at() {
        let in_flight = InFlight::new(1);
        let counted = in_flight.count(0);
        drop(in_flight);
        drop(counted);
    }
}
