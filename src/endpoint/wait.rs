//! Going to an endpoint of a route, or waiting for one.
//!
//! A request waits for whichever endpoint it would have been sent to, not for
//! one picked beforehand: for those that are well, or if none is left, for what
//! is. Only one that would stay with its endpoint waits for that alone while it
//! is well: its session is nowhere else. An endpoint that is passed over is not
//! gone to just because the others are full; it would draw the whole queue by
//! failing fast. What an endpoint is like changes without a word to those who
//! wait, so they look again every [`LOOK_AGAIN_MS`].

use std::task::{Poll, Waker, ready};

use crate::endpoint::choice::{Asked, Choice};
use crate::endpoint::gate::Gate;
use crate::endpoint::lease::Lease;
use crate::endpoint::line::{Full, Line, Place, Ticket};
use crate::endpoint::set::EndpointSet;
use crate::endpoint::tried::Tried;

/// How often who waits looks again at what there is to wait for, in
/// milliseconds.
pub const LOOK_AGAIN_MS: u64 = 200;

/// Choices that may turn out to be full before a request queues: others go in
/// between the look and the step.
const TRIES: u64 = 3;

/// What came of going to an endpoint.
#[derive(Debug)]
pub enum Entrance<'a> {
    /// There was room.
    In(Choice<'a>, Lease),
    /// There is none where it may go, or others have waited for longer.
    Full,
    /// Every endpoint was tried, is taken out or gone.
    NoneLeft,
}

/// A request that waits for an endpoint of a set. Dropping it is leaving.
#[derive(Debug)]
pub struct Queued<'a> {
    set: &'a EndpointSet,
    worker: usize,
    place: Place,
    /// Whose gates it waits at, by index.
    attended: Vec<bool>,
}

impl EndpointSet {
    /// Chooses an endpoint, as [`EndpointSet::choose`] does, and goes in. A
    /// request that would stay with an endpoint goes to no other while that is
    /// only full.
    pub fn enter(&self, asked: &Asked, tried: &Tried) -> Entrance<'_> {
        if tried.len() >= self.len() {
            return Entrance::NoneLeft;
        }
        let may = |index: usize| !tried.contains(index);
        for again in 0..TRIES {
            let asked = Asked { random: asked.random.wrapping_add(again), ..*asked };
            let Some(choice) = self.choose(&asked, tried) else {
                let left = self.wanted(&asked, may);
                return if left.contains(&true) { Entrance::Full } else { Entrance::NoneLeft };
            };
            let moved = asked.stay_with.filter(|own| *own != choice.index);
            if moved.is_some_and(|own| self.wanted(&asked, may)[own]) {
                return Entrance::Full;
            }
            if self.line().is_wanted(choice.index) {
                continue;
            }
            if let Some(lease) = choice.endpoint.try_lease(asked.worker) {
                return Entrance::In(choice, lease);
            }
        }
        Entrance::Full
    }

    /// What a request waits for: what it would be sent to, or the one it would
    /// stay with if that is among it.
    fn awaited(&self, asked: &Asked, may: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut wanted = self.wanted(asked, may);
        if let Some(own) = asked.stay_with
            && wanted.get(own) == Some(&true)
        {
            wanted.fill(false);
            wanted[own] = true;
        }
        wanted
    }
}

impl<'a> Queued<'a> {
    /// Queues a request behind all that wait, or with the `ticket` of an earlier
    /// wait where it stood then; the error if as many wait as may.
    pub fn join(set: &'a EndpointSet, worker: usize, ticket: Option<Ticket>) -> Result<Self, Full> {
        // What it waits for is said with the first look: until then, nothing.
        let place = Line::join(set.line(), ticket)?;
        Ok(Self { set, worker, place, attended: vec![false; set.len()] })
    }

    /// What keeps its turn, should the attempt fail that it waits for.
    pub fn ticket(&self) -> Ticket {
        self.place.ticket()
    }

    /// Whether it has come to its turn: what it goes to then. Else `waker` is
    /// called when it may have. To be asked at least every [`LOOK_AGAIN_MS`].
    ///
    /// `is_gone` says of an index whether that endpoint has been taken out of
    /// the route meanwhile: it is not waited for.
    pub fn poll(
        &mut self,
        waker: &Waker,
        tried: &Tried,
        is_gone: impl Fn(usize) -> bool,
        asked: &Asked,
    ) -> Poll<Entrance<'a>> {
        loop {
            let may = |index: usize| !tried.contains(index) && !is_gone(index);
            let wanted = self.set.awaited(asked, may);
            let stays = asked.stay_with.is_some_and(|own| wanted.get(own) == Some(&true));
            // While some wait nobody comes to an ejected endpoint otherwise, and one
            // that works again would never be found to.
            if !stays && let Some((choice, lease)) = self.set.enter_for_trial(asked, may) {
                return Poll::Ready(Entrance::In(choice, lease));
            }
            if !wanted.contains(&true) {
                return Poll::Ready(Entrance::NoneLeft);
            }
            if let Some((index, lease)) = self.attend(&wanted) {
                return Poll::Ready(self.gone_in(index, lease));
            }
            let (index, permit) = ready!(self.place.poll(waker));
            if wanted[index] {
                let lease = self.set.endpoints()[index].lease_with(self.worker, permit);
                return Poll::Ready(self.gone_in(index, lease));
            }
            // It was granted on an earlier look's terms. It waits on where it
            // stood, and only then does the permit go to the next. Whatever
            // became free meanwhile found it with this permit: ask again.
            self.place.want(&wanted);
            self.attended.fill(false);
            drop(permit);
        }
    }

    /// Waits at the gates of these from now on; goes in where there is none.
    fn attend(&mut self, wanted: &[bool]) -> Option<(usize, Lease)> {
        self.place.want(wanted);
        for (index, wanted) in wanted.iter().copied().enumerate() {
            // One that is wanted again may have become free unnoticed.
            let before = std::mem::replace(&mut self.attended[index], wanted);
            if !wanted || before {
                continue;
            }
            match self.set.endpoints()[index].lease_ungated(self.worker) {
                Ok(lease) => return Some((index, lease)),
                Err(gate) => Gate::attend(gate, self.set.line(), index),
            }
        }
        None
    }

    fn gone_in(&self, index: usize, lease: Lease) -> Entrance<'a> {
        let endpoint = &self.set.endpoints()[index];
        Entrance::In(Choice { index, endpoint, trial: None }, lease)
    }
}

#[cfg(all(test, not(pointsman_loom)))]
#[path = "wait_tests.rs"]
mod tests;
