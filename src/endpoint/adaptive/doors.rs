//! One door for each route that has a limit, across reloads.

use std::collections::HashMap;
use std::sync::Arc;

use super::{AdaptiveTerms, Door};
use crate::sync::Mutex;

/// Entries that are not worth a sweep.
const LEAST_SWEPT: usize = 8;

/// The doors, by the names of their routes.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Doors {
    known: Mutex<Known>,
}

/// A door outlives the tables its route stands in: a live route's is asked for
/// anew when it is used after a change, and the table before may be gone by
/// then. So entries stay until there are twice as many as are in use.
#[derive(Debug, Default)]
struct Known {
    doors: HashMap<Arc<str>, Arc<Door>>,
    sweep_at: usize,
}

impl Doors {
    /// The door of the route `name`, with these terms from now on.
    pub(in crate::endpoint) fn resolve(&self, name: &Arc<str>, terms: AdaptiveTerms) -> Arc<Door> {
        let mut known = self.known.lock();
        if let Some(door) = known.doors.get(name) {
            door.set_terms(terms);
            return Arc::clone(door);
        }
        if known.doors.len() >= known.sweep_at {
            known.doors.retain(|_, door| Arc::strong_count(door) > 1);
            known.sweep_at = (2 * known.doors.len()).max(LEAST_SWEPT);
        }
        let door = Arc::new(Door::new(terms));
        known.doors.insert(Arc::clone(name), Arc::clone(&door));
        door
    }

    /// Those in use, by the names of their routes, sorted.
    pub(in crate::endpoint) fn in_use(&self) -> Vec<(Arc<str>, Arc<Door>)> {
        let known = self.known.lock();
        let in_use = known.doors.iter().filter(|(_, door)| Arc::strong_count(door) > 1);
        let mut doors: Vec<_> =
            in_use.map(|(name, door)| (Arc::clone(name), Arc::clone(door))).collect();
        doors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        doors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: AdaptiveTerms = AdaptiveTerms {
        min_limit: 2,
        max_limit: 100,
        initial_limit: 20,
        tolerance_percent: 25,
        window_ms: 100,
        measure_every_ms: 30_000,
    };

    fn name(n: usize) -> Arc<str> {
        format!("{n}.test").into()
    }

    #[test]
    fn a_route_has_one_door_whatever_happens_to_its_tables() {
        let doors = Doors::default();
        let first = doors.resolve(&name(1), TERMS);
        let again = doors.resolve(&name(1), AdaptiveTerms { max_limit: 7, ..TERMS });
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(first.seen().limit, 7, "the new bounds are in force");
        assert!(!Arc::ptr_eq(&first, &doors.resolve(&name(2), TERMS)));
        assert_eq!(doors.in_use().len(), 1, "nobody uses the other");
    }

    #[test]
    fn doors_of_routes_that_come_and_go_do_not_pile_up() {
        let doors = Doors::default();
        let kept = doors.resolve(&name(0), TERMS);
        for n in 1..1_000 {
            drop(doors.resolve(&name(n), TERMS));
        }
        assert!(doors.known.lock().doors.len() <= 2 * LEAST_SWEPT);
        assert!(Arc::ptr_eq(&kept, &doors.resolve(&name(0), TERMS)));
    }
}
