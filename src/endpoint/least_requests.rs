//! The less loaded of two drawn at random.
//!
//! Two, because the least of all makes every worker run to the same endpoint
//! between two looks at each other's counts, and because it costs the same
//! however many there are (Mitzenmacher, "The Power of Two Choices in Randomized
//! Load Balancing"). Draws go by weight and loads are compared by weight, so
//! shares are right when idle and when busy.
//!
//! Counts alone show a slow endpoint only where there is a queue for everyone.
//! With ten endpoints, one of them twenty times as slow, and fewer than some
//! fifty requests in flight, it would get 1 to 8 % of them, and the slowest
//! hundredth of the answers would be its. So who is slow beside the other
//! drawn (see [`pace`](super::pace)) is taken only if the other has a few requests
//! more: not fewer, so that a slow endpoint still serves when all are busy, and
//! what is misjudged costs a few places and no more.

use crate::endpoint::in_flight::Load;
use crate::endpoint::weights::Weights;

/// Requests that the other has in flight, for its weight, before who is slow
/// beside it is taken.
const SLOW_COUNTS_AS: u64 = 3;

/// Draws before looking at one after another: enough that in a healthy set
/// nobody looks.
const DRAWS: usize = 4;

/// Draws two different endpoints that `may_be_chosen` and takes the one whose
/// `load` is less for its weight; the first drawn if they are even.
pub(super) fn choose(
    weights: &Weights,
    random: u64,
    may_be_chosen: impl Fn(usize) -> bool,
    load: impl Fn(usize) -> Load,
) -> Option<usize> {
    let mut lots = Lots(random);
    let first = draw(weights, &mut lots, &may_be_chosen)?;
    let second = draw(weights, &mut lots, |index| index != first && may_be_chosen(index));
    let Some(second) = second else { return Some(first) };
    let (first_load, second_load) = (load(first), load(second));
    let (first_weight, second_weight) = (weights.of(first), weights.of(second));
    let requests = |load: Load, weight: u64, other: Load| {
        let slow = load.level.is_slow_beside(other.level);
        u128::from(load.requests) + u128::from(if slow { SLOW_COUNTS_AS * weight } else { 0 })
    };
    let first_load_for_weight =
        requests(first_load, first_weight, second_load) * u128::from(second_weight);
    let second_load_for_weight =
        requests(second_load, second_weight, first_load) * u128::from(first_weight);
    Some(if second_load_for_weight < first_load_for_weight { second } else { first })
}

fn draw(
    weights: &Weights,
    lots: &mut Lots,
    may_be_chosen: impl Fn(usize) -> bool,
) -> Option<usize> {
    for _ in 0..DRAWS {
        let index = weights.owner(lots.below(weights.points()));
        if may_be_chosen(index) {
            return Some(index);
        }
    }
    // From a random place on, lest one endpoint get what all others refuse.
    let start = lots.below(weights.count() as u64) as usize;
    (start..weights.count()).chain(0..start).find(|index| may_be_chosen(*index))
}

/// Numbers spun from one random seed (SplitMix64).
struct Lots(u64);

impl Lots {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The high half of the product is even over the bound, without division.
        ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::pace::Pace;

    fn shares(weights: &[u16], loads: &[u64], closed: &[usize]) -> Vec<u32> {
        let shared = Weights::new(weights.iter().copied());
        let mut shares = vec![0; weights.len()];
        for random in 0..10_000 {
            let may = |index: usize| !closed.contains(&index);
            let load = |i: usize| Load { requests: loads[i], ..Load::default() };
            let index = choose(&shared, random, may, load).unwrap();
            shares[index] += 1;
        }
        shares
    }

    #[track_caller]
    fn assert_near(share: u32, want: u32) {
        assert!(share.abs_diff(want) < 300, "{share} is not near {want}");
    }

    #[test]
    fn of_two_endpoints_the_less_loaded_is_always_chosen() {
        assert_eq!(shares(&[1, 1], &[5, 4], &[]), [0, 10_000]);
        assert_eq!(shares(&[256, 1], &[257, 1], &[]), [0, 10_000]);
    }

    #[test]
    fn the_most_loaded_of_many_is_never_chosen() {
        let shares = shares(&[1, 1, 1, 1], &[0, 9, 0, 0], &[]);
        assert_eq!(shares[1], 0);
        assert_near(shares[0], 3_333);
    }

    #[test]
    fn idle_endpoints_are_chosen_by_weight() {
        let shares = shares(&[3, 1], &[0, 0], &[]);
        assert_near(shares[0], 7_500);
    }

    #[test]
    fn a_load_counts_by_weight() {
        assert_eq!(shares(&[2, 1], &[3, 2], &[]), [10_000, 0]);
        assert_eq!(shares(&[2, 1], &[5, 2], &[]), [0, 10_000]);
    }

    #[test]
    fn the_only_one_open_among_many_is_found() {
        let closed: Vec<_> = (0..20).filter(|index| *index != 12).collect();
        let got = shares(&[1; 20], &[7; 20], &closed);
        assert_eq!(got[12], 10_000);
    }

    #[test]
    fn where_none_may_be_chosen_none_is() {
        let weights = Weights::new([1u16, 1].into_iter());
        assert_eq!(choose(&weights, 1, |_| false, |_| Load::default()), None);
    }

    #[test]
    fn who_is_slow_beside_the_other_is_chosen_when_that_has_more_than_three_for_its_weight() {
        let level = |took_us| Pace::default().after(0, took_us).level(0, 0);
        let chosen = |weights: [u16; 2], others: u64| {
            let shared = Weights::new(weights.into_iter());
            let load = |i: usize| match i {
                0 => Load { requests: 0, level: level(200_000) },
                _ => Load { requests: others, level: level(10_000) },
            };
            let slow = |random| choose(&shared, random, |_| true, load) == Some(0);
            (0..100).all(slow).then_some("slow").or((0..100).all(|r| !slow(r)).then_some("fast"))
        };
        assert_eq!([0, 1, 2].map(|others| chosen([1, 1], others)), [Some("fast"); 3]);
        assert_eq!((chosen([1, 1], 3), chosen([1, 1], 4)), (None, Some("slow")), "even, and less");
        assert_eq!((chosen([1, 2], 5), chosen([1, 2], 7)), (Some("fast"), Some("slow")));
        assert_eq!((chosen([2, 1], 2), chosen([2, 1], 4)), (Some("fast"), Some("slow")));
    }

    #[test]
    fn lots_are_spun_as_splitmix64_spins_them() {
        // The reference generator's first numbers for the seed 0.
        let numbers = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        let mut lots = Lots(0);
        // The greatest bound takes one from each.
        assert_eq!(numbers.map(|_| lots.below(u64::MAX) + 1), numbers);
    }
}
