//! In, out for a while, or on trial: one endpoint's ejection, shared by workers.
//!
//! The state is one word, changed by compare-and-swap alone: an ejection that
//! two workers find due happens once and grows once, and of all requests that
//! come when its time is up exactly one becomes the trial. What ends well while
//! the endpoint is out says nothing: it began before. Only a trial speaks.
//!
//! A trial ends when the endpoint answers, fails, or runs into a clock. It must
//! not last for as long as a client likes to take over its content: one that is
//! kept waiting by its client may be taken over by the next request after a
//! while (Polly's circuit breaker lends its trial for a time likewise). Who was
//! taken over still speaks, should the endpoint answer it after all, but it no
//! longer keeps others from trying.
//!
//! There is a suspicion besides: clients left an endpoint that had nothing to
//! say to anybody. That may be the endpoint, or the clients, who must not be able
//! to do it harm. So it is not out: it is tried at once, by one request after
//! the other, each of which may be taken over, and whatever it answers to anyone
//! clears it.

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
    /// A request tries it now that another may take over from then on.
    OnLentTrial { until_ms: u64 },
}

/// One endpoint's ejection.
#[derive(Debug)]
pub(super) struct Ejection {
    /// Phase in the lowest 3 bits, ejections in a row in the next 5, above them
    /// a time in milliseconds: of its return while in, of the end of its ejection
    /// while out, of the beginning of the last trial after that.
    word: AtomicU64,
}

const IN: u64 = 0;
const OUT: u64 = 1;
const TRIAL: u64 = 2;
/// Its time is up, and a trial of it ended without a verdict.
const AGAIN: u64 = 3;
/// On a trial that may be taken over.
const LENT: u64 = 4;
/// Under suspicion, and not on trial.
const SUSPECT: u64 = 5;
/// On a trial for a suspicion; it may be taken over.
const SUSPECT_TRIAL: u64 = 6;
const PHASES: u64 = 7;
const MOST_IN_A_ROW: u64 = 31;

#[derive(Clone, Copy)]
struct Word {
    phase: u64,
    in_a_row: u64,
    at_ms: u64,
}

impl Word {
    fn unpack(word: u64) -> Self {
        Self { phase: word & PHASES, in_a_row: word >> 3 & MOST_IN_A_ROW, at_ms: word >> 8 }
    }

    fn pack(self) -> u64 {
        self.phase | self.in_a_row.min(MOST_IN_A_ROW) << 3 | self.at_ms << 8
    }

    fn is_suspect(self) -> bool {
        matches!(self.phase, SUSPECT | SUSPECT_TRIAL)
    }

    /// Whether it is tried, or may be after a first trial.
    fn is_half_open(self) -> bool {
        matches!(self.phase, TRIAL | AGAIN | LENT | SUSPECT | SUSPECT_TRIAL)
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

/// A trial, so that who was taken over is told from who took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    at_ms: u64,
    /// When its ejection was over, if none was tried before since then.
    pub(super) first_since_ms: Option<u64>,
}

impl Begun {
    /// Whether none was tried before since its ejection.
    pub(super) fn is_first(self) -> bool {
        self.first_since_ms.is_some()
    }

    /// Whether this is the trial under way. Another one began a while later.
    fn holds(self, word: Word) -> bool {
        matches!(word.phase, TRIAL | LENT | SUSPECT_TRIAL) && word.at_ms == self.at_ms
    }
}

impl Ejection {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// Where it stands at `now_ms`, where trials are lent for so long.
    pub(super) fn standing(&self, now_ms: u64, lent_ms: u64) -> Standing {
        let Word { phase, at_ms, .. } = Word::unpack(self.word.load(Ordering::Acquire));
        match phase {
            IN => Standing::In,
            OUT if now_ms < at_ms => Standing::Out { until_ms: at_ms },
            OUT | AGAIN | SUSPECT => Standing::Due { since_ms: at_ms },
            TRIAL => Standing::OnTrial,
            _ if now_ms < at_ms + lent_ms => Standing::OnLentTrial { until_ms: at_ms + lent_ms },
            _ => Standing::Due { since_ms: at_ms },
        }
    }

    /// Whether it is in: nothing is held against it.
    pub(super) fn is_in(&self) -> bool {
        Word::unpack(self.word.load(Ordering::Acquire)).phase == IN
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

    /// Suspects it if it is in; whether this call did.
    pub(super) fn suspect(&self, now_ms: u64) -> bool {
        let word = |word: Word| Word { phase: SUSPECT, at_ms: now_ms, ..word };
        self.change(|before| (before.phase == IN).then(|| word(before))).is_some()
    }

    /// It has answered somebody: it is no longer suspected, if it was.
    pub(super) fn clear(&self, now_ms: u64) -> bool {
        let word = |word: Word| Word { phase: IN, at_ms: now_ms, ..word };
        self.change(|before| before.is_suspect().then(|| word(before))).is_some()
    }

    /// Makes the caller's request its trial, if its time is up and no other is,
    /// or none that was lent for longer than `lent_ms`.
    pub(super) fn begin_trial(&self, now_ms: u64, lent_ms: u64) -> Option<Begun> {
        let before = self.change(|word| {
            let phase = match word.phase {
                OUT if now_ms >= word.at_ms => TRIAL,
                AGAIN => TRIAL,
                LENT if now_ms >= word.at_ms + lent_ms => TRIAL,
                SUSPECT => SUSPECT_TRIAL,
                SUSPECT_TRIAL if now_ms >= word.at_ms + lent_ms => SUSPECT_TRIAL,
                _ => return None,
            };
            Some(Word { phase, at_ms: now_ms, ..word })
        })?;
        let first_since_ms = (before.phase == OUT).then_some(before.at_ms);
        Some(Begun { at_ms: now_ms, first_since_ms })
    }

    /// The trial that began then waits for its client: it is lent from now on,
    /// unless it was taken over. Whether that is news.
    pub(super) fn lend(&self, begun: Begun) -> bool {
        let lent = |word: Word| Word { phase: LENT, ..word };
        self.change(|word| (begun.holds(word) && word.phase == TRIAL).then(|| lent(word))).is_some()
    }

    /// The trial that began then has all of its request: nobody takes it over
    /// any more. Whether that is news.
    pub(super) fn keep(&self, begun: Begun) -> bool {
        let kept = |word: Word| Word { phase: TRIAL, ..word };
        self.change(|word| (begun.holds(word) && word.phase == LENT).then(|| kept(word))).is_some()
    }

    /// A trial worked, be it one that was taken over: it is in. Whether it was
    /// out before, and not under suspicion; `None` if it is not half open any more.
    pub(super) fn pass(&self, now_ms: u64) -> Option<bool> {
        let word = |word: Word| Word { phase: IN, at_ms: now_ms, ..word };
        let before = self.change(|before| before.is_half_open().then(|| word(before)))?;
        Some(!before.is_suspect())
    }

    /// A trial failed, be it one that was taken over: it is out for longer than
    /// before. Whether it was half open.
    pub(super) fn fail(&self, now_ms: u64, terms: EjectionTerms, random: u64) -> bool {
        let word = |word: Word| word.ejected(now_ms, terms, random);
        self.change(|before| before.is_half_open().then(|| word(before))).is_some()
    }

    /// The trial that began then ended without a verdict: the next request is
    /// one, unless one has taken it over.
    pub(super) fn abandon(&self, begun: Begun) {
        self.change(|word| {
            let phase = if word.is_suspect() { SUSPECT } else { AGAIN };
            begun.holds(word).then_some(Word { phase, ..word })
        });
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
#[path = "ejection_tests.rs"]
mod tests;
