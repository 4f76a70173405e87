//! Where the entries of a trie are: a few of them in one piece of memory, each
//! on a cache line of its own, at the place its hash says or soon behind it.
//!
//! So a lookup that has come to a leaf nearly always reads just the line it is
//! after, or that and its neighbour: a large table is read from memory, and
//! every line that has to come from there before the next can be asked for is
//! a good part of what a lookup costs.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::Key;

/// Entries in lines; never empty.
///
/// Versions share it: what changes it copies it, unless it is in one alone.
#[derive(Debug)]
pub(super) struct Leaf<K, V>(Arc<[Line<K, V>]>);

/// Where an entry is, or nothing.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line<K, V>(Option<(K, V)>);

/// How many lines leaves have. With the line of the counts before them they
/// fill the sizes that allocators deal in.
const SIZES: [usize; 10] = [1, 3, 7, 11, 15, 19, 23, 27, 31, 39];

/// The lines for so many entries: a sixth of them free, so that few entries
/// stand far from their places.
fn lines_for(entries: usize) -> usize {
    let fits = |lines: &usize| entries <= 1 || 6 * entries <= 5 * lines;
    SIZES.into_iter().find(fits).unwrap_or(entries * 6 / 5 + 1)
}

impl<K, V> Leaf<K, V> {
    /// The value in a line.
    pub(super) fn at(&self, line: usize) -> Option<&V> {
        self.0.get(line)?.0.as_ref().map(|(_, value)| value)
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries().count()
    }

    /// The entries, in no particular order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &(K, V)> {
        self.0.iter().filter_map(|line| line.0.as_ref())
    }
}

impl<K: Key, V> Leaf<K, V> {
    /// The value of a key with this hash, and its line.
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<(usize, &V)> {
        let line = position(&self.0, hash, key).ok()?;
        Some((line, self.at(line)?))
    }
}

impl<K: Key, V: Clone> Leaf<K, V> {
    /// A leaf of just these entries, whose keys differ, and of which there are
    /// `count`.
    pub(super) fn of(
        hasher: &RandomState,
        count: usize,
        entries: impl Iterator<Item = (K, V)>,
    ) -> Self {
        let mut lines: Arc<[Line<K, V>]> = (0..lines_for(count)).map(|_| Line(None)).collect();
        let own = Arc::get_mut(&mut lines).expect("nobody else has what was just made");
        for (key, value) in entries {
            put(own, hasher, (key, value));
        }
        Self(lines)
    }

    /// The value of a key with this hash, to be changed.
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut V> {
        let line = position(&self.0, hash, key).ok()?;
        Arc::make_mut(&mut self.0)[line].0.as_mut().map(|(_, value)| value)
    }

    /// Adds an entry whose key is not there.
    pub(super) fn add(&mut self, hasher: &RandomState, entry: (K, V)) {
        let count = self.len() + 1;
        if lines_for(count) > self.0.len() {
            *self = Self::of(hasher, count, self.entries().cloned().chain([entry]));
        } else {
            put(Arc::make_mut(&mut self.0), hasher, entry);
        }
    }

    /// Removes a key with this hash; its entry. The last one is not to be
    /// removed, as a leaf is never empty.
    pub(super) fn remove(&mut self, hasher: &RandomState, hash: u64, key: &[u8]) -> Option<(K, V)> {
        let line = position(&self.0, hash, key).ok()?;
        let left = self.len() - 1;
        if 2 * lines_for(left) <= self.0.len() {
            let removed = self.0[line].0.clone();
            let others = self.entries().filter(|(own, _)| own.bytes() != key);
            *self = Self::of(hasher, left, others.cloned());
            return removed;
        }
        let lines = Arc::make_mut(&mut self.0);
        let removed = lines[line].0.take();
        // What stands behind it may have been put off by it. None is put
        // further than it was, so this ends where the row of them did.
        let mut next = following(line, lines.len());
        while let Some(entry) = lines[next].0.take() {
            put(lines, hasher, entry);
            next = following(next, lines.len());
        }
        removed
    }
}

/// The line of a key with this hash; else the free one where it would be, if
/// there is any.
fn position<K: Key, V>(
    lines: &[Line<K, V>],
    hash: u64,
    key: &[u8],
) -> Result<usize, Option<usize>> {
    let mut at = place(hash, lines.len());
    for _ in 0..lines.len() {
        match &lines[at].0 {
            None => return Err(Some(at)),
            Some((own, _)) if own.bytes() == key => return Ok(at),
            Some(_) => at = following(at, lines.len()),
        }
    }
    Err(None)
}

/// Puts an entry whose key is not there where it belongs.
fn put<K: Key, V>(lines: &mut [Line<K, V>], hasher: &RandomState, entry: (K, V)) {
    let hash = hasher.hash_one(entry.0.bytes());
    match position(lines, hash, entry.0.bytes()) {
        Err(Some(free)) => lines[free].0 = Some(entry),
        found => debug_assert!(false, "a free line is looked for, and this is {found:?}"),
    }
}

/// Where looking for a hash begins: by its upper half, of which the way here
/// has told nothing yet.
fn place(hash: u64, lines: usize) -> usize {
    (((hash >> 32) * lines as u64) >> 32) as usize
}

fn following(line: usize, lines: usize) -> usize {
    if line + 1 == lines { 0 } else { line + 1 }
}

impl<K, V> Clone for Leaf<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(hasher: &RandomState, count: usize) -> Leaf<String, usize> {
        Leaf::of(hasher, count, (0..count).map(|n| (n.to_string(), n)))
    }

    fn find(leaf: &Leaf<String, usize>, hasher: &RandomState, n: usize) -> Option<usize> {
        let key = n.to_string();
        let (line, value) = leaf.find(hasher.hash_one(key.as_bytes()), key.as_bytes())?;
        assert_eq!(leaf.at(line), Some(value));
        Some(*value)
    }

    #[test]
    fn every_size_finds_what_it_has_and_nothing_else_whatever_goes_in_between() {
        let hasher = RandomState::new();
        for count in 1..=64 {
            let mut own = leaf(&hasher, 1);
            (1..count).for_each(|n| own.add(&hasher, (n.to_string(), n)));
            let other = own.clone();
            for gone in (0..count).rev().take(count - 1) {
                let key = gone.to_string();
                let hash = hasher.hash_one(key.as_bytes());
                assert_eq!(own.remove(&hasher, hash, key.as_bytes()), Some((key, gone)));
                for n in 0..=count {
                    assert_eq!(find(&own, &hasher, n), (n < gone).then_some(n), "{n} of {gone}");
                }
            }
            assert_eq!((own.len(), own.0.len()), (1, 1), "room is given back");
            assert!((0..count).all(|n| find(&other, &hasher, n) == Some(n)), "{count}");
        }
    }

    #[test]
    fn a_leaf_without_a_free_line_is_searched_once_round_and_no_more() {
        let hasher = RandomState::new();
        let one = leaf(&hasher, 1);
        assert_eq!((one.0.len(), find(&one, &hasher, 1)), (1, None));
        let mut full = leaf(&hasher, 2);
        let lines = Arc::get_mut(&mut full.0).unwrap();
        put(lines, &hasher, ("2".to_owned(), 2));
        assert_eq!((full.0.len(), find(&full, &hasher, 7)), (3, None));
        for n in 0..2 {
            let key = n.to_string();
            let hash = hasher.hash_one(key.as_bytes());
            assert_eq!(full.remove(&hasher, hash, key.as_bytes()), Some((key, n)));
        }
        assert_eq!(find(&full, &hasher, 2), Some(2));
    }

    #[test]
    fn a_sixth_of_the_lines_is_free_and_none_is_wasted_on_one() {
        assert_eq!([1, 2, 3, 9, 10, 32].map(lines_for), [1, 3, 7, 11, 15, 39]);
        assert!((2..200).all(|entries| entries < lines_for(entries)));
    }
}
