//! How many requests of a route are under way, exactly, whichever workers they
//! are on.
//!
//! One word for all workers, written when a request comes and when it is
//! answered. Only routes with an adaptive limit have one.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Where those that stand aside are counted, above those that do not.
const ASIDE: u64 = 1 << 32;

/// The count, and its limit.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Places {
    inside: AtomicU64,
    limit: AtomicU64,
}

/// One request under way. Dropping it ends that.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub(super) struct Place<'a> {
    places: &'a Places,
    aside: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let one = if self.aside { ASIDE } else { 1 };
        self.places.inside.fetch_sub(one, Ordering::AcqRel);
    }
}

impl Places {
    pub(super) fn new(limit: u64) -> Self {
        Self { inside: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    /// How many may be under way from now on. If there are more, nobody is
    /// thrown out: they end in their own time.
    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Release);
    }

    /// How many may be under way.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Acquire)
    }

    /// How many are, those that stand aside left out.
    pub(super) fn waiting(&self) -> u64 {
        waiting(self.inside.load(Ordering::Acquire))
    }

    /// How many stand aside.
    #[cfg(test)]
    pub(super) fn aside(&self) -> u64 {
        self.inside.load(Ordering::Acquire) / ASIDE
    }

    /// A place, and how many are taken with it; none if there is no room.
    pub(super) fn enter(&self) -> Option<(Place<'_>, u64)> {
        let limit = self.limit();
        let take = |inside| (waiting(inside) < limit).then_some(inside + 1);
        let before = self.inside.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some((Place { places: self, aside: false }, waiting(before) + 1))
    }
}

impl Place<'_> {
    /// Stands aside, so that another may come in; but no more do so than the
    /// limit says, or content that comes slowly would be a way round it.
    pub(super) fn stand_aside(&mut self) {
        if self.aside {
            return;
        }
        let limit = self.places.limit();
        let swap = |inside| (inside / ASIDE < limit).then_some(inside + ASIDE - 1);
        let inside = &self.places.inside;
        self.aside = inside.fetch_update(Ordering::AcqRel, Ordering::Acquire, swap).is_ok();
    }

    /// Comes back in, whether there is room or not: the endpoint has it already.
    pub(super) fn step_in(&mut self) {
        if std::mem::take(&mut self.aside) {
            self.places.inside.fetch_sub(ASIDE - 1, Ordering::AcqRel);
        }
    }
}

/// Those that do not stand aside.
fn waiting(inside: u64) -> u64 {
    inside % ASIDE
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_up_to_the_limit_and_again_when_one_ends() {
        let places = Places::new(2);
        let (first, _) = places.enter().unwrap();
        let (_second, taken) = places.enter().unwrap();
        assert_eq!(taken, 2);
        assert!(places.enter().is_none());
        drop(first);
        assert_eq!(places.waiting(), 1);
        assert!(places.enter().is_some());
    }

    #[test]
    fn a_lower_limit_throws_nobody_out() {
        let places = Places::new(2);
        let (first, second) = (places.enter().unwrap(), places.enter().unwrap());
        places.set_limit(1);
        assert_eq!(places.waiting(), 2);
        drop(first);
        assert!(places.enter().is_none());
        drop(second);
        assert!(places.enter().is_some());
    }

    #[test]
    fn who_stands_aside_makes_room_and_comes_back_even_into_none() {
        let places = Places::new(1);
        let (mut first, _) = places.enter().unwrap();
        first.stand_aside();
        let (mut second, _) = places.enter().expect("the first stands aside");
        second.stand_aside();
        assert_eq!((places.waiting(), places.aside()), (1, 1), "no more aside than the limit");
        first.step_in();
        assert_eq!((places.waiting(), places.aside()), (2, 0));
        assert!(places.enter().is_none());
        drop((first, second));
        assert_eq!((places.waiting(), places.aside()), (0, 0));
    }

    #[test]
    fn a_place_that_ends_aside_is_given_back() {
        let places = Places::new(1);
        let (mut first, _) = places.enter().unwrap();
        first.stand_aside();
        drop(first);
        assert_eq!((places.waiting(), places.aside()), (0, 0));
    }
}
