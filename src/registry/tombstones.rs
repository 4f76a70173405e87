//! Endpoints that have left, and when their platform said so.
//!
//! Messages about one endpoint may come by several ways and overtake each
//! other: a `register` that was sent before an `unregister` and comes after it
//! would bring back what is gone, to be sent traffic until it expires. So what
//! left with a time is remembered, and what is older than that is ignored. As
//! old as that is not older: platforms give all they say of one instance the
//! same time, and a route may be taken from it and given to it again.
//!
//! Nothing is remembered for ever, nor more than so many: the first to leave is
//! forgotten first.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use super::Source;

/// Which endpoint of which route, by host and path, of which source.
pub(crate) type Who = (Source, Arc<str>, SocketAddr);

/// What is remembered at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Endpoints; one of several routes counts for each.
    pub(crate) most: usize,
    /// For how long, in milliseconds.
    pub(crate) for_ms: u64,
}

/// What has left.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    left: HashMap<Who, Left>,
    /// In the order in which they left; one that came back and left again
    /// stands here twice, and the first is void.
    order: VecDeque<(u64, Who)>,
    /// How many have gone from the front of the order.
    gone: u64,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    updated_at_ns: i64,
    at_ms: u64,
}

impl Tombstones {
    /// Notes that an endpoint left at `now_ms`, by a word of this time.
    pub(crate) fn bury(&mut self, who: Who, updated_at_ns: i64, now_ms: u64, memory: Memory) {
        let known = self.left.get(&who).map_or(updated_at_ns, |left| left.updated_at_ns);
        let left = Left { updated_at_ns: known.max(updated_at_ns), at_ms: now_ms };
        self.left.insert(who.clone(), left);
        self.order.push_back((now_ms, who));
        self.forget(now_ms, memory);
    }

    /// The time of the word by which an endpoint left, as long as that is
    /// remembered.
    pub(crate) fn left_at_ns(&self, who: &Who, now_ms: u64, memory: Memory) -> Option<i64> {
        let left = self.left.get(who)?;
        (now_ms < left.at_ms.saturating_add(memory.for_ms)).then_some(left.updated_at_ns)
    }

    /// Forgets that an endpoint left.
    pub(crate) fn unearth(&mut self, who: &Who) {
        // What stands in the order for it is void now.
        self.left.remove(who);
    }

    /// Forgets what is too old or too much; to be called now and then.
    pub(crate) fn forget(&mut self, now_ms: u64, memory: Memory) {
        while let Some((at_ms, _)) = self.order.front()
            && (now_ms >= at_ms.saturating_add(memory.for_ms) || self.order.len() > memory.most)
        {
            let Some((at_ms, who)) = self.order.pop_front() else { return };
            self.gone += 1;
            if self.left.get(&who).is_some_and(|left| left.at_ms == at_ms) {
                self.left.remove(&who);
            }
        }
    }

    /// At most `most` of those that left, by the number of their leaving, with
    /// the time of the word by which they did; the first of `numbers` is moved
    /// on to what comes next. There are no more when it is empty.
    pub(crate) fn left(&self, numbers: &mut Range<u64>, most: usize) -> Vec<(Who, i64)> {
        numbers.start = numbers.start.max(self.gone);
        let at = |number: u64| usize::try_from(number - self.gone).unwrap_or(usize::MAX);
        let end = numbers.end.min(numbers.start.saturating_add(most as u64)).max(numbers.start);
        let piece = self.order.iter().skip(at(numbers.start)).take(at(end) - at(numbers.start));
        numbers.start = end;
        let of = |(at_ms, who): &(u64, Who)| {
            let left = self.left.get(who).filter(|left| left.at_ms == *at_ms)?;
            Some((who.clone(), left.updated_at_ns))
        };
        piece.filter_map(of).collect()
    }

    /// The numbers of those that are remembered.
    pub(crate) fn numbers(&self) -> Range<u64> {
        self.gone..self.gone + self.order.len() as u64
    }

    /// How many are remembered; a word without a time is outdated by none.
    pub(crate) fn len(&self) -> usize {
        self.left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Memory = Memory { most: 3, for_ms: 100 };

    fn who(name: &str) -> Who {
        (Source::Nats, name.into(), ([192, 0, 2, 1], 80).into())
    }

    fn outdated(tombstones: &Tombstones, name: &str, at_ns: i64, now_ms: u64) -> bool {
        Some(at_ns) < tombstones.left_at_ns(&who(name), now_ms, MEMORY)
    }

    #[test]
    fn only_what_is_older_than_the_leaving_is_outdated_and_only_of_that_endpoint() {
        let mut tombstones = Tombstones::default();
        tombstones.bury(who("a"), 20, 0, MEMORY);
        assert!(outdated(&tombstones, "a", 19, 99));
        assert!(!outdated(&tombstones, "a", 20, 0), "the same word may give a route again");
        assert!(!outdated(&tombstones, "b", 19, 0));
        let (_, name, address) = who("a");
        assert_eq!(tombstones.left_at_ns(&(Source::Admin, name, address), 0, MEMORY), None);
        tombstones.bury(who("a"), 10, 5, MEMORY);
        assert!(outdated(&tombstones, "a", 19, 5), "an older leaving takes nothing back");
    }

    #[test]
    fn it_is_remembered_for_so_long_and_no_longer() {
        let mut tombstones = Tombstones::default();
        tombstones.bury(who("a"), 20, 0, MEMORY);
        tombstones.bury(who("a"), 20, 50, MEMORY);
        assert!(!outdated(&tombstones, "a", 1, 150), "even if nobody has forgotten it yet");
        tombstones.forget(149, MEMORY);
        assert!(outdated(&tombstones, "a", 1, 149), "its last leaving counts");
        tombstones.forget(150, MEMORY);
        assert_eq!((tombstones.len(), tombstones.order.len()), (0, 0));
    }

    #[test]
    fn those_that_left_are_given_in_pieces_and_none_is_left_out() {
        let mut tombstones = Tombstones::default();
        let many = Memory { most: 5, for_ms: 100 };
        for (at_ms, name) in ["a", "b", "a", "c", "d", "e"].into_iter().enumerate() {
            tombstones.bury(who(name), 20 + at_ms as i64, at_ms as u64, many);
        }
        tombstones.unearth(&who("d"));
        let mut numbers = tombstones.numbers();
        let mut given = Vec::new();
        while !numbers.is_empty() {
            let piece = tombstones.left(&mut numbers, 2);
            assert!(piece.len() <= 2);
            given.extend(piece.into_iter().map(|((_, name, _), at_ns)| (name.to_string(), at_ns)));
            // What leaves meanwhile is somebody else's to note, and may push out the first.
            tombstones.bury(who("f"), 99, 10, many);
        }
        let given: Vec<_> = given.iter().map(|(name, at_ns)| (&**name, *at_ns)).collect();
        assert_eq!(given, [("b", 21), ("a", 22), ("c", 23), ("e", 25)]);
        let mut beyond = 0..tombstones.numbers().start;
        assert!(tombstones.left(&mut beyond, 9).is_empty() && beyond.is_empty());
    }

    #[test]
    fn no_more_are_remembered_than_may_be_and_the_first_is_forgotten_first() {
        let mut tombstones = Tombstones::default();
        for (now_ms, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            tombstones.bury(who(name), 20, now_ms as u64, MEMORY);
        }
        assert_eq!((tombstones.len(), tombstones.order.len()), (3, 3));
        assert!(!outdated(&tombstones, "a", 1, 4) && outdated(&tombstones, "b", 1, 4));
        let none = Memory { most: 0, for_ms: 100 };
        tombstones.bury(who("e"), 20, 5, none);
        assert_eq!((tombstones.len(), tombstones.order.len()), (0, 0));
    }
}
