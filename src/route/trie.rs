//! A map in versions: to change one copy leaves every other as it was, and
//! costs a few small nodes, whatever the size.
//!
//! A tree by the bits of a key's hash, sixteen ways at each level, with up to
//! [`LEAF`] entries in a leaf. Nodes are shared between versions: a change
//! copies those on its way that another version has too, and writes into those
//! that it has alone. So the second change before a version is given away
//! costs less than the first, and a batch less than its parts. A node goes
//! with the last version that has it.
//!
//! A lookup reads the branches, few enough to stay in the cache, then a leaf's
//! tags (a byte of each hash), then the entry: two reads of memory at a
//! million keys. The hash is the standard library's keyed SipHash; see
//! `table` for why.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Entries of a leaf, beyond which it becomes a branch.
const LEAF: usize = 32;
/// Entries of a branch, at and below which it becomes a leaf again.
const MERGE: usize = 8;
const BITS: u32 = 4;
const WAYS: usize = 1 << BITS;
/// The bits above are for tags. Keys that agree in all below share a leaf,
/// however many they are.
const LAST_SHIFT: u32 = 56;

/// What is looked up by its bytes.
pub(super) trait Key: Clone {
    /// The bytes that identify it.
    fn bytes(&self) -> &[u8];
}

#[derive(Clone, Debug)]
pub(super) struct Trie<K, V> {
    hasher: RandomState,
    root: Child<K, V>,
    len: usize,
}

/// Where an entry is in one version: by it the entry is found again without
/// its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    hash: u64,
    index: u32,
}

#[derive(Debug)]
enum Child<K, V> {
    Empty,
    Branch(Arc<Branch<K, V>>),
    Leaf(Arc<Leaf<K, V>>),
}

#[derive(Clone, Debug)]
struct Branch<K, V>([Child<K, V>; WAYS]);

/// A cache line, so that a lookup reads one here and one of the entries.
#[derive(Debug)]
#[repr(align(64))]
struct Leaf<K, V> {
    /// Of the first entries; those beyond are compared without.
    tags: [u8; LEAF],
    entries: Vec<(K, V)>,
}

impl<K: Key, V> Trie<K, V> {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), root: Child::Empty, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&V> {
        self.find(key).map(|(_, value)| value)
    }

    /// The value of a key, and where it is.
    pub(super) fn find(&self, key: &[u8]) -> Option<(Slot, &V)> {
        if self.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let leaf = self.root.leaf(hash)?;
        let index = leaf.position(tag(hash), key)?;
        let slot = Slot { hash, index: u32::try_from(index).ok()? };
        Some((slot, &leaf.entries[index].1))
    }

    /// The value in a slot of this version.
    pub(super) fn at(&self, slot: Slot) -> Option<&V> {
        let leaf = self.root.leaf(slot.hash)?;
        leaf.entries.get(slot.index as usize).map(|(_, value)| value)
    }

    /// Every entry, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut waiting = vec![&self.root];
        let leaves = std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Child::Empty => {}
                    Child::Branch(branch) => waiting.extend(&branch.0),
                    Child::Leaf(leaf) => return Some(&leaf.entries),
                }
            }
        });
        leaves.flatten().map(|(key, value)| (key, value))
    }
}

impl<K: Key, V: Clone> Trie<K, V> {
    /// A copy of every value, made as it is asked for.
    pub(super) fn into_values(self) -> impl Iterator<Item = V> {
        let mut waiting = vec![self.root];
        let leaves = std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Child::Empty => {}
                    Child::Branch(branch) => waiting.extend(branch.0.iter().cloned()),
                    Child::Leaf(leaf) => return Some(leaf),
                }
            }
        });
        leaves.flat_map(|leaf| {
            let values = leaf.entries.iter().map(|(_, value)| value.clone());
            values.collect::<Vec<_>>()
        })
    }

    /// Sets the value of a key; the one it had.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(key.bytes());
        let old = self.root.insert(&self.hasher, hash, 0, key, value);
        self.len += usize::from(old.is_none());
        old
    }

    /// The value of a key, to be changed. To ask for it copies what is shared
    /// on the way, so ask only to change it.
    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let mut child = &mut self.root;
        let mut shift = 0;
        loop {
            match child {
                Child::Empty => return None,
                Child::Branch(branch) => {
                    child = &mut Arc::make_mut(branch).0[way(hash, shift)];
                    shift += BITS;
                }
                Child::Leaf(leaf) => {
                    let index = leaf.position(tag(hash), key)?;
                    return Some(&mut Arc::make_mut(leaf).entries[index].1);
                }
            }
        }
    }

    /// Removes a key; the value it had.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<V> {
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let (_, value) = self.root.remove(&self.hasher, hash, 0, key)?;
        self.len -= 1;
        Some(value)
    }
}

fn way(hash: u64, shift: u32) -> usize {
    (hash >> shift) as usize % WAYS
}

fn tag(hash: u64) -> u8 {
    (hash >> LAST_SHIFT) as u8
}

impl<K, V> Child<K, V> {
    fn leaf(&self, hash: u64) -> Option<&Leaf<K, V>> {
        let mut child = self;
        let mut shift = 0;
        loop {
            match child {
                Self::Empty => return None,
                Self::Branch(branch) => child = &branch.0[way(hash, shift)],
                Self::Leaf(leaf) => return Some(leaf),
            }
            shift += BITS;
        }
    }
}

impl<K: Key, V: Clone> Child<K, V> {
    fn insert(
        &mut self,
        hasher: &RandomState,
        hash: u64,
        shift: u32,
        key: K,
        value: V,
    ) -> Option<V> {
        match self {
            Self::Empty => {
                let mut leaf = Leaf { tags: [0; LEAF], entries: Vec::with_capacity(1) };
                leaf.push(tag(hash), key, value);
                *self = Self::Leaf(Arc::new(leaf));
                None
            }
            Self::Branch(branch) => {
                let child = &mut Arc::make_mut(branch).0[way(hash, shift)];
                child.insert(hasher, hash, shift + BITS, key, value)
            }
            Self::Leaf(leaf) => {
                if let Some(index) = leaf.position(tag(hash), key.bytes()) {
                    let entry = &mut Arc::make_mut(leaf).entries[index];
                    return Some(std::mem::replace(&mut entry.1, value));
                }
                if leaf.entries.len() < LEAF || shift == LAST_SHIFT {
                    Arc::make_mut(leaf).push(tag(hash), key, value);
                    return None;
                }
                let mut branch = Branch(std::array::from_fn(|_| Self::Empty));
                for (key, value) in leaf.entries.iter().cloned() {
                    let hash = hasher.hash_one(key.bytes());
                    let child = &mut branch.0[way(hash, shift)];
                    child.insert(hasher, hash, shift + BITS, key, value);
                }
                *self = Self::Branch(Arc::new(branch));
                self.insert(hasher, hash, shift, key, value)
            }
        }
    }

    fn remove(
        &mut self,
        hasher: &RandomState,
        hash: u64,
        shift: u32,
        key: &[u8],
    ) -> Option<(K, V)> {
        match self {
            Self::Empty => None,
            Self::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let child = &mut branch.0[way(hash, shift)];
                let removed = child.remove(hasher, hash, shift + BITS, key);
                if matches!(child, Self::Empty)
                    && let Some(merged) = branch.merged()
                {
                    *self = merged;
                }
                removed
            }
            Self::Leaf(leaf) => {
                let index = leaf.position(tag(hash), key)?;
                if leaf.entries.len() == 1 {
                    let entry = leaf.entries[0].clone();
                    *self = Self::Empty;
                    return Some(entry);
                }
                Some(Arc::make_mut(leaf).swap_remove(hasher, index))
            }
        }
    }
}

impl<K: Key, V: Clone> Branch<K, V> {
    /// What stands in the place of a branch that has little left.
    fn merged(&self) -> Option<Child<K, V>> {
        let mut entries = 0;
        for child in &self.0 {
            match child {
                Child::Empty => {}
                Child::Leaf(leaf) => entries += leaf.entries.len(),
                Child::Branch(_) => return None,
            }
        }
        if entries > MERGE {
            return None;
        }
        let mut whole = Leaf { tags: [0; LEAF], entries: Vec::with_capacity(entries) };
        for child in &self.0 {
            let Child::Leaf(leaf) = child else { continue };
            for (index, (key, value)) in leaf.entries.iter().cloned().enumerate() {
                // A leaf of at most MERGE entries has a tag for each.
                whole.push(leaf.tags[index], key, value);
            }
        }
        Some(if entries == 0 { Child::Empty } else { Child::Leaf(Arc::new(whole)) })
    }
}

impl<K: Key, V> Leaf<K, V> {
    fn position(&self, tag: u8, key: &[u8]) -> Option<usize> {
        let tagged = self.tags.iter().take(self.entries.len()).enumerate();
        let with_tag = tagged.filter(|(_, own)| **own == tag).map(|(index, _)| index);
        let mut candidates = with_tag.chain(LEAF..self.entries.len());
        candidates.find(|index| self.entries[*index].0.bytes() == key)
    }

    fn push(&mut self, tag: u8, key: K, value: V) {
        if let Some(own) = self.tags.get_mut(self.entries.len()) {
            *own = tag;
        }
        // Doubling would leave a third of a large table empty.
        self.entries.reserve_exact(1);
        self.entries.push((key, value));
    }
}

impl<K: Key, V> Leaf<K, V> {
    fn swap_remove(&mut self, hasher: &RandomState, index: usize) -> (K, V) {
        let last = self.entries.len() - 1;
        let moved = match self.tags.get(last) {
            Some(tag) => *tag,
            None => tag(hasher.hash_one(self.entries[last].0.bytes())),
        };
        if let Some(tag) = self.tags.get_mut(index) {
            *tag = moved;
        }
        self.entries.swap_remove(index)
    }
}

impl<K, V> Clone for Child<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Branch(branch) => Self::Branch(Arc::clone(branch)),
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
        }
    }
}

impl<K: Clone, V: Clone> Clone for Leaf<K, V> {
    fn clone(&self) -> Self {
        // Room for one more: most copies are made to add one.
        let mut entries = Vec::with_capacity(self.entries.len() + 1);
        entries.extend(self.entries.iter().cloned());
        Self { tags: self.tags, entries }
    }
}

#[cfg(test)]
mod tests;
