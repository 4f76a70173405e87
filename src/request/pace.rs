//! How fast a request's content must come.
//!
//! Two clocks: the gap between pieces, and the rate over thirty seconds of
//! waiting. Only time spent waiting for the client counts: a router that
//! holds a client back because the endpoint takes nothing must not blame it.

use std::time::Duration;

/// How much waiting one look at the rate covers.
const WINDOW: Duration = Duration::from_secs(30);

/// The pace of one request's content. Times are since any fixed start.
#[derive(Clone, Debug)]
pub struct Pace {
    idle: Option<Duration>,
    bytes_per_s: Option<u64>,
    waiting_since: Option<Duration>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// A pace of at least `bytes_per_s` and gaps shorter than `idle`; `None`
    /// does not look.
    pub fn new(idle: Option<Duration>, bytes_per_s: Option<u64>) -> Self {
        Self { idle, bytes_per_s, waiting_since: None, waited: Duration::ZERO, bytes: 0 }
    }

    /// The client has nothing for us at `now`; the time by which that is a
    /// failure.
    pub fn waiting(&mut self, now: Duration) -> Option<Duration> {
        let since = *self.waiting_since.get_or_insert(now);
        let idle_due = self.idle.map(|idle| since + idle);
        let rate_due = self
            .bytes_per_s
            .filter(|rate| self.bytes < rate.saturating_mul(WINDOW.as_secs()))
            .map(|_| since + WINDOW.saturating_sub(self.waited));
        match (idle_due, rate_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// `bytes` more have come at `now`. False if the window just ended held
    /// too few.
    #[must_use]
    pub fn received(&mut self, bytes: u64, now: Duration) -> bool {
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_sub(since);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < WINDOW {
            return true;
        }
        let enough =
            self.bytes_per_s.is_none_or(|r| self.bytes >= r.saturating_mul(WINDOW.as_secs()));
        self.waited = Duration::ZERO;
        self.bytes = 0;
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_is_due_after_the_idle_time() {
        let mut pace = Pace::new(Some(s(10)), None);
        assert_eq!(pace.waiting(s(5)), Some(s(15)));
        assert_eq!(pace.waiting(s(9)), Some(s(15)), "asking again does not extend it");
        assert!(pace.received(1, s(14)));
        assert_eq!(pace.waiting(s(14)), Some(s(24)));
    }

    #[test]
    fn a_byte_every_five_seconds_is_too_slow_after_a_window_of_waiting() {
        let mut pace = Pace::new(Some(s(30)), Some(240));
        let mut now = s(0);
        for _ in 0..5 {
            assert!(pace.waiting(now).unwrap() > now + s(5) - s(1));
            now += s(5);
            assert!(pace.received(1, now));
        }
        assert_eq!(pace.waiting(now), Some(s(30)), "due when the window ends");
        assert!(!pace.received(1, s(30)));
    }

    #[test]
    fn time_in_which_nobody_asked_does_not_count() {
        let mut pace = Pace::new(None, Some(240));
        assert!(pace.waiting(s(0)).is_some());
        assert!(pace.received(1, s(1)));
        assert!(pace.received(1, s(500)), "the endpoint held the client back");
        assert_eq!(pace.waiting(s(500)), Some(s(529)));
    }

    #[test]
    fn a_fast_sender_starts_a_new_window_each_time() {
        let mut pace = Pace::new(None, Some(240));
        for window in 0..3 {
            assert!(pace.waiting(s(window * 30)).is_some());
            assert!(pace.received(240 * 30, s(window * 30 + 30)));
        }
    }
}
