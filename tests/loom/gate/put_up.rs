//! An endpoint gets its limit, while requests that nobody counted for one are
//! under way and others begin.

use loom::thread;
use pointsman::endpoint::Lease;

use super::{Count, Route};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::{model, model_within, must_fail};

/// An endpoint without a limit, until it has one of 1.
trait Endpoint: Sized + 'static {
    type Inside: 'static;

    fn new() -> Self;
    fn limit(&self);
    fn try_enter(this: &Arc<Self>, worker: usize) -> Option<Self::Inside>;
}

impl Endpoint for Route {
    type Inside = Lease;

    fn new() -> Self {
        Self::new(1, None, 9)
    }

    fn limit(&self) {
        self.limit(Some(1));
    }

    fn try_enter(this: &Arc<Self>, worker: usize) -> Option<Lease> {
        Route::try_enter(this, worker)
    }
}

/// One comes while the limit does, and another behind it.
fn what_is_under_way_counts<E: Endpoint>() {
    let (endpoint, count) = (Arc::new(E::new()), Arc::new(Count::new()));
    let pass = |endpoint: &Arc<E>, count: &Count, worker| {
        if let Some(inside) = E::try_enter(endpoint, worker) {
            count.begin(1);
            count.end();
            drop(inside);
        }
    };
    let coming = {
        let (endpoint, count) = (Arc::clone(&endpoint), Arc::clone(&count));
        thread::spawn(move || pass(&endpoint, &count, 1))
    };
    endpoint.limit();
    pass(&endpoint, &count, 0);
    coming.join().unwrap();
    // Each that came has left: there is room for one, and for one only.
    let inside = E::try_enter(&endpoint, 0).expect("a place was lost");
    assert!(E::try_enter(&endpoint, 1).is_none(), "a place was given back twice");
    drop(inside);
}

/// One from before the limit is in; who waits for it to leave comes in.
fn who_waits_for_one_from_before_the_limit_comes_in() {
    let route = Arc::new(Route::new(1, None, 9));
    let earlier = Route::try_enter(&route, 0).expect("there is no limit");
    let coming = {
        let route = Arc::clone(&route);
        thread::spawn(move || {
            route.limit(Some(1));
            drop(route.enter(1));
        })
    };
    drop(earlier);
    coming.join().unwrap();
    drop(route.enter(0));
}

#[test]
fn a_limit_counts_what_was_under_way_and_is_exact_from_then_on() {
    model_within(3, what_is_under_way_counts::<Route>);
}

#[test]
fn one_from_before_the_limit_lets_the_next_in() {
    model(who_waits_for_one_from_before_the_limit_comes_in);
}

/// Counts all who are in, and looks for the limit first.
struct LookedThenCounted {
    limited: AtomicBool,
    in_use: AtomicU64,
    ungated: AtomicU64,
}

struct Looked {
    endpoint: Arc<LookedThenCounted>,
    gated: bool,
}

impl Drop for Looked {
    fn drop(&mut self) {
        let LookedThenCounted { in_use, ungated, .. } = &*self.endpoint;
        if self.gated { in_use } else { ungated }.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Endpoint for LookedThenCounted {
    type Inside = Looked;

    fn new() -> Self {
        let (in_use, ungated) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { limited: AtomicBool::new(false), in_use, ungated }
    }

    fn limit(&self) {
        self.limited.store(true, Ordering::SeqCst);
    }

    fn try_enter(this: &Arc<Self>, _: usize) -> Option<Looked> {
        let gated = this.limited.load(Ordering::SeqCst);
        if gated {
            let room = 1_u64.saturating_sub(this.ungated.load(Ordering::SeqCst));
            let step = |n| (n < room).then_some(n + 1);
            this.in_use.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).ok()?;
        } else {
            this.ungated.fetch_add(1, Ordering::SeqCst);
        }
        Some(Looked { endpoint: Arc::clone(this), gated })
    }
}

#[test]
fn mutant_a_look_for_the_limit_and_then_a_step_is_one_too_many() {
    must_fail("more are in than may be", what_is_under_way_counts::<LookedThenCounted>);
}
