//! From single probes to up or down.
//!
//! An endpoint nobody has probed yet counts as up: a router that has just
//! started, or an app that has just been added, would otherwise refuse traffic
//! it could serve (HAProxy and nginx begin so too; Envoy does not). Its first
//! probe decides alone, since there is nothing it could speak against; from
//! then on `fall` failures in a row take it out, and `rise` passes in a row
//! bring it back.

/// What probes have shown of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not probed yet; counts as up.
    Unproven,
    /// It passed.
    Up,
    /// It failed.
    Down,
}

/// Counts probes that contradict the standing.
#[derive(Clone, Debug)]
pub struct RiseFall {
    rise: u32,
    fall: u32,
    standing: Standing,
    /// Results in a row that speak against `standing`.
    against: u32,
}

impl RiseFall {
    /// Begins with what was known; thresholds of 0 count as 1.
    pub fn new(rise: u32, fall: u32, standing: Standing) -> Self {
        Self { rise: rise.max(1), fall: fall.max(1), standing, against: 0 }
    }

    /// Takes one result; the new standing if it has changed.
    pub fn observe(&mut self, passed: bool) -> Option<Standing> {
        let (shown, needed) = match (self.standing, passed) {
            (Standing::Unproven, true) => (Standing::Up, 1),
            (Standing::Unproven, false) => (Standing::Down, 1),
            (Standing::Up, false) => (Standing::Down, self.fall),
            (Standing::Down, true) => (Standing::Up, self.rise),
            (Standing::Up, true) | (Standing::Down, false) => {
                self.against = 0;
                return None;
            }
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.standing = shown;
        Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn after(rise: u32, fall: u32, results: &[bool]) -> Standing {
        let mut counts = RiseFall::new(rise, fall, Standing::Unproven);
        for passed in results {
            counts.observe(*passed);
        }
        counts.standing
    }

    #[test]
    fn the_first_probe_decides_alone() {
        assert_eq!(after(5, 5, &[]), Standing::Unproven);
        assert_eq!(after(5, 5, &[true]), Standing::Up);
        assert_eq!(after(5, 5, &[false]), Standing::Down);
    }

    #[test]
    fn only_results_in_a_row_count() {
        assert_eq!(after(2, 3, &[true, false, false, true, false, false]), Standing::Up);
        assert_eq!(after(2, 3, &[true, false, false, false]), Standing::Down);
        assert_eq!(after(2, 3, &[false, true, false, true]), Standing::Down);
        assert_eq!(after(2, 3, &[false, true, true]), Standing::Up);
    }

    proptest! {
        /// After a first result the standing is what the last run of `rise`
        /// passes or `fall` failures said, whatever came before and since.
        #[test]
        fn the_last_long_enough_run_decides(
            rise in 1u32..5,
            fall in 1u32..5,
            results in vec(any::<bool>(), 1..200),
        ) {
            let mut expected = results[0];
            let mut run = 0;
            for (at, passed) in results.iter().enumerate() {
                run = if at > 0 && results[at - 1] == *passed { run + 1 } else { 1 };
                if run >= if *passed { rise } else { fall } {
                    expected = *passed;
                }
            }
            let expected = if expected { Standing::Up } else { Standing::Down };
            prop_assert_eq!(after(rise, fall, &results), expected);
        }

        /// A change is told exactly when there is one.
        #[test]
        fn every_change_is_told_once(
            rise in 0u32..4,
            fall in 0u32..4,
            results in vec(any::<bool>(), 0..100),
        ) {
            let mut counts = RiseFall::new(rise, fall, Standing::Unproven);
            let mut told = Standing::Unproven;
            for passed in results {
                if let Some(standing) = counts.observe(passed) {
                    prop_assert_ne!(standing, told);
                    told = standing;
                }
                prop_assert_eq!(counts.standing, told);
            }
        }
    }
}
