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
//! A lookup reads the branches, few enough to stay in the cache, and then the
//! entry, which is where its hash says (`leaf`): at a million keys that is one
//! read of memory. A key that is not there costs about the same. The hash is
//! the standard library's keyed SipHash; see `table` for why.

mod leaf;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use leaf::Leaf;

/// Entries of a leaf, beyond which it becomes a branch.
const LEAF: usize = 32;
/// Entries of a branch, at and below which it becomes a leaf again.
const MERGE: usize = 8;
const BITS: u32 = 4;
const WAYS: usize = 1 << BITS;
/// Behind so many bits there is no further branch: keys whose hashes agree in
/// all of them share a leaf, however many they are.
const HASH_BITS: u32 = u64::BITS;

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
    line: u32,
}

#[derive(Debug)]
enum Child<K, V> {
    Empty,
    Branch(Arc<Branch<K, V>>),
    Leaf(Leaf<K, V>),
}

#[derive(Clone, Debug)]
struct Branch<K, V>([Child<K, V>; WAYS]);

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
        let (line, value) = self.root.leaf(hash)?.find(hash, key)?;
        Some((Slot { hash, line: u32::try_from(line).ok()? }, value))
    }

    /// The value in a slot of this version.
    pub(super) fn at(&self, slot: Slot) -> Option<&V> {
        self.root.leaf(slot.hash)?.at(slot.line as usize)
    }

    /// Every entry, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut waiting = vec![&self.root];
        let leaves = std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Child::Empty => {}
                    Child::Branch(branch) => waiting.extend(&branch.0),
                    Child::Leaf(leaf) => return Some(leaf.entries()),
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
            let values = leaf.entries().map(|(_, value)| value.clone());
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
                Child::Leaf(leaf) => return leaf.get_mut(hash, key),
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
                *self = Self::Leaf(Leaf::of(hasher, 1, std::iter::once((key, value))));
                None
            }
            Self::Branch(branch) => {
                let child = &mut Arc::make_mut(branch).0[way(hash, shift)];
                child.insert(hasher, hash, shift + BITS, key, value)
            }
            Self::Leaf(leaf) => {
                if leaf.find(hash, key.bytes()).is_some() {
                    let own = leaf.get_mut(hash, key.bytes())?;
                    return Some(std::mem::replace(own, value));
                }
                if leaf.len() < LEAF || shift >= HASH_BITS {
                    leaf.add(hasher, (key, value));
                    return None;
                }
                let mut branch = Branch(std::array::from_fn(|_| Self::Empty));
                for (key, value) in leaf.entries().cloned() {
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
                    && let Some(merged) = branch.merged(hasher)
                {
                    *self = merged;
                }
                removed
            }
            Self::Leaf(leaf) => {
                leaf.find(hash, key)?;
                if leaf.len() == 1 {
                    let last = leaf.entries().next().cloned();
                    *self = Self::Empty;
                    return last;
                }
                leaf.remove(hasher, hash, key)
            }
        }
    }
}

impl<K: Key, V: Clone> Branch<K, V> {
    /// What stands in the place of a branch that has little left.
    fn merged(&self, hasher: &RandomState) -> Option<Child<K, V>> {
        let mut count = 0;
        for child in &self.0 {
            match child {
                Child::Empty => {}
                Child::Leaf(leaf) => count += leaf.len(),
                Child::Branch(_) => return None,
            }
        }
        if count > MERGE {
            return None;
        }
        let leaves = self.0.iter().filter_map(|child| match child {
            Child::Leaf(leaf) => Some(leaf),
            _ => None,
        });
        let entries = leaves.flat_map(|leaf| leaf.entries().cloned());
        Some(if count == 0 { Child::Empty } else { Child::Leaf(Leaf::of(hasher, count, entries)) })
    }
}

impl<K, V> Clone for Child<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Branch(branch) => Self::Branch(Arc::clone(branch)),
            Self::Leaf(leaf) => Self::Leaf(leaf.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
