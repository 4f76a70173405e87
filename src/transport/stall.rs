//! Telling a peer that takes nothing from one that takes little.
//!
//! That no write succeeds says neither. A full socket has room again only once
//! a large part of what it holds has gone, which a peer that reads steadily and
//! slowly may not take in a whole clock's time. What its system acknowledges
//! does say it, so that is looked at, a few times in a clock's time and only
//! while nothing can be written.
//!
//! Its system announces room only now and then too. A peer so slow that this
//! happens less than once in a clock's time cannot be told from one that takes
//! nothing, by anybody on this side.

use std::time::Duration;

use tokio::time::Instant;

/// Looks in a clock's time. The first finds only what to compare with, and is
/// taken for a movement: a stall ends at most one part in so many late.
const LOOKS: u32 = 10;
/// So that a clock of next to nothing does not keep the task spinning.
const SHORTEST: Duration = Duration::from_millis(1);

/// A wait for a peer to take bytes.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// Since when nothing is known to have been taken.
    since: Instant,
    looked_at: Instant,
    acknowledged: Option<u64>,
}

impl Stall {
    /// Bytes were taken, or none are waiting: what comes is another wait.
    pub(crate) fn end(&mut self) {
        self.waiting = None;
    }

    /// When to look next, if nothing can be written now.
    pub(crate) fn look_due(&mut self, now: Instant, patience: Duration) -> Instant {
        let start = || Waiting { since: now, looked_at: now, acknowledged: None };
        let waiting = self.waiting.get_or_insert_with(start);
        let next = waiting.looked_at + (patience / LOOKS).max(SHORTEST);
        next.min(waiting.since + patience).max(waiting.looked_at + SHORTEST)
    }

    /// What the peer's system has `acknowledged` by now, if that can be known;
    /// whether it has taken nothing for as long as `patience`.
    pub(crate) fn is_over(
        &mut self,
        now: Instant,
        patience: Duration,
        acknowledged: Option<u64>,
    ) -> bool {
        let start = || Waiting { since: now, looked_at: now, acknowledged };
        let waiting = self.waiting.get_or_insert_with(start);
        waiting.looked_at = now;
        if waiting.acknowledged != acknowledged {
            waiting.acknowledged = acknowledged;
            waiting.since = now;
        }
        now.saturating_duration_since(waiting.since) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// How long a peer is waited for whose acknowledged bytes are these, by
    /// the time since the start; at most an hour.
    fn waits(patience: Duration, acknowledged: impl Fn(Duration) -> Option<u64>) -> Duration {
        let (mut stall, start) = (Stall::default(), Instant::now());
        let mut now = start;
        while now - start < 3600 * S {
            let due = stall.look_due(now, patience);
            assert!(due > now, "it does not spin");
            now = due;
            if stall.is_over(now, patience, acknowledged(now - start)) {
                break;
            }
        }
        now - start
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_its_time_and_a_tenth_at_most() {
        assert_eq!(waits(30 * S, |_| Some(700)), 33 * S);
        assert_eq!(waits(Duration::from_micros(10), |_| Some(700)), 2 * SHORTEST);
    }

    #[test]
    fn where_the_system_says_nothing_the_time_is_exact() {
        assert_eq!(waits(30 * S, |_| None), 30 * S);
    }

    #[test]
    fn one_that_takes_a_little_within_every_time_is_waited_for() {
        assert_eq!(waits(30 * S, |at| Some(at.as_secs() / 25)), 3600 * S);
    }

    #[test]
    fn one_that_stops_is_given_its_time_from_there() {
        let stopping = |at: Duration| Some(at.as_secs().min(100));
        let took = waits(30 * S, stopping);
        assert!(took >= 130 * S && took <= 133 * S, "{took:?}");
    }

    #[test]
    fn a_write_that_succeeds_begins_anew() {
        let (mut stall, start) = (Stall::default(), Instant::now());
        stall.look_due(start, 10 * S);
        assert!(stall.is_over(start + 10 * S, 10 * S, None));
        stall.end();
        assert_eq!(stall.look_due(start + 10 * S, 10 * S), start + 11 * S);
        assert!(!stall.is_over(start + 11 * S, 10 * S, None));
    }
}
