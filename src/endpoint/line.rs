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
    /// How many of those that wait want each endpoint, by its index.
    demand: Vec<usize>,
}

#[derive(Debug)]
struct Waiter {
    waker: Option<Waker>,
    /// Whether it would have each endpoint, by its index; none beyond the end.
    wants: Vec<bool>,
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

    /// Joins at the end, or where `ticket` stood, whose place must be gone. It
    /// wants nothing until it [says so](Place::want).
    pub(super) fn join(line: &Arc<Self>, ticket: Option<Ticket>) -> Result<Place, Full> {
        let room = |waiting| (waiting < line.most).then_some(waiting + 1);
        let joined = line.crowd.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        joined.map_err(|_| Full)?;
        let draw = || line.crowd.tickets.fetch_add(1, Ordering::Relaxed);
        let ticket = ticket.map_or_else(draw, |Ticket(ticket)| ticket);
        let mut people = line.people.lock();
        people.places += 1;
        people.waiting.insert(ticket, Waiter { waker: None, wants: Vec::new() });
        drop(people);
        Ok(Place { line: Arc::clone(line), ticket })
    }

    /// Whether anyone who waits would have endpoint `index`.
    pub(super) fn is_wanted(&self, index: usize) -> bool {
        self.waiting() > 0 && self.people.lock().demand.get(index).is_some_and(|those| *those > 0)
    }

    /// The ticket of the first who would have endpoint `index`; the outer
    /// `None` if nobody has a place at all.
    pub(super) fn first_for(&self, index: usize) -> Option<Option<u64>> {
        let people = self.people.lock();
        if people.places == 0 {
            return None;
        }
        if people.demand.get(index).is_none_or(|those| *those == 0) {
            return Some(None);
        }
        let wants = |waiter: &Waiter| waiter.wants.get(index) == Some(&true);
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
        let waiter = people.leave(ticket)?;
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

    /// Would have these endpoints from now on, by index. After a grant that is
    /// declined it waits again, where it stood. Nothing is granted before the
    /// gates have been told of it, see [`Gate::attend`](super::gate::Gate::attend).
    pub(super) fn want(&self, wants: &[bool]) {
        let mut people = self.line.people.lock();
        if people.granted.contains_key(&self.ticket) {
            // It has yet to hear of it.
            return;
        }
        let waker = match people.waiting.get(&self.ticket) {
            Some(waiter) if waiter.wants == wants => return,
            _ => people.leave(self.ticket).and_then(|waiter| waiter.waker),
        };
        if people.demand.len() < wants.len() {
            people.demand.resize(wants.len(), 0);
        }
        people.count(wants, |those| those + 1);
        people.waiting.insert(self.ticket, Waiter { waker, wants: wants.to_vec() });
    }
}

impl People {
    /// Takes out who waits with this ticket.
    fn leave(&mut self, ticket: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&ticket)?;
        self.count(&waiter.wants, |those| those - 1);
        Some(waiter)
    }

    fn count(&mut self, wants: &[bool], change: impl Fn(usize) -> usize) {
        let those = self.demand.iter_mut().zip(wants).filter(|(_, wanted)| **wanted);
        those.for_each(|(those, _)| *those = change(*those));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut people = self.line.people.lock();
        people.places -= 1;
        let waited = people.leave(self.ticket);
        let granted = people.granted.remove(&self.ticket);
        drop(people);
        self.line.crowd.waiting.fetch_sub(1, Ordering::Relaxed);
        // The permit's next holder may stand in this very line.
        drop(granted);
        drop(waited);
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    fn line() -> Arc<Line> {
        Arc::new(Line::new(9, std::sync::Arc::new(Crowd::new(std::sync::Arc::default()))))
    }

    #[test]
    fn an_endpoint_is_wanted_while_somebody_waits_who_would_have_it() {
        let line = line();
        let wanted = || [0, 1, 2].map(|index| line.is_wanted(index));
        let [one, other] = [None; 2].map(|ticket| Line::join(&line, ticket).expect("room"));
        assert_eq!(wanted(), [false; 3], "nobody has looked");
        one.want(&[false, true]);
        assert_eq!(wanted(), [false, true, false]);
        other.want(&[true, true]);
        one.want(&[true, false]);
        assert_eq!(wanted(), [true, true, false]);
        drop(other);
        assert_eq!(wanted(), [true, false, false]);
        drop(one);
        assert_eq!(wanted(), [false; 3]);
    }

    #[test]
    fn the_first_for_an_endpoint_is_who_came_first_of_those_who_would_have_it() {
        let line = line();
        assert_eq!(line.first_for(0), None, "nobody is there");
        let places = [None; 3].map(|ticket| Line::join(&line, ticket).expect("room"));
        let [first, second, third] = &places;
        assert_eq!(line.first_for(0), Some(None));
        third.want(&[true, true]);
        second.want(&[false, true]);
        first.want(&[false, false]);
        let tickets = [second, third].map(|place| Some(Some(place.ticket().0)));
        assert_eq!([1, 0].map(|index| line.first_for(index)), tickets);
        assert_eq!(line.first_for(2), Some(None), "which nobody knows");
    }
}
