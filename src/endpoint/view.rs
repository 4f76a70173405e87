//! What the workers have of a set, each for itself.
//!
//! Nearly always every endpoint of a set is well, and then nothing needs to be
//! remembered but how far a worker's walk has come. So a worker notes the
//! [`count of changes`](changes::count) at which it found all well, and while
//! that count stands it chooses without a lock. Only where some endpoint is not
//! well, or time alone will change something, it asks its [`Outlook`].
//!
//! The atomics are the worker's own, loaded and stored, never exchanged. In a
//! runtime that moves requests between threads two of them may take the same
//! turn; that is all that can go wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::endpoint::changes;
use crate::endpoint::outlook::{Outlook, Place};
use crate::endpoint::round_robin::Walk;
use crate::endpoint::weights::Weights;
use crate::sync::Mutex;

/// The views of all workers. Made with the first choice: a route without
/// traffic has none.
#[derive(Debug)]
pub(super) struct Views {
    /// Who is chosen from while all are well.
    pub(super) whole: Whole,
    views: Box<[View]>,
}

/// All endpoints in the router's zone; if there are none, all.
#[derive(Debug)]
pub(super) struct Whole {
    /// Their indices; empty if that is every index of the set.
    members: Box<[usize]>,
    /// 0 if they are near, else 1.
    pub(super) group: usize,
    pub(super) weights: Weights,
    stride: u64,
}

/// What one worker has. Beside each other, workers would write the same cache
/// line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct View {
    /// The count of changes at which all were well, and would stay so until the
    /// next change; 0 if they were not.
    well_at: AtomicU64,
    /// Where the walk over the whole has come to.
    point: AtomicU64,
    pub(super) outlook: Mutex<Outlook>,
}

impl Views {
    /// `random` places the walks.
    pub(super) fn new(places: &[Place], workers: usize, random: u64) -> Self {
        let workers = workers.max(1);
        let whole = Whole::new(places);
        let view = |worker| View {
            well_at: AtomicU64::new(0),
            point: AtomicU64::new(Walk::new(&whole.weights, worker, workers, random).point()),
            outlook: Mutex::new(Outlook::new()),
        };
        let views = (0..workers).map(view).collect();
        Self { whole, views }
    }

    /// The view of a worker.
    pub(super) fn of(&self, worker: usize) -> &View {
        // A division costs more than all else here.
        self.views.get(worker).unwrap_or_else(|| &self.views[worker % self.views.len()])
    }
}

impl Whole {
    fn new(places: &[Place]) -> Self {
        let any_near = places.iter().any(|place| place.near);
        let members = (0..places.len()).filter(|index| places[*index].near == any_near);
        let mut members: Box<[usize]> = members.collect();
        let weights = Weights::new(members.iter().map(|index| places[*index].weight));
        if members.len() == places.len() {
            members = Box::default();
        }
        let group = usize::from(!any_near);
        Self { members, group, stride: Walk::new(&weights, 0, 1, 0).stride(), weights }
    }

    /// The index in the set of the endpoint in this place.
    pub(super) fn member(&self, place: usize) -> usize {
        if self.members.is_empty() { place } else { self.members[place] }
    }

    /// The next in turn that is `open`, by its index in the set.
    pub(super) fn walk(&self, view: &View, open: impl Fn(usize) -> bool) -> Option<usize> {
        let mut walk = Walk::at(view.point.load(Ordering::Relaxed), self.stride);
        let place = walk.choose(&self.weights, |place| open(self.member(place)));
        view.point.store(walk.point(), Ordering::Relaxed);
        place.map(|place| self.member(place))
    }
}

impl View {
    /// Whether all are well, as far as can be known without a closer look.
    pub(super) fn is_well(&self) -> bool {
        self.well_at.load(Ordering::Relaxed) == changes::count()
    }

    /// Notes what a closer look has shown.
    pub(super) fn note(&self, outlook: &Outlook) {
        let well_at = outlook.well_at().unwrap_or(0);
        if self.well_at.load(Ordering::Relaxed) != well_at {
            self.well_at.store(well_at, Ordering::Relaxed);
        }
    }
}
