//! The ejection of an endpoint: workers that eject it, try it and give up.

use loom::thread;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::{model, must_fail};

#[path = "../../src/endpoint/ejection.rs"]
mod real;

use real::{Ejection, EjectionTerms, Standing};

const TERMS: EjectionTerms = EjectionTerms { base_ms: 1_000, max_ms: 8_000 };

trait Ejects: 'static {
    fn new() -> Self;
    fn eject(&self, now_ms: u64) -> bool;
    fn begin_trial(&self, now_ms: u64) -> bool;
    fn abandon(&self);
}

impl Ejects for Ejection {
    fn new() -> Self {
        Self::new()
    }

    fn eject(&self, now_ms: u64) -> bool {
        self.eject(now_ms, TERMS, 0)
    }

    fn begin_trial(&self, now_ms: u64) -> bool {
        self.begin_trial(now_ms).is_some()
    }

    fn abandon(&self) {
        self.abandon();
    }
}

/// Two workers come when its time is up: never are two requests its trial at a
/// time, and one that was given up does not keep others from being it.
fn one_trial_at_a_time<E: Ejects + Send + Sync>() {
    let ejection = Arc::new(E::new());
    let running = Arc::new(AtomicBool::new(false));
    assert!(ejection.eject(0));
    let tries = |ejection: &E, running: &AtomicBool| {
        if ejection.begin_trial(1_000) {
            assert!(!running.swap(true, Ordering::SeqCst), "two trials at a time");
            running.store(false, Ordering::SeqCst);
            ejection.abandon();
        }
    };
    let other = {
        let (ejection, running) = (Arc::clone(&ejection), Arc::clone(&running));
        thread::spawn(move || tries(&ejection, &running))
    };
    tries(&ejection, &running);
    other.join().unwrap();
    assert!(ejection.begin_trial(1_000), "nobody may try any more");
}

#[test]
fn never_two_trials_at_a_time() {
    model(one_trial_at_a_time::<Ejection>);
}

#[test]
fn two_workers_eject_once_and_it_grows_once() {
    model(|| {
        let ejection = Arc::new(Ejection::new());
        let other = Arc::clone(&ejection);
        let ejecting = thread::spawn(move || other.eject(0, TERMS, 0));
        let own = ejection.eject(0, TERMS, 0);
        assert!(own ^ ejecting.join().unwrap(), "ejected twice, or never");
        assert_eq!(ejection.standing(999), Standing::Out { until_ms: 1_000 });
    });
}

/// Looks, then stores.
struct LookedThenStored(AtomicU64);

impl Ejects for LookedThenStored {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn eject(&self, _now_ms: u64) -> bool {
        self.0.swap(1, Ordering::SeqCst) == 0
    }

    fn begin_trial(&self, _now_ms: u64) -> bool {
        let due = self.0.load(Ordering::SeqCst) == 1;
        if due {
            self.0.store(2, Ordering::SeqCst);
        }
        due
    }

    fn abandon(&self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

#[test]
fn mutant_a_trial_looked_for_and_then_begun_is_begun_twice() {
    must_fail("two trials at a time", one_trial_at_a_time::<LookedThenStored>);
}
