//! The ejection of an endpoint: workers that eject it, try it and give up.

use loom::thread;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::{model, must_fail};

#[path = "../../src/endpoint/ejection.rs"]
mod real;

use real::{Begun, Ejection, EjectionTerms, Standing};

const TERMS: EjectionTerms = EjectionTerms { base_ms: 1_000, max_ms: 8_000 };

const LENT_MS: u64 = 100;

trait Ejects: 'static {
    type Trial;

    fn new() -> Self;
    fn eject(&self, now_ms: u64) -> bool;
    fn begin_trial(&self, now_ms: u64) -> Option<Self::Trial>;
    fn lend(&self, _: &Self::Trial) {}
    fn abandon(&self, trial: Self::Trial);
}

impl Ejects for Ejection {
    type Trial = Begun;

    fn new() -> Self {
        Self::new()
    }

    fn eject(&self, now_ms: u64) -> bool {
        self.eject(now_ms, TERMS, 0)
    }

    fn begin_trial(&self, now_ms: u64) -> Option<Begun> {
        self.begin_trial(now_ms, LENT_MS)
    }

    fn lend(&self, trial: &Begun) {
        assert!(self.lend(*trial), "it is the trial under way");
    }

    fn abandon(&self, trial: Begun) {
        self.abandon(trial);
    }
}

/// Two workers come when its time is up: never are two requests its trial at a
/// time, and one that was given up does not keep others from being it.
fn one_trial_at_a_time<E: Ejects + Send + Sync>() {
    let ejection = Arc::new(E::new());
    let running = Arc::new(AtomicBool::new(false));
    assert!(ejection.eject(0));
    let tries = |ejection: &E, running: &AtomicBool| {
        if let Some(trial) = ejection.begin_trial(1_000) {
            assert!(!running.swap(true, Ordering::SeqCst), "two trials at a time");
            running.store(false, Ordering::SeqCst);
            ejection.abandon(trial);
        }
    };
    let other = {
        let (ejection, running) = (Arc::clone(&ejection), Arc::clone(&running));
        thread::spawn(move || tries(&ejection, &running))
    };
    tries(&ejection, &running);
    other.join().unwrap();
    assert!(ejection.begin_trial(1_000).is_some(), "nobody may try any more");
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
        assert_eq!(ejection.standing(999, LENT_MS), Standing::Out { until_ms: 1_000 });
    });
}

/// The client of a trial keeps it waiting: two workers would take it over, one of
/// them can, and that the first gives up then changes nothing.
fn who_was_taken_over_takes_nothing_back<E: Ejects + Send + Sync>() {
    let ejection = Arc::new(E::new());
    assert!(ejection.eject(0));
    let slow = ejection.begin_trial(1_000).expect("its time is up");
    ejection.lend(&slow);
    let other = {
        let ejection = Arc::clone(&ejection);
        thread::spawn(move || ejection.begin_trial(1_100).is_some())
    };
    let own = ejection.begin_trial(1_100).is_some();
    ejection.abandon(slow);
    let others = other.join().unwrap();
    assert!(own || others, "nobody may try any more");
    assert!(!(own && others), "two trials at a time");
    assert!(ejection.begin_trial(1_100).is_none(), "two trials at a time");
}

#[test]
fn a_trial_that_was_taken_over_is_not_given_back() {
    model(who_was_taken_over_takes_nothing_back::<Ejection>);
}

/// A suspicion is raised while the endpoint answers somebody, and its trial is
/// abandoned: it is in, or somebody may try it.
#[test]
fn whoever_is_suspected_can_be_cleared() {
    model(|| {
        let ejection = Arc::new(Ejection::new());
        let other = Arc::clone(&ejection);
        let answering = thread::spawn(move || other.clear(500));
        assert!(ejection.suspect(500), "nobody else suspects it");
        if let Some(trial) = ejection.begin_trial(500, LENT_MS) {
            ejection.abandon(trial);
        }
        let cleared = answering.join().unwrap();
        assert_eq!(ejection.is_in(), cleared);
        assert!(cleared || ejection.begin_trial(500, LENT_MS).is_some());
    });
}

/// Knows whether there is a trial, and not whose.
struct NamelessTrials(AtomicU64);

const OUT: u64 = 1;
const TRIAL: u64 = 2;
const LENT: u64 = 3;

impl Ejects for NamelessTrials {
    type Trial = ();

    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn eject(&self, _now_ms: u64) -> bool {
        self.0.swap(OUT, Ordering::SeqCst) == 0
    }

    fn begin_trial(&self, _now_ms: u64) -> Option<()> {
        let due = |phase| matches!(phase, OUT | LENT).then_some(TRIAL);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, due).ok().map(drop)
    }

    fn lend(&self, (): &()) {
        self.0.store(LENT, Ordering::SeqCst);
    }

    fn abandon(&self, (): ()) {
        self.0.store(OUT, Ordering::SeqCst);
    }
}

#[test]
fn mutant_a_trial_that_ends_without_looking_whose_it_is_lets_in_a_third() {
    must_fail("two trials at a time", who_was_taken_over_takes_nothing_back::<NamelessTrials>);
}

/// Looks, then stores.
struct LookedThenStored(AtomicU64);

impl Ejects for LookedThenStored {
    type Trial = ();

    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn eject(&self, _now_ms: u64) -> bool {
        self.0.swap(1, Ordering::SeqCst) == 0
    }

    fn begin_trial(&self, _now_ms: u64) -> Option<()> {
        let due = self.0.load(Ordering::SeqCst) == 1;
        due.then(|| self.0.store(2, Ordering::SeqCst))
    }

    fn abandon(&self, (): ()) {
        self.0.store(1, Ordering::SeqCst);
    }
}

#[test]
fn mutant_a_trial_looked_for_and_then_begun_is_begun_twice() {
    must_fail("two trials at a time", one_trial_at_a_time::<LookedThenStored>);
}
