//! The verdict of the probes, where the choice reads it.
//!
//! One prober writes it, all workers read it for every choice: so it is one
//! word, written only when the verdict changes. The moment of the change
//! stands in the same word, so that nobody sees the one without the other.

use crate::endpoint::rise_fall::Standing;
use crate::sync::atomic::{AtomicU64, Ordering};

const DOWN: u64 = 1 << 63;
const PROVEN: u64 = 1 << 62;
/// Up, and was down before.
const RETURNED: u64 = 1 << 61;
const FLAGS: u64 = DOWN | PROVEN | RETURNED;

/// Up or down, and since when.
#[derive(Debug)]
pub(super) struct Verdict {
    /// [`FLAGS`], and below them milliseconds.
    word: AtomicU64,
}

impl Verdict {
    /// A verdict reached at `now_ms`.
    pub(super) fn new(standing: Standing, now_ms: u64) -> Self {
        Self { word: AtomicU64::new(word(standing, now_ms)) }
    }

    /// The same verdict for somebody else.
    pub(super) fn again(&self) -> Self {
        Self { word: AtomicU64::new(self.word.load(Ordering::Relaxed)) }
    }

    /// Changes it at `now_ms`. It guards no other memory, so it needs no
    /// ordering: a reader sees it a moment sooner or later. Only one at a time
    /// calls this.
    pub(super) fn set(&self, standing: Standing, now_ms: u64) {
        let returned = if self.is_down() && standing == Standing::Up { RETURNED } else { 0 };
        self.word.store(word(standing, now_ms) | returned, Ordering::Relaxed);
    }

    /// When it came back up; `None` if it is down, or never was.
    pub(super) fn returned_ms(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Relaxed);
        (word & RETURNED != 0).then_some(word & !FLAGS)
    }

    /// Whether it is down.
    pub(super) fn is_down(&self) -> bool {
        self.word.load(Ordering::Relaxed) & DOWN != 0
    }

    /// What it is, and since when.
    pub(super) fn read(&self) -> (Standing, u64) {
        let word = self.word.load(Ordering::Relaxed);
        let standing = match (word & DOWN != 0, word & PROVEN != 0) {
            (true, _) => Standing::Down,
            (false, true) => Standing::Up,
            (false, false) => Standing::Unproven,
        };
        (standing, word & !FLAGS)
    }
}

fn word(standing: Standing, now_ms: u64) -> u64 {
    let flags = match standing {
        Standing::Unproven => 0,
        Standing::Up => PROVEN,
        Standing::Down => PROVEN | DOWN,
    };
    flags | (now_ms & !FLAGS)
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_as_it_was_set() {
        let verdict = Verdict::new(Standing::Unproven, 5);
        assert_eq!((verdict.read(), verdict.is_down()), ((Standing::Unproven, 5), false));
        for (standing, down) in [(Standing::Down, true), (Standing::Up, false)] {
            verdict.set(standing, 7);
            assert_eq!((verdict.read(), verdict.is_down()), ((standing, 7), down));
            assert_eq!(verdict.again().read(), (standing, 7));
        }
    }

    #[test]
    fn only_what_was_down_has_returned() {
        let verdict = Verdict::new(Standing::Unproven, 0);
        verdict.set(Standing::Up, 1);
        assert_eq!(verdict.returned_ms(), None);
        verdict.set(Standing::Down, 2);
        assert_eq!(verdict.returned_ms(), None);
        verdict.set(Standing::Up, 3);
        assert_eq!((verdict.returned_ms(), verdict.again().returned_ms()), (Some(3), Some(3)));
        verdict.set(Standing::Down, 4);
        assert_eq!(verdict.returned_ms(), None);
    }
}
