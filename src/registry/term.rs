//! Until when an endpoint's registration holds: expiry against refresh.
//!
//! Expiry looks at a time, finds it past, and ends the registration; a refresh
//! comes from another thread and moves the time on. Were the look and the end
//! two steps, a refresh between them would be told "it goes on" of something
//! that is about to end, and the app would be without its route until it
//! registers again. So both are one atomic step on one word, and what has
//! ended stays ended: a refresh that comes too late is told so, and registers
//! anew.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds of something that does not expire.
pub(crate) const FOREVER: u64 = u64::MAX;

/// It has ended. No time of a registration: each is later than it.
const ENDED: u64 = 0;

/// The time until which a registration holds, in milliseconds since the router
/// was built.
#[derive(Debug)]
pub(crate) struct Term {
    due_ms: AtomicU64,
}

/// What expiry found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds, until then unless it is refreshed.
    Holds(u64),
    /// It has ended: by this call, or before.
    Ended,
}

impl Term {
    /// A term that ends at `due_ms`, or [`FOREVER`].
    pub(crate) fn until(due_ms: u64) -> Self {
        Self { due_ms: AtomicU64::new(due_ms.max(1)) }
    }

    /// Makes it hold until `due_ms` at least. False if it has ended.
    pub(crate) fn renew(&self, due_ms: u64) -> bool {
        // The word is all there is to agree on, so no ordering is needed.
        let later = |own| (own != ENDED).then(|| due_ms.max(own));
        self.due_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).is_ok()
    }

    /// Ends it if it is due at `now_ms`, but not before `grace_until_ms`.
    pub(crate) fn expire(&self, now_ms: u64, grace_until_ms: u64) -> Verdict {
        let mut due_ms = self.due_ms.load(Ordering::Relaxed);
        loop {
            if due_ms == ENDED {
                return Verdict::Ended;
            }
            let ends_ms = due_ms.max(grace_until_ms);
            if ends_ms > now_ms {
                return Verdict::Holds(ends_ms);
            }
            let ended = self.due_ms.compare_exchange_weak(
                due_ms,
                ENDED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match ended {
                Ok(_) => return Verdict::Ended,
                // It was refreshed meanwhile: look again.
                Err(now_due_ms) => due_ms = now_due_ms,
            }
        }
    }

    /// Ends it, whenever it was due.
    pub(crate) fn end(&self) {
        self.due_ms.store(ENDED, Ordering::Relaxed);
    }

    /// When it ends; `None` if it has, or never will.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        Some(self.due_ms.load(Ordering::Relaxed)).filter(|due| ![ENDED, FOREVER].contains(due))
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_term_holds_until_it_is_due_and_a_refresh_moves_that() {
        let term = Term::until(100);
        assert_eq!(term.expire(99, 0), Verdict::Holds(100));
        assert!(term.renew(200) && term.renew(150));
        assert_eq!((term.due_ms(), term.expire(199, 0)), (Some(200), Verdict::Holds(200)));
        assert_eq!(term.expire(200, 0), Verdict::Ended);
    }

    #[test]
    fn what_has_ended_cannot_be_refreshed() {
        for term in [Term::until(10), Term::until(FOREVER)] {
            term.end();
            assert!(!term.renew(1_000));
            assert_eq!((term.expire(5, 0), term.due_ms()), (Verdict::Ended, None));
        }
    }

    #[test]
    fn a_grace_holds_it_beyond_its_time() {
        let term = Term::until(100);
        assert_eq!(term.expire(150, 200), Verdict::Holds(200));
        assert_eq!(term.expire(200, 200), Verdict::Ended);
    }

    #[test]
    fn without_an_end_it_holds_for_ever() {
        let term = Term::until(FOREVER);
        assert_eq!(term.expire(FOREVER - 1, 0), Verdict::Holds(FOREVER));
        assert_eq!(term.due_ms(), None);
    }
}
