//! The tables that one request works on.

use std::sync::OnceLock;

use crate::route::Pinned;

/// How often a request may go on to a newer table while it waits. Each that it
/// has been on stays pinned until its end.
const MOST_MOVES: usize = 4;

/// The table a request began with and, if it went on to newer ones while it
/// waited, those.
pub(super) struct Tables<T> {
    first: Pinned<T>,
    /// Nearly no request ever has any.
    later: OnceLock<Box<[OnceLock<Pinned<T>>; MOST_MOVES]>>,
}

impl<T> Tables<T> {
    pub(super) fn new(first: Pinned<T>) -> Self {
        Self { first, later: OnceLock::new() }
    }

    /// The one it works on.
    pub(super) fn current(&self) -> &Pinned<T> {
        let Some(later) = self.later.get() else { return &self.first };
        later.iter().rev().find_map(OnceLock::get).unwrap_or(&self.first)
    }

    /// Whether it may go on to another.
    pub(super) fn may_move(&self) -> bool {
        self.later.get().is_none_or(|later| later.iter().any(|place| place.get().is_none()))
    }

    /// Goes on to `table`; whether it [might](Self::may_move).
    pub(super) fn move_to(&self, table: Pinned<T>) -> bool {
        let later = self.later.get_or_init(Box::default);
        let place = later.iter().find(|place| place.get().is_none());
        place.is_some_and(|place| place.set(table).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::route::Publisher;

    #[test]
    fn a_request_works_on_the_last_table_it_went_on_to_and_goes_on_a_few_times() {
        let publisher = Publisher::new(Arc::new(0));
        let reader = publisher.reader();
        let tables = Tables::new(reader.pin());
        for number in 1..=MOST_MOVES {
            publisher.publish(Arc::new(number));
            assert!(tables.may_move() && tables.move_to(reader.pin()));
            assert_eq!(**tables.current(), number);
        }
        publisher.publish(Arc::new(9));
        assert!(!tables.may_move() && !tables.move_to(reader.pin()));
        assert_eq!(**tables.current(), MOST_MOVES);
    }
}
