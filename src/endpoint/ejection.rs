//! In, out for a while, or on trial: one endpoint's ejection, shared by workers.
//!
//! The state is one word, changed by compare-and-swap alone: an ejection that
//! two workers find due happens once and grows once, and of all requests that
//! come when its time is up exactly one becomes the trial. What ends well while
//! the endpoint is out says nothing: it began before. Only the trial speaks.

use crate::sync::atomic::{AtomicU64, Ordering};

/// How long ejections last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionTerms {
    /// The first one, in milliseconds; each further one is twice the one before.
    pub base_ms: u64,
    /// The longest, in milliseconds. Who has stayed in for as long starts again
    /// with the first.
    pub max_ms: u64,
}

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is held against it.
    In,
    /// Out until then.
    Out { until_ms: u64 },
    /// Its time is up: the next request is its trial.
    Due { since_ms: u64 },
    /// A request tries it now.
    OnTrial,
}

/// One endpoint's ejection.
#[derive(Debug)]
pub(super) struct Ejection {
    /// Phase in the lowest 2 bits, ejections in a row in the next 6, above them
    /// a time in milliseconds: of its return while in, else of the end of its
    /// ejection.
    word: AtomicU64,
}

const IN: u64 = 0;
const OUT: u64 = 1;
const TRIAL: u64 = 2;
/// Its time is up, and a trial of it ended without a verdict.
const AGAIN: u64 = 3;
const MOST_IN_A_ROW: u64 = 63;

#[derive(Clone, Copy)]
struct Word {
    phase: u64,
    in_a_row: u64,
    at_ms: u64,
}

impl Word {
    fn unpack(word: u64) -> Self {
        Self { phase: word & 3, in_a_row: word >> 2 & MOST_IN_A_ROW, at_ms: word >> 8 }
    }

    fn pack(self) -> u64 {
        self.phase | self.in_a_row.min(MOST_IN_A_ROW) << 2 | self.at_ms << 8
    }

    /// Out from `now_ms` on, for longer than the last time. Up to a tenth is
    /// taken off by `random`, so that endpoints that fell together do not come
    /// back together.
    fn ejected(self, now_ms: u64, terms: EjectionTerms, random: u64) -> Self {
        let doublings = u32::try_from(self.in_a_row).unwrap_or(u32::MAX).min(32);
        let full_ms = terms.base_ms.saturating_mul(1 << doublings).min(terms.max_ms);
        let off_ms = ((u128::from(random) * u128::from(full_ms / 10 + 1)) >> 64) as u64;
        let at_ms = now_ms + (full_ms - off_ms).max(1);
        Self { phase: OUT, in_a_row: self.in_a_row + 1, at_ms }
    }
}

impl Ejection {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// Where it stands at `now_ms`.
    pub(super) fn standing(&self, now_ms: u64) -> Standing {
        let Word { phase, at_ms, .. } = Word::unpack(self.word.load(Ordering::Acquire));
        match phase {
            IN => Standing::In,
            OUT if now_ms < at_ms => Standing::Out { until_ms: at_ms },
            OUT | AGAIN => Standing::Due { since_ms: at_ms },
            _ => Standing::OnTrial,
        }
    }

    /// Ejects it if it is in; whether this call did.
    pub(super) fn eject(&self, now_ms: u64, terms: EjectionTerms, random: u64) -> bool {
        let before = self.change(|word| {
            let forgiven = now_ms.saturating_sub(word.at_ms) >= terms.max_ms;
            let word = if forgiven { Word { in_a_row: 0, ..word } } else { word };
            (word.phase == IN).then(|| word.ejected(now_ms, terms, random))
        });
        before.is_some()
    }

    /// Makes the caller's request its trial, if its time is up and no other is;
    /// says whether it is the first since its ejection. Whoever gets an answer
    /// ends it with one of the three calls below.
    pub(super) fn begin_trial(&self, now_ms: u64) -> Option<bool> {
        let before = self.change(|word| {
            let due = word.phase == AGAIN || word.phase == OUT && now_ms >= word.at_ms;
            due.then_some(Word { phase: TRIAL, ..word })
        });
        before.map(|word| word.phase == OUT)
    }

    /// The trial worked: it is in.
    pub(super) fn pass(&self, now_ms: u64) {
        self.end_trial(|word| Word { phase: IN, at_ms: now_ms, ..word });
    }

    /// The trial failed: it is out for longer than before.
    pub(super) fn fail(&self, now_ms: u64, terms: EjectionTerms, random: u64) {
        self.end_trial(|word| word.ejected(now_ms, terms, random));
    }

    /// The trial ended without a verdict: the next request is one.
    pub(super) fn abandon(&self) {
        self.end_trial(|word| Word { phase: AGAIN, ..word });
    }

    fn end_trial(&self, next: impl Fn(Word) -> Word) {
        let ended = self.change(|word| (word.phase == TRIAL).then(|| next(word)));
        debug_assert!(ended.is_some(), "a trial ends once, by the one who began it");
    }

    /// What it was before, if it was changed.
    fn change(&self, next: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        let mut seen = self.word.load(Ordering::Acquire);
        loop {
            let before = Word::unpack(seen);
            let word = next(before)?;
            let exchange =
                self.word.compare_exchange(seen, word.pack(), Ordering::AcqRel, Ordering::Acquire);
            match exchange {
                Ok(_) => return Some(before),
                Err(newer) => seen = newer,
            }
        }
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    const TERMS: EjectionTerms = EjectionTerms { base_ms: 1_000, max_ms: 5_000 };

    fn out_until(ejection: &Ejection, now_ms: u64) -> u64 {
        match ejection.standing(now_ms) {
            Standing::Out { until_ms } => until_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_out_for_its_time_then_tried_by_one_request_at_a_time() {
        let ejection = Ejection::new();
        assert_eq!(ejection.begin_trial(0), None, "who is in needs no trial");
        assert!(ejection.eject(100, TERMS, 0));
        assert!(!ejection.eject(101, TERMS, 0), "it is out already");
        assert_eq!(out_until(&ejection, 1_099), 1_100);
        assert_eq!(ejection.begin_trial(1_099), None);
        assert_eq!(ejection.standing(1_100), Standing::Due { since_ms: 1_100 });
        assert_eq!([1_100, 1_100].map(|at| ejection.begin_trial(at)), [Some(true), None]);
        assert!(!ejection.eject(1_100, TERMS, 0), "older news does not end a trial");
        ejection.abandon();
        assert_eq!(ejection.standing(1_101), Standing::Due { since_ms: 1_100 });
        assert_eq!(ejection.begin_trial(1_101), Some(false), "the second");
        ejection.pass(1_102);
        assert_eq!(ejection.standing(1_102), Standing::In);
    }

    #[test]
    fn each_ejection_in_a_row_is_twice_as_long_up_to_the_cap() {
        let ejection = Ejection::new();
        assert!(ejection.eject(0, TERMS, 0));
        let mut now_ms = 1_000;
        for length_ms in [2_000, 4_000, 5_000, 5_000] {
            assert!(ejection.begin_trial(now_ms).is_some());
            ejection.fail(now_ms, TERMS, 0);
            assert_eq!(out_until(&ejection, now_ms), now_ms + length_ms);
            now_ms += length_ms;
        }
        assert!(ejection.begin_trial(now_ms).is_some());
        // It is in since its trial passed, which took its time.
        now_ms += 2_000;
        ejection.pass(now_ms);
        assert!(ejection.eject(now_ms + 4_999, TERMS, 0));
        assert_eq!(out_until(&ejection, now_ms + 4_999), now_ms + 9_999, "not forgiven yet");
    }

    #[test]
    fn who_stayed_in_for_the_longest_time_starts_again_with_the_first() {
        let ejection = Ejection::new();
        assert!(ejection.eject(0, TERMS, 0) && ejection.begin_trial(1_000).is_some());
        ejection.pass(1_000);
        assert!(ejection.eject(6_000, TERMS, 0));
        assert_eq!(out_until(&ejection, 6_000), 7_000);
    }

    #[test]
    fn chance_takes_off_a_tenth_at_most() {
        let until = |random| {
            let ejection = Ejection::new();
            assert!(ejection.eject(0, TERMS, random));
            out_until(&ejection, 0)
        };
        assert_eq!((until(0), until(u64::MAX)), (1_000, 900));
    }
}
