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
//!
//! An endpoint may get its limit while requests are in flight that did not go
//! through the gate. They must count too, and none may pass it by from then on.
//! So the word a worker counts in has a mark: it is set in the same step in which
//! those are read who came before it, and whoever counts next sees it.

use std::sync::OnceLock;

use super::gate::Gate;
use crate::endpoint::pace::{Level, Pace};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};

/// How old a worker's view of the others may become, in milliseconds.
const REFRESH_MS: u64 = 10;

/// In a shard's own count: the gate counts. Far above any count.
const GATED: u64 = 1 << 63;

/// The count of one endpoint.
#[derive(Debug)]
pub(super) struct InFlight {
    gate: Arc<Gate>,
    workers: usize,
    shards: OnceLock<Box<[OnceLock<Arc<Shard>>]>>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    /// And [`GATED`], once the gate counts.
    own: AtomicU64,
    others: AtomicU64,
    /// When `others` is summed again.
    stale_at_ms: AtomicU64,
    /// The worker's own [`Pace`].
    pace: AtomicU64,
    /// The newest of the others'.
    others_pace: AtomicU64,
    gate: Arc<Gate>,
}

/// How busy an endpoint is, as a worker sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Requests in flight.
    pub(super) requests: u64,
    /// How long its answers take.
    pub(super) level: Level,
}

/// One request in flight at an endpoint, until it is [ended](Counted::end).
#[derive(Debug)]
#[must_use = "what is counted has to be ended"]
pub(super) struct Counted {
    shard: Arc<Shard>,
}

impl Counted {
    /// Ends the count; gives the gate if that counts what is in flight by now.
    pub(super) fn end(&self) -> Option<&Arc<Gate>> {
        let before = self.shard.own.fetch_sub(1, Ordering::Relaxed);
        (before & GATED != 0).then_some(&self.shard.gate)
    }
}

impl Shard {
    fn in_flight(&self) -> u64 {
        self.own.load(Ordering::Relaxed) & !GATED
    }

    /// What its worker knows from its own requests, or what others know, if that
    /// is newer.
    fn pace(&self) -> Pace {
        let [own, others] =
            [&self.pace, &self.others_pace].map(|word| word.load(Ordering::Relaxed));
        Pace::of(own).max(Pace::of(others))
    }
}

impl InFlight {
    /// A count for so many workers, for this gate to take over if need be.
    pub(super) fn new(workers: usize, gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), workers: workers.max(1), shards: OnceLock::new() }
    }

    /// Counts a request of this worker that the gate has let in.
    pub(super) fn count(&self, worker: usize) -> Counted {
        let shard = Arc::clone(self.shard(worker));
        shard.own.fetch_add(1, Ordering::Relaxed);
        Counted { shard }
    }

    /// Notes that an answer to a request of this worker took so long. It adds to
    /// what the worker balances by, whoever found that out.
    pub(super) fn answered(&self, worker: usize, now_ms: u64, took_us: u64) {
        let shard = self.shard(worker);
        shard.pace.store(shard.pace().after(now_ms, took_us).word(), Ordering::Relaxed);
    }

    /// Counts a request of this worker unless the gate counts: then it has to
    /// go through that.
    pub(super) fn count_ungated(&self, worker: usize) -> Option<Counted> {
        let shard = self.shard(worker);
        if shard.own.fetch_add(1, Ordering::Relaxed) & GATED != 0 {
            shard.own.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Counted { shard: Arc::clone(shard) })
    }

    /// From now on the gate counts, and nothing else does that has not gone
    /// through it. How many are in flight who have not; each of them is told of
    /// the gate when it ends, which may be before this returns. 0 but for the
    /// first time.
    pub(super) fn begin_gating(&self) -> u64 {
        // Shards are made here if need be: one that came later would have no
        // mark.
        let words = (0..self.workers).map(|worker| &self.shard(worker).own);
        words.map(|own| own.fetch_or(GATED, Ordering::Relaxed)).filter(|own| own & GATED == 0).sum()
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
        let requests = shard.in_flight() + shard.others.load(Ordering::Relaxed);
        Load { requests, level: shard.pace().level(now_ms, requests) }
    }

    fn look_at_others(&self, shard: &Shard, now_ms: u64) {
        let all = self.shards.get().map_or(&[][..], |shards| shards);
        let others = all.iter().filter_map(OnceLock::get).filter(|s| !std::ptr::eq(&***s, shard));
        let (mut requests, mut pace) = (0, Pace::default());
        for other in others {
            requests += other.in_flight();
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
        shards.iter().filter_map(OnceLock::get).map(|shard| shard.in_flight()).sum()
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
                gate: Arc::clone(&self.gate),
            })
        })
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    fn in_flight(workers: usize) -> (InFlight, Arc<Gate>) {
        let gate = Arc::new(Gate::new());
        (InFlight::new(workers, &gate), gate)
    }

    fn ungated(in_flight: &InFlight, worker: usize) -> Counted {
        in_flight.count_ungated(worker).expect("there is no limit")
    }

    #[test]
    fn a_request_counts_until_its_end() {
        let (in_flight, _) = in_flight(2);
        assert_eq!(in_flight.total(), 0);
        let (first, second) = (ungated(&in_flight, 0), in_flight.count(1));
        assert_eq!(in_flight.total(), 2);
        assert!(first.end().is_none());
        assert_eq!(in_flight.total(), 1);
        assert!(second.end().is_none());
        assert_eq!(in_flight.total(), 0);
    }

    #[test]
    fn a_worker_is_exact_for_itself_and_at_most_ten_milliseconds_behind_the_others() {
        let (in_flight, _) = in_flight(2);
        assert_eq!(in_flight.seen_by(0, 100), 0);
        let _other = ungated(&in_flight, 1);
        let _own = ungated(&in_flight, 0);
        assert_eq!(in_flight.seen_by(0, 109), 1);
        assert_eq!(in_flight.seen_by(0, 110), 2);
        assert_eq!(in_flight.seen_by(0, 111), 2, "what was seen of the others is added");
    }

    #[test]
    fn a_worker_beyond_the_number_counts_with_another() {
        let (in_flight, _) = in_flight(2);
        let counted = [ungated(&in_flight, 5), in_flight.count(4)];
        assert_eq!([0, 1].map(|worker| in_flight.seen_by(worker, 0)), [2, 2]);
        in_flight.answered(5, 0, 200_000);
        assert_eq!(in_flight.load_seen_by(1, 0).level, in_flight.load_seen_by(3, 0).level);
        drop(counted);
    }

    #[test]
    fn a_worker_knows_what_others_know_of_how_long_answers_take() {
        let (in_flight, _) = in_flight(2);
        let level = |worker, now_ms| in_flight.load_seen_by(worker, now_ms).level;
        let of = |took_us| Pace::default().after(0, took_us).level(0, 0);
        assert_eq!(level(0, 100), Level::default());
        in_flight.answered(1, 100, 8_000);
        assert_eq!((level(0, 109), level(0, 110)), (Level::default(), of(8_000)));
        in_flight.answered(0, 120, 200_000);
        assert_eq!(level(0, 120), of(12_000), "a step on from there");
        assert_eq!(level(0, 2_120), Level::default(), "nobody is sure any more");
    }

    #[test]
    fn a_count_outlives_the_endpoint_it_counts_at() {
        let (in_flight, _) = in_flight(1);
        let counted = ungated(&in_flight, 0);
        drop(in_flight);
        assert!(counted.end().is_none());
    }

    #[test]
    fn the_gate_takes_over_what_is_in_flight_and_nobody_gets_past_it() {
        let (in_flight, gate) = in_flight(3);
        let earlier = [ungated(&in_flight, 0), ungated(&in_flight, 0), ungated(&in_flight, 1)];
        assert_eq!(in_flight.begin_gating(), 3);
        assert_eq!(in_flight.begin_gating(), 0, "it has them already");
        assert!((0..3).all(|worker| in_flight.count_ungated(worker).is_none()));
        let later = in_flight.count(2);
        assert_eq!((in_flight.total(), in_flight.seen_by(2, 0)), (4, 4));
        for counted in earlier.iter().chain([&later]) {
            assert!(counted.end().is_some_and(|own| Arc::ptr_eq(own, &gate)));
        }
        assert_eq!(in_flight.total(), 0);
    }
}
