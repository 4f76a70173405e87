//! The gate of one endpoint: no more than `max_requests` at a time, exactly,
//! whichever workers they come from, and the free place to who waited longest.
//!
//! Only where there is a limit does anyone go through it: its lock is a cache
//! line that all workers write with every request. A place that becomes free is handed over
//! under that lock, not offered to all: whoever comes along meanwhile cannot
//! slip in before those who wait, and one place wakes one waiter.
//!
//! Who waits, waits in the [`Line`] of its route for any of the route's
//! endpoints. A gate knows the lines that wait at it. Locks are taken in one
//! order, gate before line; a [`Permit`] is never dropped, nor a waker called,
//! under either. What decides whether an endpoint is *wanted*, such as that it
//! is passed over, is not known here: each waiter says for itself which ones it
//! refuses.

use std::task::Waker;

use super::line::Line;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};

/// The gate of one endpoint.
#[derive(Debug)]
pub(super) struct Gate {
    /// What `inside` says, for those who only look.
    seen_limit: AtomicU64,
    seen_in_use: AtomicU64,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    /// 0 is none.
    limit: u64,
    in_use: u64,
    lines: Vec<Attending>,
}

/// A line that waits here, and what number this gate has in it. It stays
/// until a free place finds nobody in it.
#[derive(Debug)]
struct Attending {
    line: Arc<Line>,
    index: usize,
}

/// A place at an endpoint. Dropping it gives the place to who waits for one.
#[derive(Debug)]
#[must_use = "a permit that is dropped is given back"]
pub(super) struct Permit {
    gate: Arc<Gate>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inside = self.gate.inside.lock();
        inside.in_use -= 1;
        let next = Gate::hand_over(&self.gate, &mut inside);
        self.gate.show(&inside);
        drop(inside);
        if let Some(Some(waker)) = next {
            waker.wake();
        }
    }
}

impl Gate {
    /// A gate that lets in as many as come, until it is told a limit.
    pub(super) fn new() -> Self {
        let inside = Inside { limit: 0, in_use: 0, lines: Vec::new() };
        Self {
            seen_limit: AtomicU64::new(0),
            seen_in_use: AtomicU64::new(0),
            inside: Mutex::new(inside),
        }
    }

    /// How many are let in at a time, from now on; 0 is no limit. If more are
    /// in, nobody is thrown out: they leave in their own time. `earlier` says how
    /// many are in that this gate has not let in; nobody passes before it has.
    pub(super) fn set_limit(gate: &Arc<Self>, limit: u64, earlier: impl FnOnce() -> u64) {
        let mut inside = gate.inside.lock();
        inside.limit = limit;
        inside.in_use += earlier();
        gate.show(&inside);
        drop(inside);
        Self::serve(gate);
    }

    /// The permit of one of those that were in earlier.
    pub(super) fn permit_of_earlier(gate: &Arc<Self>) -> Permit {
        Permit { gate: Arc::clone(gate) }
    }

    /// How many may be in; 0 is no limit.
    pub(super) fn limit(&self) -> u64 {
        self.seen_limit.load(Ordering::Relaxed)
    }

    /// Whether there seems to be room; [`Gate::enter`] says for certain.
    pub(super) fn has_room(&self) -> bool {
        let limit = self.limit();
        limit == 0 || self.seen_in_use.load(Ordering::Relaxed) < limit
    }

    /// Goes in if there is room.
    pub(super) fn enter(gate: &Arc<Self>) -> Option<Permit> {
        let mut inside = gate.inside.lock();
        if !inside.has_room() {
            return None;
        }
        inside.in_use += 1;
        gate.show(&inside);
        Some(Permit { gate: Arc::clone(gate) })
    }

    /// `line` waits here too, where this gate is number `index`. Whoever has a
    /// place in the line must have it before this call: then a place that
    /// became free before is found here, and one that becomes free later finds
    /// the line.
    pub(super) fn attend(gate: &Arc<Self>, line: &Arc<Line>, index: usize) {
        let mut inside = gate.inside.lock();
        if !inside.lines.iter().any(|here| Arc::ptr_eq(&here.line, line)) {
            // Of a gate that nobody leaves, older tables' lines go here.
            inside.lines.retain(|here| here.line.first_for(here.index).is_some());
            inside.lines.push(Attending { line: Arc::clone(line), index });
        }
        drop(inside);
        Self::serve(gate);
    }

    /// Lets in those who wait while there is room.
    fn serve(gate: &Arc<Self>) {
        loop {
            let mut inside = gate.inside.lock();
            let next = Self::hand_over(gate, &mut inside);
            gate.show(&inside);
            drop(inside);
            match next {
                Some(Some(waker)) => waker.wake(),
                Some(None) => {}
                None => return,
            }
        }
    }

    /// Lets in the one who has waited longest of those who want in here, if
    /// there is room; gives whom to wake, who may not have slept yet.
    fn hand_over(gate: &Arc<Self>, inside: &mut Inside) -> Option<Option<Waker>> {
        while inside.has_room() {
            let mut first: Option<(u64, usize)> = None;
            let mut at = 0;
            while at < inside.lines.len() {
                let Attending { line, index } = &inside.lines[at];
                let Some(ticket) = line.first_for(*index) else {
                    inside.lines.swap_remove(at);
                    continue;
                };
                if let Some(ticket) = ticket
                    && first.is_none_or(|(least, _)| ticket < least)
                {
                    first = Some((ticket, at));
                }
                at += 1;
            }
            let (ticket, at) = first?;
            let Attending { line, index } = &inside.lines[at];
            let permit = || Permit { gate: Arc::clone(gate) };
            if let Some(waker) = line.grant(ticket, *index, permit) {
                inside.in_use += 1;
                return Some(waker);
            }
            // It left between the two looks.
        }
        None
    }

    fn show(&self, inside: &Inside) {
        self.seen_limit.store(inside.limit, Ordering::Relaxed);
        self.seen_in_use.store(inside.in_use, Ordering::Relaxed);
    }
}

impl Inside {
    fn has_room(&self) -> bool {
        self.limit == 0 || self.in_use < self.limit
    }
}
