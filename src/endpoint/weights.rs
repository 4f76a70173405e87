//! Shares of a set of endpoints, as points on a line.
//!
//! An endpoint of weight `w` owns `w` consecutive points; where all weights are
//! equal each owns one and nothing is stored.

/// The weights of a set, in its order.
#[derive(Debug)]
pub(super) struct Weights {
    count: usize,
    /// The first point after each endpoint's own; empty if all are equal.
    ends: Box<[u64]>,
}

impl Weights {
    /// Weights of 0 count as 1: an endpoint in a set is there to be used.
    pub(super) fn new(weights: impl ExactSizeIterator<Item = u16> + Clone) -> Self {
        let count = weights.len();
        let divisor = weights.clone().map(|w| u64::from(w.max(1))).fold(0, greatest_common_divisor);
        let mut end = 0;
        let ends: Box<[u64]> = weights
            .map(|w| {
                end += u64::from(w.max(1)) / divisor;
                end
            })
            .collect();
        let all_equal = end == count as u64;
        Self { count, ends: if all_equal { Box::default() } else { ends } }
    }

    /// The number of endpoints.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The number of points.
    pub(super) fn points(&self) -> u64 {
        self.ends.last().copied().unwrap_or(self.count as u64)
    }

    /// Whether every endpoint has the same share.
    pub(super) fn all_equal(&self) -> bool {
        self.ends.is_empty()
    }

    /// The endpoint that owns a point below [`points`](Self::points).
    pub(super) fn owner(&self, point: u64) -> usize {
        if self.all_equal() {
            // Below the count, which is a usize.
            point as usize
        } else {
            self.ends.partition_point(|end| *end <= point)
        }
    }

    /// The weight of an endpoint, reduced by what all have in common.
    pub(super) fn of(&self, index: usize) -> u64 {
        match self.ends.get(index) {
            None => 1,
            Some(end) if index == 0 => *end,
            Some(end) => end - self.ends[index - 1],
        }
    }
}

pub(super) fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_are_one_point_each() {
        let weights = Weights::new([7u16, 7, 7].into_iter());
        assert!(weights.all_equal());
        assert_eq!(weights.points(), 3);
        assert_eq!([0, 1, 2].map(|point| weights.owner(point)), [0, 1, 2]);
        assert_eq!(weights.of(2), 1);
    }

    #[test]
    fn an_endpoint_owns_as_many_points_as_its_reduced_weight() {
        let weights = Weights::new([4u16, 0, 2].into_iter());
        assert_eq!(weights.points(), 7);
        let owners: Vec<_> = (0..7).map(|point| weights.owner(point)).collect();
        assert_eq!(owners, [0, 0, 0, 0, 1, 2, 2]);
        assert_eq!([0, 1, 2].map(|index| weights.of(index)), [4, 1, 2]);
        let reduced = Weights::new([200u16, 100].into_iter());
        assert_eq!((reduced.points(), reduced.of(0), reduced.of(1)), (3, 2, 1));
    }
}
