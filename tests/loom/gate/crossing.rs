//! One leaves while others come, wait, and lose patience.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use loom::future::block_on;
use loom::thread;
use pointsman::endpoint::Lease;

use super::{Count, Route, look};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex};
use crate::{model, model_within, must_fail};

/// An endpoint that takes one request at a time.
trait Door: Sized + 'static {
    type Inside: 'static;

    fn new() -> Self;

    /// Goes in, at once or when it is let in.
    fn enter(this: &Arc<Self>, worker: usize) -> Self::Inside;

    /// Queues, and goes in when it is let in.
    fn wait(this: &Arc<Self>, worker: usize) -> Self::Inside {
        Self::enter(this, worker)
    }

    /// Waits, looks once, and leaves; if it was let in by then, it leaves too.
    fn give_up(this: &Arc<Self>, worker: usize);
}

impl Door for Route {
    type Inside = Lease;

    fn new() -> Self {
        Self::new(1, Some(1), 9)
    }

    fn enter(this: &Arc<Self>, worker: usize) -> Lease {
        Route::enter(this, worker)
    }

    fn wait(this: &Arc<Self>, worker: usize) -> Lease {
        Route::wait(this, worker)
    }

    fn give_up(this: &Arc<Self>, worker: usize) {
        let mut queued = this.join(worker).expect("there is room in the line");
        let _ = look(&mut queued, worker, Waker::noop());
    }
}

/// Two come, of whom one has to wait: each comes in, and never both at a time.
fn each_comes_in_alone<D: Door>() {
    let (door, count) = (Arc::new(D::new()), Arc::new(Count::new()));
    let pass = |door: &Arc<D>, count: &Count, worker| {
        let inside = D::enter(door, worker);
        count.begin(1);
        count.end();
        drop(inside);
    };
    let other = {
        let (door, count) = (Arc::clone(&door), Arc::clone(&count));
        thread::spawn(move || pass(&door, &count, 1))
    };
    pass(&door, &count, 0);
    other.join().unwrap();
    // And the place is free again.
    drop(D::enter(&door, 0));
}

/// Three come to a door that two may pass, and go away if they may not.
fn no_more_than_two_are_in() {
    let (door, count) = (Arc::new(Route::new(1, Some(2), 9)), Arc::new(Count::new()));
    let pass = |door: &Route, count: &Count, worker| {
        if let Some(inside) = door.set.endpoints()[0].try_lease(worker) {
            count.begin(2);
            count.end();
            drop(inside);
        }
    };
    let others = [1, 2].map(|worker| {
        let (door, count) = (Arc::clone(&door), Arc::clone(&count));
        thread::spawn(move || pass(&door, &count, worker))
    });
    pass(&door, &count, 0);
    others.into_iter().for_each(|other| other.join().unwrap());
    let all = [0, 1, 2].map(|worker| door.try_enter(worker));
    assert_eq!(all.iter().flatten().count(), 2, "a place was lost, or found");
}

/// One is in and leaves; of two who wait one loses patience, the other comes in.
fn who_gives_up_takes_nobodys_turn<D: Door>() {
    let door = Arc::new(D::new());
    let inside = D::enter(&door, 0);
    let impatient = {
        let door = Arc::clone(&door);
        thread::spawn(move || D::give_up(&door, 1))
    };
    let patient = {
        let door = Arc::clone(&door);
        thread::spawn(move || drop(D::wait(&door, 2)))
    };
    drop(inside);
    impatient.join().unwrap();
    patient.join().unwrap();
    drop(D::enter(&door, 0));
}

/// One is in and leaves while another comes.
fn who_comes_while_one_leaves_comes_in<D: Door>() {
    let door = Arc::new(D::new());
    let inside = D::enter(&door, 0);
    let coming = {
        let door = Arc::clone(&door);
        thread::spawn(move || drop(D::enter(&door, 1)))
    };
    drop(inside);
    coming.join().unwrap();
}

#[test]
fn who_waits_comes_in_when_the_other_has_left() {
    model(each_comes_in_alone::<Route>);
}

#[test]
fn as_many_are_in_as_may_be_and_no_more() {
    model_within(3, no_more_than_two_are_in);
}

#[test]
fn the_turn_of_one_who_gives_up_passes_to_the_next() {
    model_within(3, who_gives_up_takes_nobodys_turn::<Route>);
}

#[test]
fn a_place_that_becomes_free_while_one_queues_is_not_missed() {
    model(who_comes_while_one_leaves_comes_in::<Route>);
}

/// Looks for room, and takes it afterwards.
struct LookedThenWentIn(AtomicUsize);

struct InAfterALook(Arc<LookedThenWentIn>);

impl Drop for InAfterALook {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Door for LookedThenWentIn {
    type Inside = InAfterALook;

    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn enter(this: &Arc<Self>, _: usize) -> InAfterALook {
        while this.0.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        this.0.fetch_add(1, Ordering::SeqCst);
        InAfterALook(Arc::clone(this))
    }

    fn give_up(_: &Arc<Self>, _: usize) {}
}

#[test]
fn mutant_a_look_and_then_a_step_lets_in_too_many() {
    must_fail("more are in than may be", each_comes_in_alone::<LookedThenWentIn>);
}

/// One place and those who wait for it, with the mistakes of [`Mistake`].
struct Flawed<M> {
    inside: Mutex<Inside>,
    mistake: std::marker::PhantomData<M>,
}

#[derive(Default)]
struct Inside {
    taken: bool,
    /// The next one's number.
    number: usize,
    waiting: VecDeque<(usize, Waker)>,
    /// Whose turn it is.
    granted: Option<usize>,
}

trait Mistake: Send + Sync + Sized + 'static {
    /// One leaves: whom to wake.
    fn leave(inside: &mut Inside) -> Option<Waker>;
    /// Number `own` looks: whether it is in.
    fn look(inside: &mut Inside, own: usize, waker: &Waker) -> bool;
    /// Number `own` gives up.
    fn give_up(inside: &mut Inside, own: usize);
    /// Whether it looks for room before it takes a number.
    const LOOKS_FIRST: bool = false;
}

struct In<M: Mistake>(Arc<Flawed<M>>);

impl<M: Mistake> Drop for In<M> {
    fn drop(&mut self) {
        let woken = M::leave(&mut self.0.inside.lock());
        woken.into_iter().for_each(Waker::wake);
    }
}

impl<M: Mistake> Flawed<M> {
    fn number(&self) -> usize {
        let mut inside = self.inside.lock();
        inside.number += 1;
        inside.number
    }
}

impl<M: Mistake> Door for Flawed<M> {
    type Inside = In<M>;

    fn new() -> Self {
        Self { inside: Mutex::default(), mistake: std::marker::PhantomData }
    }

    fn enter(this: &Arc<Self>, _: usize) -> In<M> {
        let own = this.number();
        let mut knows_it_is_full = false;
        block_on(poll_fn(|cx| {
            if M::LOOKS_FIRST && !knows_it_is_full {
                let mut inside = this.inside.lock();
                if !inside.taken {
                    inside.taken = true;
                    return Poll::Ready(());
                }
                knows_it_is_full = true;
            }
            match M::look(&mut this.inside.lock(), own, cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        In(Arc::clone(this))
    }

    fn give_up(this: &Arc<Self>, _: usize) {
        let own = this.number();
        if M::look(&mut this.inside.lock(), own, Waker::noop()) {
            drop(In(Arc::clone(this)));
            return;
        }
        M::give_up(&mut this.inside.lock(), own);
    }
}

impl Inside {
    fn wait(&mut self, own: usize, waker: &Waker) {
        match self.waiting.iter_mut().find(|(number, _)| *number == own) {
            Some((_, known)) => known.clone_from(waker),
            None => self.waiting.push_back((own, waker.clone())),
        }
    }
}

/// Frees the place and wakes the first, who may be about to give up.
struct WakesOnly;

impl Mistake for WakesOnly {
    fn leave(inside: &mut Inside) -> Option<Waker> {
        inside.taken = false;
        inside.waiting.pop_front().map(|(_, waker)| waker)
    }

    fn look(inside: &mut Inside, own: usize, waker: &Waker) -> bool {
        if !inside.taken {
            inside.taken = true;
            inside.waiting.retain(|(number, _)| *number != own);
            return true;
        }
        inside.wait(own, waker);
        false
    }

    fn give_up(inside: &mut Inside, own: usize) {
        inside.waiting.retain(|(number, _)| *number != own);
    }
}

#[test]
fn mutant_a_place_that_is_only_announced_is_lost_with_who_heard_of_it() {
    must_fail("deadlock", who_gives_up_takes_nobodys_turn::<Flawed<WakesOnly>>);
}

/// Hands the place over, and does not take it back from one who gives up.
struct GrantsForEver;

impl Mistake for GrantsForEver {
    fn leave(inside: &mut Inside) -> Option<Waker> {
        let next = inside.waiting.pop_front();
        inside.taken = next.is_some();
        let (number, waker) = next?;
        inside.granted = Some(number);
        Some(waker)
    }

    fn look(inside: &mut Inside, own: usize, waker: &Waker) -> bool {
        if inside.granted == Some(own) {
            inside.granted = None;
            return true;
        }
        if !inside.taken {
            inside.taken = true;
            return true;
        }
        inside.wait(own, waker);
        false
    }

    fn give_up(inside: &mut Inside, own: usize) {
        inside.waiting.retain(|(number, _)| *number != own);
    }
}

#[test]
fn mutant_a_place_granted_to_one_who_gives_up_is_lost() {
    must_fail("deadlock", who_gives_up_takes_nobodys_turn::<Flawed<GrantsForEver>>);
}

/// Looks whether there is room, and queues afterwards without another look.
struct LookedThenQueued;

impl Mistake for LookedThenQueued {
    const LOOKS_FIRST: bool = true;

    fn leave(inside: &mut Inside) -> Option<Waker> {
        GrantsForEver::leave(inside)
    }

    fn look(inside: &mut Inside, own: usize, waker: &Waker) -> bool {
        if inside.granted == Some(own) {
            inside.granted = None;
            return true;
        }
        inside.wait(own, waker);
        false
    }

    fn give_up(_: &mut Inside, _: usize) {}
}

#[test]
fn mutant_a_look_before_queueing_misses_the_place_that_becomes_free_between() {
    must_fail("deadlock", who_comes_while_one_leaves_comes_in::<Flawed<LookedThenQueued>>);
}
