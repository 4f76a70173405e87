//! How many may wait, while some come and others leave.

use loom::thread;

use super::{Count, Route};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{model, must_fail};

/// A line in which one may wait.
trait Bounded: Sized + 'static {
    fn new() -> Self;

    /// Waits while `meanwhile` runs; whether it could.
    fn wait(&self, worker: usize, meanwhile: impl FnOnce()) -> bool;
}

impl Bounded for Route {
    fn new() -> Self {
        Self::new(1, Some(1), 1)
    }

    fn wait(&self, worker: usize, meanwhile: impl FnOnce()) -> bool {
        let place = self.join(worker);
        if place.is_ok() {
            meanwhile();
        }
        place.is_ok()
    }
}

/// Three come at once.
fn never_more_wait_than_may<B: Bounded>() {
    let (line, count) = (Arc::new(B::new()), Arc::new(Count::new()));
    let wait = |line: &B, count: &Count, worker| {
        line.wait(worker, || {
            count.begin(1);
            thread::yield_now();
            count.end();
        })
    };
    let others = [1, 2].map(|worker| {
        let (line, count) = (Arc::clone(&line), Arc::clone(&count));
        thread::spawn(move || wait(&line, &count, worker))
    });
    let mut waited = usize::from(wait(&line, &count, 0));
    waited += others.into_iter().filter_map(|other| other.join().ok()).filter(|w| *w).count();
    assert!(waited > 0, "refused though there was room");
    assert!(line.wait(0, || {}), "refused though there was room");
}

/// One waits and leaves, and then waits again; another comes meanwhile.
fn nobody_is_refused_for_one_who_was_refused<B: Bounded>() {
    let line = Arc::new(B::new());
    let other = {
        let line = Arc::clone(&line);
        thread::spawn(move || line.wait(1, || {}))
    };
    let first = line.wait(0, || {});
    let again = line.wait(0, || {});
    let came_in = other.join().unwrap();
    // Only one who waits is in anyone's way.
    assert!(came_in || (first && again), "refused though there was room");
}

#[test]
fn a_line_never_has_more_than_may_wait() {
    model(never_more_wait_than_may::<Route>);
}

#[test]
fn one_who_is_refused_keeps_nobody_out() {
    model(nobody_is_refused_for_one_who_was_refused::<Route>);
}

/// Looks how many wait, and joins afterwards.
struct LookedThenJoined(AtomicU64);

impl Bounded for LookedThenJoined {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn wait(&self, _: usize, meanwhile: impl FnOnce()) -> bool {
        if self.0.load(Ordering::SeqCst) >= 1 {
            return false;
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        meanwhile();
        self.0.fetch_sub(1, Ordering::SeqCst);
        true
    }
}

#[test]
fn mutant_a_look_and_then_a_step_into_the_line_is_too_many() {
    must_fail("more are in than may be", never_more_wait_than_may::<LookedThenJoined>);
}

/// Joins, and leaves again if that was one too many.
struct JoinedThenLooked(AtomicU64);

impl Bounded for JoinedThenLooked {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn wait(&self, _: usize, meanwhile: impl FnOnce()) -> bool {
        let fits = self.0.fetch_add(1, Ordering::SeqCst) < 1;
        if fits {
            meanwhile();
        }
        self.0.fetch_sub(1, Ordering::SeqCst);
        fits
    }
}

#[test]
fn mutant_a_step_that_is_taken_back_keeps_another_out() {
    must_fail("refused though there was room", {
        nobody_is_refused_for_one_who_was_refused::<JoinedThenLooked>
    });
}
