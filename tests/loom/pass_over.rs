//! The pass-over mark: workers that note failures of one endpoint.

use loom::thread;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{model, must_fail};

#[path = "../../src/endpoint/pass_over.rs"]
mod real;

use real::PassOver;

trait Marks: 'static {
    fn new() -> Self;
    fn mark(&self, now_ms: u64);
    fn is_marked(&self, now_ms: u64) -> bool;
}

impl Marks for PassOver {
    fn new() -> Self {
        Self::new()
    }

    fn mark(&self, now_ms: u64) {
        self.mark_until(now_ms + real::PASS_OVER_MS);
    }

    fn is_marked(&self, now_ms: u64) -> bool {
        self.is_marked(now_ms)
    }
}

/// Two workers see a failure each, one later than the other: in whatever order
/// the marks land, the later one is in force, and no reader sees it go back.
fn no_mark_is_lost<M: Marks>() {
    let marks = Arc::new(M::new());
    let marking = [1_000, 2_000].map(|at_ms| {
        let marks = Arc::clone(&marks);
        thread::spawn(move || marks.mark(at_ms))
    });
    let (seen, still) = (marks.is_marked(6_500), marks.is_marked(6_500));
    assert!(still || !seen, "a mark went back");
    for marker in marking {
        marker.join().unwrap();
    }
    assert!(marks.is_marked(6_999), "the later mark is lost");
}

/// A failure, while a request that began before it ends well: the success is
/// older news.
fn success_wipes_no_mark<M: Marks>(succeed: fn(&M)) {
    let marks = Arc::new(M::new());
    let other = Arc::clone(&marks);
    let succeeding = thread::spawn(move || succeed(&other));
    marks.mark(2_000);
    succeeding.join().unwrap();
    assert!(marks.is_marked(2_001), "a success wiped out a newer failure");
}

#[test]
fn two_failures_leave_the_later_mark_in_force() {
    model(no_mark_is_lost::<PassOver>);
}

#[test]
fn a_failure_outweighs_a_success_that_ends_with_it() {
    // What a success does to the mark: nothing.
    model(|| success_wipes_no_mark::<PassOver>(|_| {}));
}

/// Compares, then stores.
struct ComparedThenStored(AtomicU64);

impl Marks for ComparedThenStored {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn mark(&self, now_ms: u64) {
        let until_ms = now_ms + real::PASS_OVER_MS;
        if self.0.load(Ordering::SeqCst) < until_ms {
            self.0.store(until_ms, Ordering::SeqCst);
        }
    }

    fn is_marked(&self, now_ms: u64) -> bool {
        self.0.load(Ordering::SeqCst) > now_ms
    }
}

#[test]
fn mutant_a_mark_compared_and_then_stored_is_lost() {
    must_fail("the later mark is lost", no_mark_is_lost::<ComparedThenStored>);
}

#[test]
fn mutant_a_success_that_clears_the_mark_wipes_out_a_failure() {
    must_fail("a success wiped out a newer failure", || {
        success_wipes_no_mark::<ComparedThenStored>(|marks| marks.0.store(0, Ordering::SeqCst));
    });
}
