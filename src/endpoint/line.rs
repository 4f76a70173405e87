//! The line of a route: who waits for any of its endpoints, first come first
//! served, and never more than a bounded number.
//!
//! Nobody is moved or woken for another's sake. A [`Place`] that is dropped is
//! out of the line at once, wherever it stood; if a permit was already on its
//! way to it, the permit goes to the next.

use std::collections::BTreeMap;
use std::task::{Poll, Waker};

use super::gate::Permit;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};

/// How many wait, counted across the tables that a route lives through, and
/// the numbers they draw.
#[derive(Debug)]
pub(super) struct Crowd {
    waiting: AtomicU64,
    tickets: std::sync::Arc<AtomicU64>,
}

/// Those who wait for the endpoints of one route of one table.
#[derive(Debug)]
pub struct Line {
    /// How many may wait.
    most: u64,
    crowd: std::sync::Arc<Crowd>,
    people: Mutex<People>,
}

#[derive(Debug, Default)]
struct People {
    /// In the order of their tickets.
    waiting: BTreeMap<u64, Waiter>,
    /// Let in, and not yet aware of it.
    granted: BTreeMap<u64, (usize, Permit)>,
    /// Places that exist, of either kind or taken by nobody at the moment.
    places: usize,
}

#[derive(Debug)]
struct Waiter {
    waker: Option<Waker>,
    /// The endpoints it will not have, ascending.
    refuses: Vec<usize>,
}

/// A request's turn: it goes before all later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// As many wait already as may.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// A place in a line. Dropping it is leaving.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    ticket: u64,
}

impl Crowd {
    /// Nobody yet; `tickets` is shared by all who may meet at one gate.
    pub(super) fn new(tickets: std::sync::Arc<AtomicU64>) -> Self {
        Self { waiting: AtomicU64::new(0), tickets }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Line {
    /// A line in which, with others of the same crowd, at most `most` wait.
    pub(super) fn new(most: u64, crowd: std::sync::Arc<Crowd>) -> Self {
        Self { most, crowd, people: Mutex::new(People::default()) }
    }

    /// How many of its crowd wait.
    pub fn waiting(&self) -> u64 {
        self.crowd.waiting()
    }

    /// Joins at the end, or where `ticket` stood, whose place must be gone. Nothing is granted before the gates have been told of
    /// it, see [`Gate::attend`](super::gate::Gate::attend).
    pub(super) fn join(
        line: &Arc<Self>,
        ticket: Option<Ticket>,
        refuses: Vec<usize>,
    ) -> Result<Place, Full> {
        let taken = line.crowd.waiting.fetch_add(1, Ordering::Relaxed);
        if taken >= line.most {
            line.crowd.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        let draw = || line.crowd.tickets.fetch_add(1, Ordering::Relaxed);
        let ticket = ticket.map_or_else(draw, |Ticket(ticket)| ticket);
        let mut people = line.people.lock();
        people.places += 1;
        people.waiting.insert(ticket, Waiter { waker: None, refuses });
        drop(people);
        Ok(Place { line: Arc::clone(line), ticket })
    }

    /// The ticket of the first who would have endpoint `index`; the outer
    /// `None` if nobody has a place at all.
    pub(super) fn first_for(&self, index: usize) -> Option<Option<u64>> {
        let people = self.people.lock();
        if people.places == 0 {
            return None;
        }
        let wants = |waiter: &Waiter| waiter.refuses.binary_search(&index).is_err();
        Some(people.waiting.iter().find(|(_, waiter)| wants(waiter)).map(|(ticket, _)| *ticket))
    }

    /// Lets the holder of `ticket` have endpoint `index`, unless it has left;
    /// gives whom to wake.
    pub(super) fn grant(
        &self,
        ticket: u64,
        index: usize,
        permit: impl FnOnce() -> Permit,
    ) -> Option<Option<Waker>> {
        let mut people = self.people.lock();
        let waiter = people.waiting.remove(&ticket)?;
        people.granted.insert(ticket, (index, permit()));
        Some(waiter.waker)
    }
}

impl Place {
    /// The number it was drawn.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.ticket)
    }

    /// What was granted, if anything was; else `waker` is called when it is.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<(usize, Permit)> {
        let mut people = self.line.people.lock();
        if let Some(granted) = people.granted.remove(&self.ticket) {
            return Poll::Ready(granted);
        }
        if let Some(waiter) = people.waiting.get_mut(&self.ticket)
            && !waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker))
        {
            waiter.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// Refuses these endpoints from now on, ascending. After a grant that is
    /// declined it waits again, where it stood.
    pub(super) fn refuse(&self, refuses: Vec<usize>) {
        let mut people = self.line.people.lock();
        if people.granted.contains_key(&self.ticket) {
            // It has yet to hear of it.
            return;
        }
        match people.waiting.get_mut(&self.ticket) {
            Some(waiter) => waiter.refuses = refuses,
            None => {
                people.waiting.insert(self.ticket, Waiter { waker: None, refuses });
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut people = self.line.people.lock();
        people.places -= 1;
        let waited = people.waiting.remove(&self.ticket);
        let granted = people.granted.remove(&self.ticket);
        drop(people);
        self.line.crowd.waiting.fetch_sub(1, Ordering::Relaxed);
        // The permit's next holder may stand in this very line.
        drop(granted);
        drop(waited);
    }
}
