//! The mark that makes all workers pass an endpoint over for a while.
//!
//! Only time clears it. A success says nothing against it: with several workers
//! a request that began before the failure may well end after it, and a success
//! that cleared the mark would then wipe out the newer fact. So marks only ever
//! move forward, in one atomic step, and none can be lost: after marks at `t1`
//! and `t2`, in whatever order they land, the endpoint is passed over until 5 s
//! after the later. What the mark costs is bounded: an endpoint that recovers at
//! once goes without requests for 5 s, and one that is the last is used anyway.

use crate::sync::atomic::{AtomicU64, Ordering};

/// How long a failed endpoint is passed over, in milliseconds.
pub(super) const PASS_OVER_MS: u64 = 5_000;

/// Until when an endpoint is passed over.
#[derive(Debug)]
pub(super) struct PassOver {
    until_ms: AtomicU64,
}

impl PassOver {
    pub(super) fn new() -> Self {
        Self { until_ms: AtomicU64::new(0) }
    }

    /// Marks until then, unless a mark is in force for longer.
    pub(super) fn mark_until(&self, until_ms: u64) {
        self.until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Until when the last mark is, or was, in force; 0 if there was none.
    pub(super) fn until_ms(&self) -> u64 {
        self.until_ms.load(Ordering::Relaxed)
    }

    /// Whether a mark is in force at `now_ms`. The mark guards no other memory,
    /// so it needs no ordering: a reader sees it a moment sooner or later.
    pub(super) fn is_marked(&self, now_ms: u64) -> bool {
        self.left_ms(now_ms) > 0
    }

    /// For how many milliseconds more a mark is in force.
    pub(super) fn left_ms(&self, now_ms: u64) -> u64 {
        self.until_ms().saturating_sub(now_ms)
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lasts_five_seconds_and_no_longer() {
        let pass_over = PassOver::new();
        assert!(!pass_over.is_marked(0));
        pass_over.mark_until(1_000 + PASS_OVER_MS);
        assert!(pass_over.is_marked(5_999));
        assert!(!pass_over.is_marked(6_000));
    }

    #[test]
    fn an_older_mark_that_lands_late_does_not_shorten_a_newer_one() {
        let pass_over = PassOver::new();
        pass_over.mark_until(2_000 + PASS_OVER_MS);
        pass_over.mark_until(1_000 + PASS_OVER_MS);
        assert!(pass_over.is_marked(6_999));
    }
}
