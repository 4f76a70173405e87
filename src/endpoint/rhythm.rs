//! When the next probe is due.
//!
//! Probers that begin together (at the start, at a reload) must not go on
//! together: a thousand probes in the same moment are a load of their own, and
//! an app whose replicas are all busy answering them looks ill in all of them
//! at once. So the first probe comes soon, the second anywhere in the first
//! interval, which spreads the phases over the whole of it at once; and every
//! later step is drawn anew, up to a tenth longer or shorter, so that phases
//! that happen to meet drift apart again.

use std::time::Duration;

/// The first probe comes within this, or within an interval that is shorter.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// The steps of one prober, drawn from random numbers that are passed in.
#[derive(Clone, Debug)]
pub struct Rhythm {
    interval: Duration,
    drawn: u8,
}

impl Rhythm {
    /// For probes `interval` apart.
    pub fn new(interval: Duration) -> Self {
        Self { interval, drawn: 0 }
    }

    /// From the start of the last probe (of the prober, for the first) to the
    /// start of the next. `random` is a fresh draw.
    pub fn next_step(&mut self, random: u64) -> Duration {
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let step = match self.drawn {
            0 => self.interval.min(FIRST_WITHIN).mul_f64(share),
            1 => self.interval.mul_f64(0.1 + 0.9 * share),
            _ => self.interval.mul_f64(0.9 + 0.2 * share),
        };
        self.drawn = self.drawn.saturating_add(1);
        step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROBERS: usize = 1_000;
    const INTERVAL_MS: u64 = 10_000;

    /// When each of many probers that begin together probes, in ms.
    fn probes(until_ms: u64) -> Vec<Vec<u64>> {
        let mut random = fastrand::Rng::with_seed(7);
        let prober = |_| {
            let mut rhythm = Rhythm::new(Duration::from_millis(INTERVAL_MS));
            let mut at = 0;
            let next = || {
                at += rhythm.next_step(random.u64(..)).as_millis() as u64;
                (at < until_ms).then_some(at)
            };
            std::iter::from_fn(next).collect()
        };
        (0..PROBERS).map(prober).collect()
    }

    #[test]
    fn probers_that_begin_together_are_spread_over_the_interval_at_once() {
        let probes = probes(20 * INTERVAL_MS);
        // From the second round on no tenth of a second has more than three
        // times its share, the first interval included.
        let mut windows = vec![0_usize; (20 * INTERVAL_MS / 100) as usize];
        probes.iter().flatten().for_each(|at| windows[(at / 100) as usize] += 1);
        let share = PROBERS / 100;
        let most = windows[20..].iter().max().unwrap();
        assert!(*most <= 3 * share, "{most} probes in a tenth of a second");
    }

    #[test]
    fn two_probers_that_meet_do_not_go_on_together() {
        let probes = probes(100 * INTERVAL_MS);
        for pair in probes.chunks(2) {
            let met = |at: &&u64| pair[1].iter().any(|other| other.abs_diff(**at) < 50);
            let together = pair[0].iter().filter(met).count();
            assert!(together < pair[0].len() / 5, "{together} of {}", pair[0].len());
        }
    }

    proptest! {
        #[test]
        fn the_first_probe_comes_soon_and_the_rest_about_an_interval_apart(
            interval_ms in 10u64..1_000_000,
            draws in proptest::collection::vec(any::<u64>(), 3..50),
        ) {
            let interval = Duration::from_millis(interval_ms);
            let mut rhythm = Rhythm::new(interval);
            let steps: Vec<_> = draws.into_iter().map(|random| rhythm.next_step(random)).collect();
            prop_assert!(steps[0] <= FIRST_WITHIN.min(interval));
            prop_assert!(steps[1] >= interval / 11 && steps[1] <= interval);
            for step in &steps[2..] {
                prop_assert!(*step >= interval.mul_f64(0.89) && *step <= interval.mul_f64(1.11));
            }
        }
    }
}
