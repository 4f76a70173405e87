//! The drain gate: the last connection out, against the deadline and the second
//! signal, which both cut.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::thread;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

#[path = "../../src/lifecycle/drain_gate.rs"]
#[allow(dead_code, reason = "the model does not evict")]
mod real;

use real::DrainGate;

trait Gate: 'static {
    fn new() -> Self;
    fn enter(&self) -> u64;
    fn leave(&self, key: u64);
    /// One turn of a connection that has nothing to do: whether it was cut.
    fn turn(&self, key: u64, waker: &Waker) -> bool;
    fn cut(&self);
    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Gate for DrainGate<()> {
    fn new() -> Self {
        Self::new()
    }

    fn enter(&self) -> u64 {
        self.enter(())
    }

    fn leave(&self, key: u64) {
        self.leave(key);
    }

    fn turn(&self, key: u64, waker: &Waker) -> bool {
        self.reach_by(key, waker);
        self.is_cut()
    }

    fn cut(&self) {
        self.cut();
    }

    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_empty(cx)
    }
}

/// Two connections end by themselves; the drain hears of the last.
fn the_last_one_out_ends_the_drain<G: Gate>() {
    let gate = Arc::new(G::new());
    let leaving = [gate.enter(), gate.enter()].map(|key| {
        let gate = Arc::clone(&gate);
        thread::spawn(move || gate.leave(key))
    });
    block_on(poll_fn(|cx| gate.poll_empty(cx)));
    for leaving in leaving {
        leaving.join().unwrap();
    }
}

/// A connection that never ends by itself, a deadline and a second signal: the
/// connection is cut, and the drain hears that it has left.
fn a_cut_ends_what_does_not_end_by_itself<G: Gate>() {
    let gate = Arc::new(G::new());
    let key = gate.enter();
    let connection = {
        let gate = Arc::clone(&gate);
        thread::spawn(move || {
            block_on(poll_fn(|cx| match gate.turn(key, cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }));
            gate.leave(key);
        })
    };
    let second_signal = {
        let gate = Arc::clone(&gate);
        thread::spawn(move || gate.cut())
    };
    // The deadline, here.
    gate.cut();
    block_on(poll_fn(|cx| gate.poll_empty(cx)));
    connection.join().unwrap();
    second_signal.join().unwrap();
}

/// A connection leaves by itself while it is being cut.
fn a_cut_and_a_leave_may_cross<G: Gate>() {
    let gate = Arc::new(G::new());
    let (busy, idle) = (gate.enter(), gate.enter());
    let connection = {
        let gate = Arc::clone(&gate);
        thread::spawn(move || {
            block_on(poll_fn(|cx| match gate.turn(busy, cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }));
            gate.leave(busy);
        })
    };
    let leaving = {
        let gate = Arc::clone(&gate);
        thread::spawn(move || gate.leave(idle))
    };
    gate.cut();
    block_on(poll_fn(|cx| gate.poll_empty(cx)));
    connection.join().unwrap();
    leaving.join().unwrap();
}

#[test]
fn a_drain_hears_of_the_last_one_out() {
    model(the_last_one_out_ends_the_drain::<DrainGate<()>>);
}

#[test]
fn a_deadline_and_a_second_signal_at_once_cut_what_is_left() {
    model(a_cut_ends_what_does_not_end_by_itself::<DrainGate<()>>);
}

#[test]
fn one_leaves_while_another_is_cut_and_the_drain_ends() {
    model(a_cut_and_a_leave_may_cross::<DrainGate<()>>);
}

/// Looks whether anyone is inside, and leaves the waker afterwards; looks for
/// the cut, and leaves the waker afterwards.
struct LookedThenWaited {
    inside: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
    cut: AtomicBool,
    connection: Mutex<Option<Waker>>,
}

impl Gate for LookedThenWaited {
    fn new() -> Self {
        Self {
            inside: AtomicUsize::new(0),
            waiting: Mutex::new(None),
            cut: AtomicBool::new(false),
            connection: Mutex::new(None),
        }
    }

    fn enter(&self) -> u64 {
        self.inside.fetch_add(1, Ordering::SeqCst) as u64
    }

    fn leave(&self, _key: u64) {
        if self.inside.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(waiting) = self.waiting.lock().take()
        {
            waiting.wake();
        }
    }

    fn turn(&self, _key: u64, waker: &Waker) -> bool {
        let cut = self.cut.load(Ordering::SeqCst);
        *self.connection.lock() = Some(waker.clone());
        cut
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        if let Some(connection) = &*self.connection.lock() {
            connection.wake_by_ref();
        }
    }

    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inside.load(Ordering::SeqCst) == 0 {
            return Poll::Ready(());
        }
        *self.waiting.lock() = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn mutant_a_count_looked_at_before_the_waker_is_left_hangs_the_drain() {
    must_fail("deadlock", the_last_one_out_ends_the_drain::<LookedThenWaited>);
}

#[test]
fn mutant_a_cut_looked_for_before_the_waker_is_left_hangs_the_connection() {
    must_fail("deadlock", a_cut_ends_what_does_not_end_by_itself::<LookedThenWaited>);
}
