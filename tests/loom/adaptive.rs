//! The adaptive limit: requests let in and refused by several workers, while
//! others end, stand aside, and the limit moves.

use loom::thread;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{model, must_fail};

#[path = "../../src/endpoint/adaptive/door.rs"]
mod door;
#[path = "../../src/endpoint/adaptive/gradient.rs"]
mod gradient;
#[path = "../../src/endpoint/adaptive/measure.rs"]
mod measure;
#[path = "../../src/endpoint/adaptive/places.rs"]
mod places;

use door::Door;
use gradient::AdaptiveTerms;
use places::Places;

trait Count: 'static {
    fn new(limit: u64) -> Self;
    /// Goes in, if there is room; does `inside`; leaves.
    fn pass(&self, inside: impl FnOnce()) -> bool;
    fn waiting(&self) -> u64;
}

impl Count for Places {
    fn new(limit: u64) -> Self {
        Self::new(limit)
    }

    fn pass(&self, inside: impl FnOnce()) -> bool {
        let place = self.enter();
        if place.is_some() {
            inside();
        }
        place.is_some()
    }

    fn waiting(&self) -> u64 {
        self.waiting()
    }
}

/// Three workers and one place: never two inside, and the place is free when
/// all have gone.
fn the_limit_is_kept<C: Count>() {
    let places = Arc::new(C::new(1));
    let inside = Arc::new(AtomicU64::new(0));
    let passing = || {
        let (places, inside) = (Arc::clone(&places), Arc::clone(&inside));
        move || {
            places.pass(|| {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "more are in than may be");
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        }
    };
    let others = [thread::spawn(passing()), thread::spawn(passing())];
    let own = passing()();
    let passed = others.map(|other| other.join().unwrap());
    assert!(own || passed.contains(&true), "nobody was let in");
    assert_eq!(places.waiting(), 0, "a place is lost");
    assert!(places.pass(|| ()), "a place is lost");
}

#[test]
fn no_more_are_let_in_than_the_limit_and_no_place_is_lost() {
    model(the_limit_is_kept::<Places>);
}

#[test]
fn who_stands_aside_and_comes_back_takes_no_place_along() {
    model(|| {
        let places = Arc::new(Places::new(1));
        let other = Arc::clone(&places);
        let slow = thread::spawn(move || {
            let Some((mut place, _)) = other.enter() else { return };
            place.stand_aside();
            place.step_in();
            // And one that is dropped while it stands aside.
            place.stand_aside();
        });
        if let Some((place, _)) = places.enter() {
            assert!(places.waiting() <= 2, "more are in than the limit twice over");
            drop(place);
        }
        slow.join().unwrap();
        assert_eq!((places.waiting(), places.aside()), (0, 0), "a place is lost");
    });
}

#[test]
fn a_limit_that_sinks_while_one_comes_and_one_goes_is_kept_from_then_on() {
    model(|| {
        let places = Arc::new(Places::new(2));
        let (first, other) = (places.enter(), Arc::clone(&places));
        let coming = thread::spawn(move || other.enter().map(|(_, taken)| taken));
        places.set_limit(1);
        assert!(places.enter().is_none(), "the lower limit is not kept");
        drop(first);
        assert!(coming.join().unwrap().is_none_or(|taken| taken <= 2));
        assert_eq!(places.waiting(), 0, "a place is lost");
    });
}

/// Looks for room, then takes it.
struct LookedThenTaken {
    inside: AtomicU64,
    limit: u64,
}

impl Count for LookedThenTaken {
    fn new(limit: u64) -> Self {
        Self { inside: AtomicU64::new(0), limit }
    }

    fn pass(&self, inside: impl FnOnce()) -> bool {
        if self.inside.load(Ordering::SeqCst) >= self.limit {
            return false;
        }
        self.inside.fetch_add(1, Ordering::SeqCst);
        inside();
        self.inside.fetch_sub(1, Ordering::SeqCst);
        true
    }

    fn waiting(&self) -> u64 {
        self.inside.load(Ordering::SeqCst)
    }
}

#[test]
fn mutant_room_that_is_looked_for_and_then_taken_is_taken_twice() {
    must_fail("more are in than may be", the_limit_is_kept::<LookedThenTaken>);
}

/// Takes first and looks then, and goes without giving back.
struct TakenAndKept {
    inside: AtomicU64,
    limit: u64,
}

impl Count for TakenAndKept {
    fn new(limit: u64) -> Self {
        Self { inside: AtomicU64::new(0), limit }
    }

    fn pass(&self, inside: impl FnOnce()) -> bool {
        if self.inside.fetch_add(1, Ordering::SeqCst) >= self.limit {
            return false;
        }
        inside();
        self.inside.fetch_sub(1, Ordering::SeqCst);
        true
    }

    fn waiting(&self) -> u64 {
        self.inside.load(Ordering::SeqCst)
    }
}

#[test]
fn mutant_who_is_refused_and_stays_counted_loses_a_place() {
    must_fail("a place is lost", the_limit_is_kept::<TakenAndKept>);
}

const TERMS: AdaptiveTerms = AdaptiveTerms {
    min_limit: 1,
    max_limit: 1,
    initial_limit: 1,
    tolerance_percent: 25,
    window_ms: 100,
    measure_every_ms: 30_000,
};

/// Two workers whose requests end, one answered and one cancelled, while turns
/// are taken: what each has seen, the place is free in the end.
#[test]
fn an_answer_and_a_departure_leave_the_door_as_it_was() {
    model(|| {
        let door = Arc::new(Door::new(TERMS));
        let other = Arc::clone(&door);
        let answered = thread::spawn(move || {
            let Some(permit) = other.enter(0) else { return false };
            permit.worked(1_000, 1);
            permit.leave(1);
            true
        });
        let left = door.enter(0).map(drop).is_some();
        let answered = answered.join().unwrap();
        let seen = door.seen();
        assert_eq!(seen.in_flight, 0, "a place is lost");
        assert_eq!(seen.shed, u64::from(!left) + u64::from(!answered), "each is let in or counted");
        assert!(left || answered, "nobody was let in");
    });
}
