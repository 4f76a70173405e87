//! What is to be looked at when.
//!
//! One entry for each route with something that ends; it is not moved when the
//! route is refreshed, which happens far more often than anything ends. When
//! its time comes the route is looked at, and entered again for what is due
//! next. So a million routes that are refreshed every twenty seconds cost one
//! look each per threshold, and a refresh costs nothing here.
//!
//! Times are rounded up to [`TICK_MS`], and the entries of a tick are in one
//! list. What came to be entered twice, or whose route is gone, is found out
//! at the look; should such entries become many, they are swept out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;

/// How fine times are kept.
pub(crate) const TICK_MS: u64 = 50;

/// Which route of which source to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Host and path, one behind the other.
    pub(crate) name: Arc<str>,
    pub(crate) source: Source,
}

/// A moment of the calendar; 0 is none.
pub(crate) type Tick = u64;

/// The looks to come.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    ticks: BTreeMap<(Tick, Source), Vec<Arc<str>>>,
    len: usize,
}

impl Calendar {
    /// The first tick at or after a time.
    pub(crate) fn tick_of(ms: u64) -> Tick {
        ms.div_ceil(TICK_MS).max(1)
    }

    /// Enters a look.
    pub(crate) fn enter(&mut self, tick: Tick, look: Look) {
        self.ticks.entry((tick, look.source)).or_default().push(look.name);
        self.len += 1;
    }

    /// The looks there are, of which some may be void.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes at most `limit` looks that are due at `now_ms`, earliest first.
    pub(crate) fn take_due(&mut self, now_ms: u64, limit: usize) -> Vec<(Tick, Look)> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some(mut first) = self.ticks.first_entry()
            && due_ms(first.key().0) <= now_ms
        {
            let (tick, source) = *first.key();
            let looks = first.get_mut();
            let left = looks.len().saturating_sub(limit - due.len());
            due.extend(looks.drain(left..).map(|name| (tick, Look { name, source })));
            if looks.is_empty() {
                first.remove();
            }
        }
        self.len -= due.len();
        due
    }

    /// Drops the looks that are not `valid`.
    pub(crate) fn sweep(&mut self, mut valid: impl FnMut(Tick, Source, &str) -> bool) {
        self.ticks.retain(|(tick, source), looks| {
            looks.retain(|name| valid(*tick, *source, name));
            looks.shrink_to_fit();
            !looks.is_empty()
        });
        self.len = self.ticks.values().map(Vec::len).sum();
    }
}

/// When the looks of a tick are due; the last ticks are due at the end of time.
fn due_ms(tick: Tick) -> u64 {
    tick.saturating_mul(TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(name: &str) -> Look {
        Look { name: name.into(), source: Source::Nats }
    }

    fn names(due: &[(Tick, Look)]) -> Vec<&str> {
        due.iter().map(|(_, look)| &*look.name).collect()
    }

    #[test]
    fn looks_come_when_their_time_has_come_and_never_before() {
        let mut calendar = Calendar::default();
        for (ms, name) in [(1, "a"), (TICK_MS, "b"), (TICK_MS + 1, "c"), (0, "d")] {
            calendar.enter(Calendar::tick_of(ms), look(name));
        }
        assert!(calendar.take_due(TICK_MS - 1, 9).is_empty());
        assert_eq!(names(&calendar.take_due(TICK_MS, 9)), ["a", "b", "d"]);
        assert!(calendar.take_due(2 * TICK_MS - 1, 9).is_empty());
        assert_eq!(names(&calendar.take_due(u64::MAX, 9)), ["c"]);
        assert_eq!(calendar.len(), 0);
    }

    #[test]
    fn a_look_at_the_end_of_time_is_due_only_then() {
        let mut calendar = Calendar::default();
        calendar.enter(Calendar::tick_of(u64::MAX), look("a"));
        assert!(calendar.take_due(u64::MAX - 1, 9).is_empty());
        assert_eq!(names(&calendar.take_due(u64::MAX, 9)), ["a"]);
    }

    #[test]
    fn no_more_are_taken_than_asked_for_and_none_is_lost() {
        let mut calendar = Calendar::default();
        for n in 0..10 {
            calendar.enter(1 + n / 4, look(&n.to_string()));
        }
        let mut seen = Vec::new();
        while calendar.len() > 0 {
            let due = calendar.take_due(u64::MAX, 3);
            assert!(!due.is_empty() && due.len() <= 3);
            seen.extend(due.into_iter().map(|(_, look)| look.name));
        }
        seen.sort();
        assert_eq!(seen.len(), 10);
        seen.dedup();
        assert_eq!(seen.len(), 10);
    }

    #[test]
    fn a_sweep_leaves_what_is_valid() {
        let mut calendar = Calendar::default();
        (1..=6).for_each(|tick| calendar.enter(tick, look(&tick.to_string())));
        calendar.sweep(|tick, _, _| tick % 2 == 0);
        assert_eq!((calendar.len(), names(&calendar.take_due(u64::MAX, 9)).len()), (3, 3));
    }
}
