//! Times in which the router did not run, and silence therefore means nothing.
//!
//! A process that is stopped, or a machine that is frozen, wakes up with its
//! clock moved on and what its sources said meanwhile still unread: in sockets,
//! in queues. Were expiry the first to run, it would end what was confirmed all
//! the time. So whoever ends things watches the gaps between its own looks, and
//! after a long one leaves what is there alone for about as long as it was
//! away. That is time enough to read what has piled up, since reading is far
//! faster than saying; and should the router be stopped again and again, what
//! is dead still ends as long as it runs more than half of the time.

use std::time::{Duration, Instant};

/// A gap of so much is no pause, but a busy machine.
const BUSY: Duration = Duration::from_secs(1);
/// What piles up is bounded, and so is the time to read it.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// The looks of one who ends what is due.
#[derive(Debug)]
pub(crate) struct Pauses {
    looked: Instant,
    held_until: Option<Instant>,
}

impl Pauses {
    /// From a first look on.
    pub(crate) fn since(now: Instant) -> Self {
        Self { looked: now, held_until: None }
    }

    /// Another look; whether what is due may be ended now.
    pub(crate) fn may_end(&mut self, now: Instant) -> bool {
        let gap = now.saturating_duration_since(self.looked);
        self.looked = now;
        if gap >= BUSY {
            self.held_until = self.held_until.max(Some(now + gap.min(LONGEST_HOLD)));
        }
        self.held_until.take_if(|until| now >= *until);
        self.held_until.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Whether each look may end what is due, with these gaps before them.
    fn looks(gaps_ms: &[u32]) -> Vec<bool> {
        let mut now = Instant::now();
        let mut pauses = Pauses::since(now);
        let mut look = |gap_ms: &u32| {
            now += *gap_ms * MS;
            pauses.may_end(now)
        };
        gaps_ms.iter().map(&mut look).collect()
    }

    #[test]
    fn looks_in_quick_succession_end_what_is_due() {
        assert_eq!(looks(&[0, 50, 999, 50]), [true; 4]);
    }

    #[test]
    fn after_a_gap_nothing_is_ended_for_as_long_as_it_was() {
        assert_eq!(looks(&[1_000, 0, 999, 1]), [false, false, false, true]);
        assert_eq!(looks(&[3_000, 990, 990, 990, 30]), [false, false, false, false, true]);
    }

    #[test]
    fn a_long_gap_holds_no_longer_than_reading_takes() {
        let mut gaps = vec![3_600_000];
        gaps.extend([500; 20]);
        let ended = looks(&gaps);
        assert_eq!(ended.iter().position(|ended| *ended), Some(20));
    }

    #[test]
    fn a_gap_within_a_hold_holds_anew_and_never_for_less() {
        assert_eq!(
            looks(&[2_000, 3_000, 990, 990, 990, 30]),
            [false, false, false, false, false, true]
        );
        assert_eq!(
            looks(&[4_000, 1_000, 999, 999, 999, 3]),
            [false, false, false, false, false, true]
        );
    }
}
