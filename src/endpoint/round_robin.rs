//! Each endpoint in turn, by weight.
//!
//! Every worker walks the set on its own, from a start of its own, so that
//! workers neither share a cache line nor walk in step. With equal weights the
//! walk is the set's order. With weights it steps by a number that is coprime to
//! the number of points and near their golden section: a walk over all points
//! visits each once, so shares are exact over a round, and consecutive steps fall
//! far apart (the three-distance theorem), so a heavy endpoint's turns are spread
//! out. That needs no schedule in memory, whatever the weights.
//!
//! Endpoints that may not be chosen are walked past, not replaced by their
//! neighbour, or the neighbour would carry two shares.

use crate::endpoint::weights::{Weights, greatest_common_divisor};

/// How many steps for each endpoint a choice may walk: a round of a weighted set
/// can be 256 times as long as the set.
const MOST_STEPS: u64 = 4;

/// One worker's walk over a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    stride: u64,
    /// Where it has come to; always below the number of points.
    point: u64,
}

impl Walk {
    /// A walk of one of so many workers. `random` places its start, so that
    /// tables swapped in turn do not all begin with the same endpoint.
    pub(super) fn new(weights: &Weights, worker: usize, workers: usize, random: u64) -> Self {
        let points = weights.points().max(1);
        let (worker, workers) = (worker as u64, workers.max(1) as u64);
        let point = (random % points + worker % workers * points / workers) % points;
        Self { stride: stride(weights), point }
    }

    /// A walk that has come to `point`, over the weights whose stride this is.
    pub(super) fn at(point: u64, stride: u64) -> Self {
        Self { stride, point }
    }

    /// The same walk over other points: it goes on, it does not begin again.
    pub(super) fn over(self, weights: &Weights) -> Self {
        Self { stride: stride(weights), point: self.point % weights.points().max(1) }
    }

    /// Where it has come to.
    pub(super) fn point(&self) -> u64 {
        self.point
    }

    /// By how many points it steps on.
    pub(super) fn stride(&self) -> u64 {
        self.stride
    }

    /// The next endpoint that `may_be_chosen`.
    pub(super) fn choose(
        &mut self,
        weights: &Weights,
        may_be_chosen: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let points = weights.points();
        for _ in 0..points.min(MOST_STEPS * weights.count() as u64) {
            let index = weights.owner(self.point);
            // The stride is below the number of points, or there is but one.
            let next = self.point + self.stride;
            self.point = if next >= points { next - points } else { next };
            if may_be_chosen(index) {
                return Some(index);
            }
        }
        if points == 0 {
            return None;
        }
        // Few light ones are left among heavy ones: look at each endpoint once.
        let start = weights.owner(self.point);
        (start..weights.count()).chain(0..start).find(|index| may_be_chosen(*index))
    }
}

fn stride(weights: &Weights) -> u64 {
    if weights.all_equal() { 1 } else { golden_stride(weights.points()) }
}

/// The number nearest above the golden section of `points` that shares no divisor
/// with it. There is one: `points - 1`, at the latest, or 1.
fn golden_stride(points: u64) -> u64 {
    let section = (points * 618 / 1000).max(1);
    (section..points).find(|n| greatest_common_divisor(*n, points) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(weights: &[u16], worker: usize, random: u64, count: usize) -> Vec<usize> {
        let weights = Weights::new(weights.iter().copied());
        let mut walk = Walk::new(&weights, worker, 4, random);
        (0..count).map(|_| walk.choose(&weights, |_| true).unwrap()).collect()
    }

    #[test]
    fn two_endpoints_strictly_alternate_whatever_the_start() {
        for random in 0..4 {
            for worker in 0..4 {
                let got = chosen(&[1, 1], worker, random, 100);
                assert!(got.windows(2).all(|pair| pair[0] != pair[1]), "{got:?}");
            }
        }
    }

    #[test]
    fn workers_start_apart() {
        let weights = Weights::new([1u16; 8].into_iter());
        let start = |worker| Walk::new(&weights, worker, 4, 77).choose(&weights, |_| true).unwrap();
        assert_eq!([0, 1, 2, 3].map(start), [5, 7, 1, 3], "a quarter of the set apart");
        assert_eq!(start(6), 1, "a worker beyond the count starts where another does");
    }

    #[test]
    fn the_stride_is_the_next_above_the_golden_section_that_meets_every_point() {
        let strides = [1, 2, 3, 7, 40, 512, 513].map(golden_stride);
        assert_eq!(strides, [1, 1, 1, 4, 27, 317, 317]);
    }

    #[test]
    fn a_round_gives_each_its_weight_exactly() {
        for weights in [&[5u16, 1, 1][..], &[2, 1], &[256, 255, 1], &[3, 3, 2], &[1, 100]] {
            let points = weights.iter().map(|w| usize::from(*w)).sum();
            let got = chosen(weights, 1, 12345, points);
            for (index, weight) in weights.iter().enumerate() {
                let share = got.iter().filter(|chosen| **chosen == index).count();
                assert_eq!(share, usize::from(*weight), "{weights:?}");
            }
        }
    }

    #[test]
    fn the_turns_of_a_light_endpoint_are_spread_over_the_round() {
        // 11 turns in a round of 41: never more than 4 turns of others between.
        let got = chosen(&[30, 11], 0, 0, 82);
        let light: Vec<_> = (0..82).filter(|at| got[*at] == 1).collect();
        assert!(light.windows(2).all(|pair| pair[1] - pair[0] <= 5), "{light:?}");
    }

    #[test]
    fn an_endpoint_that_may_not_be_chosen_does_not_double_its_neighbours_share() {
        let weights = Weights::new([1u16; 4].into_iter());
        let mut walk = Walk::new(&weights, 0, 1, 0);
        let mut shares = [0; 4];
        for _ in 0..300 {
            let index = walk.choose(&weights, |index| index != 2).unwrap();
            shares[index] += 1;
        }
        assert_eq!(shares, [100, 100, 0, 100]);
    }

    #[test]
    fn the_lightest_is_found_among_heavy_ones_that_may_not_be_chosen() {
        let weights = Weights::new([1u16, 255, 256, 256].into_iter());
        for random in 0..768 {
            let index = Walk::new(&weights, 0, 1, random).choose(&weights, |index| index == 0);
            assert_eq!(index, Some(0));
        }
    }

    #[test]
    fn a_choice_among_the_closed_looks_a_bounded_number_of_times() {
        let weights = Weights::new([1u16, 255, 256, 256].into_iter());
        let looks = std::cell::RefCell::new(Vec::new());
        let closed = |index| {
            looks.borrow_mut().push(index);
            false
        };
        assert_eq!(Walk::new(&weights, 0, 1, 5).choose(&weights, closed), None);
        let looks = looks.into_inner();
        assert_eq!(looks.len(), 4 * 4 + 4);
        // First as the walk goes, then each once, from where it has come to.
        let mut open = Walk::new(&weights, 0, 1, 5);
        let walk: Vec<_> = (0..17).map(|_| open.choose(&weights, |_| true).unwrap()).collect();
        assert_eq!(looks[..17], walk);
        let mut last = looks[16..].to_vec();
        last.sort_unstable();
        assert_eq!(last, [0, 1, 2, 3]);
    }

    #[test]
    fn where_none_may_be_chosen_none_is() {
        let weights = Weights::new([3u16, 2].into_iter());
        assert_eq!(Walk::new(&weights, 0, 1, 0).choose(&weights, |_| false), None);
        let none = Weights::new([0u16; 0].into_iter());
        assert_eq!(Walk::new(&none, 0, 1, 7).choose(&none, |_| true), None);
    }

    #[test]
    fn a_walk_over_other_points_goes_on() {
        let (five, three) =
            (Weights::new([1u16; 5].into_iter()), Weights::new([1u16; 3].into_iter()));
        let walk = Walk::new(&five, 0, 1, 4);
        assert_eq!(walk.over(&three).choose(&three, |_| true), Some(1));
        assert_eq!(walk.over(&five).choose(&five, |_| true), Some(4));
    }
}
