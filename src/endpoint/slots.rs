//! Whose a key is: weighted rendezvous hashing over a fixed number of slots.
//!
//! A key falls into one of 65,536 slots. For each slot every endpoint draws a
//! number from its own address and the slot's, and the best by weight owns it
//! (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates";
//! weights as by Schindelhauer and Schomaker, "Weighted Distributed Hash
//! Tables"). So an endpoint that leaves gives away its own slots and nothing
//! else moves, one that comes takes its share from all, and two routers with the
//! same addresses agree without a word. A ring with points for each endpoint
//! would need thousands of points per weight to be as even, and moves keys
//! between others as soon as points are thinned out to save memory.
//!
//! A slot's owner is worked out when the slot is first asked for, and kept: the
//! table costs 128 KiB once a route has traffic, and nothing before.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::endpoint::key;

/// Fixed for ever: another number moves nearly every key.
const SLOTS: usize = 1 << 16;

/// The owners of all slots.
#[derive(Debug)]
pub(super) struct Slots {
    draws: Box<[Draw]>,
    /// The owner's place in `draws`, plus 1; 0 where nobody asked yet. Workers
    /// that fill a slot at the same time write the same.
    owners: OnceLock<Box<[AtomicU16]>>,
}

/// What one endpoint takes part with.
#[derive(Debug)]
struct Draw {
    index: usize,
    number: u64,
    weight: f64,
}

impl Slots {
    /// Endpoints as their index in the set, the number of their address, and
    /// their weight.
    pub(super) fn new(endpoints: impl Iterator<Item = (usize, u64, u16)>) -> Self {
        let draws = endpoints.map(|(index, number, weight)| Draw {
            index,
            number,
            weight: f64::from(weight.max(1)),
        });
        Self { draws: draws.collect(), owners: OnceLock::new() }
    }

    /// The endpoint that owns the key, for `turn` 0; for further turns those the
    /// key would go to next, each by weight, some more than once. `None` if
    /// there are no endpoints.
    pub(super) fn owner(&self, key: u64, turn: u64) -> Option<usize> {
        let key = if turn == 0 { key } else { key::pair(key, turn) };
        let slot = (key >> 48) as usize;
        let owners = self
            .owners
            .get_or_init(|| std::iter::repeat_with(|| AtomicU16::new(0)).take(SLOTS).collect());
        let kept = usize::from(owners[slot].load(Relaxed));
        if kept > 0 {
            return self.draws.get(kept - 1).map(|draw| draw.index);
        }
        let (place, best) = self.best(slot as u64)?;
        // Beyond 65,535 endpoints the last are worked out each time.
        if let Ok(kept) = u16::try_from(place + 1) {
            owners[slot].store(kept, Relaxed);
        }
        Some(best.index)
    }

    fn best(&self, slot: u64) -> Option<(usize, &Draw)> {
        let slot = key::spin(slot);
        let cost = |draw: &Draw| exponential(key::pair(draw.number, slot)) / draw.weight;
        let costs = self.draws.iter().enumerate().map(|(place, draw)| (cost(draw), place, draw));
        // Ties go by address, not by the order of the configuration.
        let best = costs.min_by(|a, b| a.0.total_cmp(&b.0).then(a.2.number.cmp(&b.2.number)))?;
        Some((best.1, best.2))
    }
}

/// A number as a draw from the exponential distribution: the negative logarithm
/// of a fraction. Worked out with the four operations, which are the same on
/// every machine; a system's logarithm need not be in its last bit.
fn exponential(number: u64) -> f64 {
    // 53 bits, so that the fraction is exact and never 0.
    let whole = (number >> 11) | 1;
    let bits = 63 - whole.leading_zeros();
    let mantissa = whole as f64 / (1u64 << bits) as f64;
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * square + 1.0 / odd;
    }
    f64::from(53 - bits) * std::f64::consts::LN_2 - 2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    type Endpoint = (u64, u16);

    fn owners(endpoints: &[Endpoint], keys: u64) -> Vec<u64> {
        let drawn = endpoints.iter().enumerate().map(|(i, (number, weight))| (i, *number, *weight));
        let slots = Slots::new(drawn);
        (0..keys).map(|k| endpoints[slots.owner(key::spin(k), 0).unwrap()].0).collect()
    }

    fn endpoints(weights: &[u16]) -> Vec<Endpoint> {
        let address = |port| key::of_address(([10, 0, 0, 1], port).into());
        weights.iter().zip(1..).map(|(weight, port)| (address(port), *weight)).collect()
    }

    #[test]
    fn the_logarithm_is_right() {
        for number in [0, 1 << 11, 1 << 40, 12_345_678_901_234_567, u64::MAX / 2, u64::MAX] {
            let fraction = ((number >> 11) | 1) as f64 / (1u64 << 53) as f64;
            assert!((exponential(number) + fraction.ln()).abs() < 1e-10, "{number}");
            assert!(exponential(number) > 0.0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn shares_go_by_weight(weights in prop::collection::vec(1u16..=8, 2..12)) {
            let endpoints = endpoints(&weights);
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            let owners = owners(&endpoints, 40_000);
            for (number, weight) in &endpoints {
                let got = owners.iter().filter(|owner| *owner == number).count() as f64;
                let want = 40_000.0 * f64::from(*weight) / total;
                prop_assert!((got - want).abs() < 0.15 * want + 60.0, "{got} is not near {want}");
            }
        }

        #[test]
        fn who_leaves_gives_away_its_own_and_nothing_else_moves(
            weights in prop::collection::vec(1u16..=256, 2..20),
            leaver in any::<prop::sample::Index>(),
            turn in any::<u64>(),
        ) {
            let before = endpoints(&weights);
            let mut after = before.clone();
            let left = after.remove(leaver.index(before.len())).0;
            // Nor does it matter in what order they are written.
            let by = turn as usize % after.len();
            after.rotate_left(by);
            let moved = owners(&before, 2_000).into_iter().zip(owners(&after, 2_000));
            for (was, is) in moved {
                prop_assert!(was == is || was == left);
                prop_assert!(is != left);
            }
        }
    }

    #[test]
    fn the_owner_of_a_key_is_the_same_in_every_build() {
        // Pinned: if this fails, an upgrade would move every user.
        let endpoints = endpoints(&[1, 2, 3, 4]);
        let slots = Slots::new(endpoints.iter().enumerate().map(|(i, e)| (i, e.0, e.1)));
        let got: String = (0..24)
            .map(|user| slots.owner(key::of_bytes(format!("user-{user}").as_bytes()), 0))
            .map(|owner| owner.unwrap().to_string())
            .collect();
        assert_eq!(got, "222032333233220232333220");
    }

    #[test]
    fn further_turns_lead_to_the_others() {
        let slots =
            Slots::new(endpoints(&[1; 4]).into_iter().zip(0..).map(|((n, w), i)| (i, n, w)));
        let mut seen = [false; 4];
        (0..64).for_each(|turn| seen[slots.owner(7, turn).unwrap()] = true);
        assert_eq!(seen, [true; 4]);
        assert_eq!(Slots::new(std::iter::empty()).owner(7, 0), None);
    }
}
