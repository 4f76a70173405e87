//! Endpoints are taken out of a route under those who wait for them.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use loom::future::block_on;
use loom::thread;
use pointsman::endpoint::{Entrance, Tried};

use super::{Route, asked};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};
use crate::{model, model_within, must_fail};

/// Two endpoints of one place each; the first may be taken out.
trait Two: Sized + 'static {
    type Inside: 'static;

    fn new() -> Self;
    /// Takes the place of each, in their order.
    fn take_both(this: &Arc<Self>) -> [Self::Inside; 2];
    /// Waits for either, but for the first only while it is not `gone`; has been
    /// there when it returns.
    fn visit(this: &Arc<Self>, gone: &AtomicBool);
}

impl Two for Route {
    type Inside = pointsman::endpoint::Lease;

    fn new() -> Self {
        Self::new(2, Some(1), 9)
    }

    fn take_both(this: &Arc<Self>) -> [Self::Inside; 2] {
        let endpoints = this.set.endpoints();
        [0, 1].map(|index: usize| endpoints[index].try_lease(0).expect("it is free"))
    }

    fn visit(this: &Arc<Self>, gone: &AtomicBool) {
        let mut queued = this.join(1).expect("there is room in the line");
        let mut was_gone = false;
        let entrance = block_on(poll_fn(|cx| {
            was_gone = gone.load(Ordering::SeqCst);
            let is_gone = |index| index == 0 && was_gone;
            queued.poll(cx.waker(), &Tried::new(), is_gone, &asked(1))
        }));
        let Entrance::In(choice, lease) = entrance else { panic!("one is left") };
        assert!(!(was_gone && choice.index == 0), "it went to one that is gone");
        drop((queued, lease));
    }
}

/// Both places become free, while the first endpoint is taken out.
fn who_waits_comes_in_where_it_still_may<T: Two>() {
    let (two, gone) = (Arc::new(T::new()), Arc::new(AtomicBool::new(false)));
    let [first, second] = T::take_both(&two);
    let waiting = {
        let (two, gone) = (Arc::clone(&two), Arc::clone(&gone));
        thread::spawn(move || T::visit(&two, &gone))
    };
    let leaving = thread::spawn(move || drop(second));
    drop(first);
    gone.store(true, Ordering::SeqCst);
    leaving.join().unwrap();
    waiting.join().unwrap();
    // No place was lost, not at the one that is gone either.
    drop(T::take_both(&two));
}

#[test]
fn who_waits_for_one_that_is_taken_out_is_let_in_by_another() {
    model(who_waits_comes_in_where_it_still_may::<Route>);
}

/// Two are in line for an endpoint that one of them knows to be gone.
#[test]
fn a_place_that_one_declines_goes_to_the_next() {
    model_within(3, || {
        let route = Arc::new(Route::new(1, Some(1), 9));
        let inside = route.try_enter(0).expect("it is free");
        let gone = Arc::new(AtomicBool::new(false));
        let declining = {
            let (route, gone) = (Arc::clone(&route), Arc::clone(&gone));
            thread::spawn(move || {
                let mut queued = route.join(1).expect("there is room in the line");
                block_on(poll_fn(|cx| {
                    let was_gone = gone.load(Ordering::SeqCst);
                    match queued.poll(cx.waker(), &Tried::new(), |_| was_gone, &asked(1)) {
                        Poll::Ready(Entrance::In(..)) => assert!(!was_gone, "it is gone"),
                        Poll::Ready(_) => assert!(was_gone, "it is there"),
                        Poll::Pending => return Poll::Pending,
                    }
                    Poll::Ready(())
                }));
            })
        };
        let next = {
            let route = Arc::clone(&route);
            thread::spawn(move || drop(route.wait(2)))
        };
        gone.store(true, Ordering::SeqCst);
        drop(inside);
        declining.join().unwrap();
        next.join().unwrap();
        drop(route.enter(0));
    });
}

/// Whoever declines a place waits on for the others, and does not ask whether
/// they have become free while it had that one.
struct DeclinesAndSleeps(Mutex<Places>);

#[derive(Default)]
struct Places {
    taken: [bool; 2],
    waiting: Option<Waker>,
    granted: Option<usize>,
}

struct Place(Arc<DeclinesAndSleeps>, usize);

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.0.0.lock();
        let waiting = places.waiting.take();
        if waiting.is_some() {
            places.granted = Some(self.1);
        } else {
            places.taken[self.1] = false;
        }
        drop(places);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Two for DeclinesAndSleeps {
    type Inside = Place;

    fn new() -> Self {
        Self(Mutex::default())
    }

    fn take_both(this: &Arc<Self>) -> [Place; 2] {
        let mut places = this.0.lock();
        assert_eq!(places.taken, [false; 2], "a place was lost");
        places.taken = [true; 2];
        [0, 1].map(|index| Place(Arc::clone(this), index))
    }

    fn visit(this: &Arc<Self>, gone: &AtomicBool) {
        let mut asked = false;
        let place = block_on(poll_fn(|cx| {
            let was_gone = gone.load(Ordering::SeqCst);
            let mut places = this.0.lock();
            if let Some(index) = places.granted.take() {
                if index == 1 || !was_gone {
                    return Poll::Ready(index);
                }
                places.taken[0] = false;
            }
            if !std::mem::replace(&mut asked, true) {
                let from = usize::from(was_gone);
                if let Some(index) = (from..2).find(|index| !places.taken[*index]) {
                    places.taken[index] = true;
                    return Poll::Ready(index);
                }
            }
            places.waiting = Some(cx.waker().clone());
            Poll::Pending
        }));
        drop(Place(Arc::clone(this), place));
    }
}

#[test]
fn mutant_who_declines_a_place_and_does_not_ask_again_misses_another() {
    must_fail("deadlock", who_waits_comes_in_where_it_still_may::<DeclinesAndSleeps>);
}
