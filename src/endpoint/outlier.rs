//! When an endpoint's failures are too many.
//!
//! Two measures, because two things go wrong: an endpoint that is broken fails
//! again and again, and failures in a row show it after a handful of requests;
//! one that is half broken fails now and then, and only its share of successes
//! shows it. A success writes nothing that workers share, unless it ends a row
//! of failures.

use crate::endpoint::condition::Reason;
use crate::endpoint::ejection::{Ejection, EjectionTerms};
use crate::endpoint::recent::Recent;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// When an endpoint is ejected, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierPolicy {
    /// So many failures in a row eject; 0 never does.
    pub failures_in_a_row: u64,
    /// Fewer successes than this, in percent of the requests in the window,
    /// eject; 0 never does.
    pub success_percent: u64,
    /// Below so many requests in the window there is no percentage to speak of.
    pub min_requests: u64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// How long an ejection lasts.
    pub ejection: EjectionTerms,
    /// After so long without a word an endpoint may hang, in milliseconds: who
    /// leaves then counts, and a trial may be taken over. Not 0.
    pub silence_ms: u64,
}

/// Where a request on an endpoint failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failing {
    /// There was no head, or one that counts as a failure.
    Head,
    /// The content of the answer broke off, whose head was counted as one that
    /// worked.
    Content,
}

/// The part of a word that counts.
const COUNT: u64 = 0xff;

/// What is held against one endpoint.
#[derive(Debug)]
pub(super) struct Outlier {
    in_a_row: AtomicU64,
    /// Answers in a row whose content broke off. A row of its own: the heads
    /// came, and each ended the other row.
    broken_off: AtomicU64,
    /// Clients that left in a row, in the lowest 8 bits; above them when the
    /// first of them did, in milliseconds.
    left: AtomicU64,
    recent: Recent,
    pub(super) ejection: Ejection,
}

impl Outlier {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            in_a_row: AtomicU64::new(0),
            broken_off: AtomicU64::new(0),
            left: AtomicU64::new(0),
            recent: Recent::new(workers),
            ejection: Ejection::new(),
        }
    }

    /// A request of this worker worked; whether that ends a row of clients that
    /// left.
    pub(super) fn worked(&self, worker: usize, now_ms: u64, policy: &OutlierPolicy) -> bool {
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
        if policy.success_percent > 0 {
            self.recent.count(worker, now_ms, policy.window_ms, true);
        }
        let was_left = self.left.load(Relaxed) != 0;
        if was_left {
            self.left.store(0, Relaxed);
        }
        was_left
    }

    /// A client left that had waited for its answer; whether as many have in a
    /// row as failures are too many, and nobody was answered between them, for
    /// so long that the endpoint itself may be the cause. Those that leave all at
    /// once are no sign: clients may do that at will.
    pub(super) fn left(&self, now_ms: u64, policy: &OutlierPolicy) -> bool {
        let one_more = |seen: u64| {
            let first_ms = if seen == 0 { now_ms } else { seen >> 8 };
            Some(first_ms << 8 | ((seen & COUNT) + 1).min(COUNT))
        };
        let before = self.left.fetch_update(Relaxed, Relaxed, one_more);
        let seen = before.ok().and_then(one_more).unwrap_or(0);
        let (first_ms, count) = (seen >> 8, seen & COUNT);
        policy.failures_in_a_row > 0
            && count >= policy.failures_in_a_row.min(COUNT)
            && now_ms.saturating_sub(first_ms) >= policy.silence_ms
    }

    /// A request of this worker failed; why it is one too many, if it is.
    pub(super) fn failed(
        &self,
        how: Failing,
        worker: usize,
        now_ms: u64,
        policy: &OutlierPolicy,
    ) -> Option<Reason> {
        let row = match how {
            Failing::Head => &self.in_a_row,
            Failing::Content => &self.broken_off,
        };
        let in_a_row = row.fetch_add(1, Relaxed) + 1;
        if policy.success_percent > 0 {
            match how {
                Failing::Head => self.recent.count(worker, now_ms, policy.window_ms, false),
                Failing::Content => self.recent.turn(worker, now_ms, policy.window_ms),
            }
        }
        self.too_many(in_a_row, now_ms, policy)
    }

    /// Whether the last answers broke off.
    pub(super) fn breaks_off(&self) -> bool {
        self.broken_off.load(Relaxed) != 0
    }

    /// An answer came whole.
    pub(super) fn delivered(&self) {
        self.broken_off.store(0, Relaxed);
    }

    fn too_many(&self, in_a_row: u64, now_ms: u64, policy: &OutlierPolicy) -> Option<Reason> {
        if policy.failures_in_a_row > 0 && in_a_row >= policy.failures_in_a_row {
            return Some(Reason::FailuresInARow);
        }
        if policy.success_percent == 0 {
            return None;
        }
        let sum = self.recent.sum(now_ms, policy.window_ms);
        let requests = sum.worked + sum.failed;
        let too_few = sum.worked * 100 < policy.success_percent * requests;
        (requests >= policy.min_requests && too_few).then_some(Reason::SuccessRate)
    }

    /// It was ejected or has passed its trial: what was counted is answered for.
    /// Not so the row of answers that broke off: a trial is passed with a head,
    /// and whether its content comes whole shows later. If it breaks off too, the
    /// row is long enough to eject at once; one that comes whole ends it.
    pub(super) fn forget(&self) {
        self.in_a_row.store(0, Relaxed);
        self.left.store(0, Relaxed);
        self.recent.clear();
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;
    use crate::endpoint::recent::Sum;

    fn policy() -> OutlierPolicy {
        OutlierPolicy {
            failures_in_a_row: 3,
            success_percent: 50,
            min_requests: 10,
            window_ms: 1_000,
            ejection: EjectionTerms { base_ms: 1_000, max_ms: 5_000 },
            silence_ms: 500,
        }
    }

    #[test]
    fn failures_in_a_row_are_too_many_and_a_success_ends_the_row() {
        let outlier = Outlier::new(2);
        for _ in 0..5 {
            assert_eq!(outlier.failed(Failing::Head, 0, 0, &policy()), None);
            assert_eq!(outlier.failed(Failing::Head, 1, 0, &policy()), None);
            for _ in 0..4 {
                outlier.worked(0, 0, &policy());
            }
        }
        assert_eq!(outlier.failed(Failing::Head, 0, 0, &policy()), None);
        assert_eq!(outlier.failed(Failing::Head, 1, 0, &policy()), None);
        assert_eq!(outlier.failed(Failing::Head, 0, 0, &policy()), Some(Reason::FailuresInARow));
    }

    #[test]
    fn too_few_successes_are_seen_across_workers_once_there_are_enough_requests() {
        let outlier = Outlier::new(2);
        let mut verdicts = Vec::new();
        for worker in [0, 1, 0, 1] {
            verdicts.push(outlier.failed(Failing::Head, worker, 0, &policy()));
            verdicts.push(outlier.failed(Failing::Head, worker, 0, &policy()));
            outlier.worked(worker, 0, &policy());
        }
        assert_eq!(verdicts[..6], [None; 6]);
        assert_eq!(verdicts[6..], [Some(Reason::SuccessRate); 2]);
        outlier.forget();
        assert_eq!(outlier.failed(Failing::Head, 0, 0, &policy()), None);
    }

    #[test]
    fn answers_that_break_off_are_a_row_that_their_heads_do_not_end() {
        let outlier = Outlier::new(1);
        let broken_off = || {
            outlier.worked(0, 0, &policy());
            outlier.failed(Failing::Content, 0, 0, &policy())
        };
        assert!(!outlier.breaks_off());
        assert_eq!([broken_off(), broken_off()], [None; 2]);
        assert!(outlier.breaks_off());
        outlier.delivered();
        assert!(!outlier.breaks_off());
        assert_eq!([broken_off(), broken_off()], [None; 2]);
        assert_eq!(broken_off(), Some(Reason::FailuresInARow));
        outlier.forget();
        assert_eq!(broken_off(), Some(Reason::FailuresInARow), "it goes on breaking off");
        outlier.delivered();
        assert!(!outlier.breaks_off());
    }

    #[test]
    fn an_answer_that_breaks_off_is_no_success_among_the_recent() {
        let long = OutlierPolicy { failures_in_a_row: 0, ..policy() };
        let outlier = Outlier::new(1);
        for turn in 0..10 {
            outlier.worked(0, 0, &long);
            let verdict = outlier.failed(Failing::Content, 0, 0, &long);
            assert_eq!(verdict, (turn == 9).then_some(Reason::SuccessRate), "{turn}");
        }
    }

    #[test]
    fn just_enough_successes_are_enough() {
        let half = OutlierPolicy { failures_in_a_row: 0, ..policy() };
        let outlier = Outlier::new(1);
        for _ in 0..5 {
            outlier.worked(0, 0, &half);
        }
        assert!(
            (0..5).all(|_| outlier.failed(Failing::Head, 0, 0, &half).is_none()),
            "half of ten"
        );
        assert_eq!(outlier.failed(Failing::Head, 0, 0, &half), Some(Reason::SuccessRate));
    }

    #[test]
    fn either_measure_can_be_off() {
        let off = OutlierPolicy { failures_in_a_row: 0, success_percent: 0, ..policy() };
        let outlier = Outlier::new(1);
        assert!((0..100).all(|_| outlier.failed(Failing::Head, 0, 0, &off).is_none()));
        outlier.worked(0, 0, &off);
        assert_eq!(outlier.failed(Failing::Content, 0, 0, &off), None);
        assert_eq!(outlier.recent.sum(0, 1_000), Sum::default(), "nobody asks for a percentage");
    }

    #[test]
    fn clients_that_leave_are_a_sign_when_nobody_is_answered_for_a_while() {
        let outlier = Outlier::new(1);
        assert!((0..300).all(|_| !outlier.left(1_000, &policy())), "all at once are none");
        assert!(!outlier.left(1_499, &policy()) && outlier.left(1_500, &policy()));
        assert!(outlier.worked(0, 1_500, &policy()), "it is no longer silent");
        assert!(!outlier.worked(0, 1_500, &policy()));
        assert!(!outlier.left(2_000, &policy()) && !outlier.left(2_500, &policy()), "too few");
        assert!(outlier.left(2_500, &policy()));
        let off = OutlierPolicy { failures_in_a_row: 0, ..policy() };
        assert!(!outlier.left(9_000, &off));
    }
}
