//! The term of a registration: expiry on the control thread, against a refresh
//! from wherever a message was read.

use loom::thread;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{model, must_fail};

#[path = "../../src/registry/term.rs"]
mod real;

use real::{Term, Verdict};

trait Holds: Send + Sync + 'static {
    fn until(due_ms: u64) -> Self;
    fn renew(&self, due_ms: u64) -> bool;
    /// Whether it has ended.
    fn expire(&self, now_ms: u64) -> bool;
}

impl Holds for Term {
    fn until(due_ms: u64) -> Self {
        Self::until(due_ms)
    }

    fn renew(&self, due_ms: u64) -> bool {
        self.renew(due_ms)
    }

    fn expire(&self, now_ms: u64) -> bool {
        self.expire(now_ms, 0) == Verdict::Ended
    }
}

/// A refresh that is told "it goes on" of an endpoint that then goes would
/// leave an app without its route until it registers again; and one that is
/// told "it has ended" registers anew, so then it had better have.
fn either_it_is_refreshed_or_it_ends<T: Holds>() {
    let term = Arc::new(T::until(100));
    let refreshing = {
        let term = Arc::clone(&term);
        thread::spawn(move || term.renew(200))
    };
    let ended = term.expire(100);
    let refreshed = refreshing.join().unwrap();
    assert!(refreshed != ended, "refreshed: {refreshed}, and ended: {ended}");
    assert_eq!(term.expire(199), ended, "it came back, or went before its time");
    assert!(term.expire(200));
}

/// Two refreshes, the later one landing first or last, while expiry looks: the
/// later time stays.
fn the_later_of_two_refreshes_counts<T: Holds>() {
    let term = Arc::new(T::until(100));
    let refreshing = [200, 300].map(|due_ms| {
        let term = Arc::clone(&term);
        thread::spawn(move || term.renew(due_ms))
    });
    assert!(!term.expire(99));
    let refreshed = refreshing.map(|thread| thread.join().unwrap());
    assert_eq!(refreshed, [true, true]);
    assert!(!term.expire(299), "the later refresh is lost");
}

#[test]
fn a_registration_is_either_refreshed_or_ends() {
    model(either_it_is_refreshed_or_it_ends::<Term>);
}

#[test]
fn no_refresh_shortens_a_later_one() {
    model(the_later_of_two_refreshes_counts::<Term>);
}

/// Looks, and then ends what it saw due.
struct LooksThenEnds(AtomicU64);

impl Holds for LooksThenEnds {
    fn until(due_ms: u64) -> Self {
        Self(AtomicU64::new(due_ms))
    }

    fn renew(&self, due_ms: u64) -> bool {
        let later = |own: u64| (own != 0).then(|| own.max(due_ms));
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later).is_ok()
    }

    fn expire(&self, now_ms: u64) -> bool {
        let due = self.0.load(Ordering::SeqCst) <= now_ms;
        if due {
            self.0.store(0, Ordering::SeqCst);
        }
        due
    }
}

#[test]
fn mutant_a_look_before_the_end_ends_what_was_refreshed() {
    must_fail(
        "refreshed: true, and ended: true",
        either_it_is_refreshed_or_it_ends::<LooksThenEnds>,
    );
}

/// Writes its time whatever is there.
struct WritesBlindly(AtomicU64);

impl Holds for WritesBlindly {
    fn until(due_ms: u64) -> Self {
        Self(AtomicU64::new(due_ms))
    }

    fn renew(&self, due_ms: u64) -> bool {
        self.0.store(due_ms, Ordering::SeqCst);
        true
    }

    fn expire(&self, now_ms: u64) -> bool {
        let due_ms = self.0.load(Ordering::SeqCst);
        due_ms <= now_ms
            && (due_ms == 0
                || self.0.compare_exchange(due_ms, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok())
    }
}

#[test]
fn mutant_a_refresh_that_writes_blindly_revives_what_has_ended() {
    must_fail(
        "refreshed: true, and ended: true",
        either_it_is_refreshed_or_it_ends::<WritesBlindly>,
    );
}

#[test]
fn mutant_a_refresh_that_writes_blindly_loses_a_later_one() {
    must_fail("the later refresh is lost", the_later_of_two_refreshes_counts::<WritesBlindly>);
}
