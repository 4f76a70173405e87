//! One line of the log in a while, for what can happen thousands of times a
//! second.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lets one through in a while, or some at once and then one in a while, and
/// counts the others. Time is passed in.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// When all that was let through has had its while.
    paid_ms: AtomicU64,
    unsaid: AtomicU64,
}

impl Seldom {
    /// Whether it is time for a line at `now_ms`, and how many were not said
    /// since the last; then the next may come `every_ms` later.
    pub(crate) fn turn(&self, now_ms: u64, every_ms: u64) -> Option<u64> {
        self.turn_of(1, now_ms, every_ms)
    }

    /// The same for things that come together and differ: `at_once` of them
    /// are let through after a pause.
    pub(crate) fn turn_of(&self, at_once: u64, now_ms: u64, every_ms: u64) -> Option<u64> {
        let paid_ms = self.paid_ms.load(Relaxed);
        let ahead_ms = every_ms.saturating_mul(at_once.saturating_sub(1));
        // Of several threads whose time it is, one has the turn.
        let to_ms = now_ms.max(paid_ms).saturating_add(every_ms);
        let due = now_ms.saturating_add(ahead_ms) >= paid_ms
            && self.paid_ms.compare_exchange(paid_ms, to_ms, Relaxed, Relaxed).is_ok();
        if due {
            return Some(self.unsaid.swap(0, Relaxed));
        }
        self.unsaid.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_while_is_said_and_tells_how_many_were_not() {
        let seldom = Seldom::default();
        let said = [0, 1, 99, 100, 150, 300].map(|now_ms| seldom.turn(now_ms, 100));
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn some_are_said_at_once_and_then_one_in_a_while() {
        let seldom = Seldom::default();
        let times = [0, 0, 0, 0, 99, 100, 100, 250, 300, 1_000, 1_000, 1_000, 1_000];
        let said = times.map(|now_ms| seldom.turn_of(3, now_ms, 100).is_some());
        let (yes, no) = (true, false);
        let expected = [yes, yes, yes, no, no, yes, no, yes, yes, yes, yes, yes, no];
        assert_eq!(said, expected);
    }
}
