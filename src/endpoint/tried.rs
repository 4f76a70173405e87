//! The endpoints one request has failed on.

/// Indices of a request's endpoint set that it has tried.
///
/// A request keeps its snapshot, so an index means the same endpoint throughout.
/// It is empty, and without memory of its own, for every request whose first
/// attempt succeeds; after that it is no longer than the number of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    indices: Vec<usize>,
}

impl Tried {
    /// None tried yet.
    pub const fn new() -> Self {
        Self { indices: Vec::new() }
    }

    /// Notes an endpoint; once is enough.
    pub fn insert(&mut self, index: usize) {
        if !self.contains(index) {
            self.indices.push(index);
        }
    }

    /// Whether this endpoint was tried.
    pub fn contains(&self, index: usize) -> bool {
        self.indices.contains(&index)
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether none was tried.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.indices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_tried_twice_counts_once() {
        let mut tried = Tried::new();
        assert!(tried.is_empty());
        tried.insert(3);
        assert!(!tried.is_empty());
        tried.insert(3);
        tried.insert(0);
        assert_eq!(tried.len(), 2);
        assert!(tried.contains(3) && tried.contains(0) && !tried.contains(1));
        tried.clear();
        assert!(tried.is_empty());
    }
}
