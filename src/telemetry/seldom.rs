//! One line of the log in a while, for what can happen thousands of times a
//! second.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lets one through in a while, and counts the others. Time is passed in.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    from_ms: AtomicU64,
    unsaid: AtomicU64,
}

impl Seldom {
    /// Whether it is time for a line at `now_ms`, and how many were not said
    /// since the last; then the next may come `every_ms` later.
    pub(crate) fn turn(&self, now_ms: u64, every_ms: u64) -> Option<u64> {
        let from_ms = self.from_ms.load(Relaxed);
        // Of several threads whose time it is, one has the turn.
        let to_ms = now_ms.saturating_add(every_ms);
        let due = now_ms >= from_ms
            && self.from_ms.compare_exchange(from_ms, to_ms, Relaxed, Relaxed).is_ok();
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
}
