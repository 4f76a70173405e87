//! How long an endpoint takes to answer, roughly and of late.
//!
//! Requests in flight tell a slow endpoint only where there are many: with few,
//! every endpoint has none most of the time, and a slow one is drawn as often as
//! the others. So a worker also remembers how long answers took. It is enough to
//! know that to within a factor of four, and what is remembered must not be the
//! work of one odd request: so it is a running median, in steps of half an
//! octave. The first answer is taken as it is, and what nothing has confirmed
//! for a while is forgotten, so that an endpoint that was slow is asked again.

/// After so long without an answer nothing is known any more, in milliseconds:
/// with ten requests a second the one that finds out again is one of hundreds.
const FORGET_MS: u64 = 30_000;
/// Steps between the levels of two endpoints, from which on one is slow beside
/// the other: two octaves, about four times as long.
const APART: u8 = 4;
/// Below this (8 ms) no endpoint is slow: there chance is all there is to see.
const SLOW_FROM: u8 = 27;

/// What is known of it; 0 is nothing. The level, from 1, in the lowest 8 bits,
/// above them when it was last confirmed, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pace(u64);

/// How long answers take, in half octaves of microseconds; 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level(u8);

impl Pace {
    /// As it was kept.
    pub(crate) fn of(word: u64) -> Self {
        Self(word)
    }

    /// To be kept. Of two the greater is the newer.
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// What it is at `now_ms`.
    pub(crate) fn level(self, now_ms: u64) -> Level {
        let is_known = now_ms.saturating_sub(self.0 >> 8) < FORGET_MS;
        Level(if is_known { self.0 as u8 } else { 0 })
    }

    /// After an answer at `now_ms` that took so long.
    pub(crate) fn after(self, now_ms: u64, took_us: u64) -> Self {
        let shown = level_of(took_us);
        let known = self.level(now_ms).0;
        let level = match known {
            0 => shown,
            _ if shown > known => known + 1,
            _ if shown < known => known - 1,
            _ => known,
        };
        Self(now_ms << 8 | u64::from(level))
    }
}

impl Level {
    /// Whether an endpoint of this level is slow beside one of the other. One
    /// that nothing is known of may be quicker.
    pub(crate) fn is_slow_beside(self, other: Self) -> bool {
        self.0 >= SLOW_FROM && self.0 >= other.0 + APART
    }
}

/// The level of one duration: 1 for up to a microsecond, two for each doubling.
fn level_of(took_us: u64) -> u8 {
    let octave = took_us.max(1).ilog2();
    let upper_half = octave > 0 && took_us >> (octave - 1) & 1 == 1;
    // At most 128.
    (1 + 2 * octave + u32::from(upper_half)) as u8
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    fn after(answers: &[u64]) -> Pace {
        answers.iter().fold(Pace::default(), |pace, took_us| pace.after(1_000, *took_us))
    }

    fn is_slow(answers: &[u64], beside: &[u64]) -> bool {
        after(answers).level(1_000).is_slow_beside(after(beside).level(1_000))
    }

    #[test]
    fn levels_are_half_octaves() {
        assert_eq!([0, 1, 2, 3, 4, 6, 8].map(level_of), [1, 1, 3, 4, 5, 6, 7]);
        for answers in [&[10_000; 9][..], &[10_000; 8]] {
            assert_eq!(after(answers).level(1_000), Level(level_of(10_000)), "no drift");
        }
        assert_eq!([8_191, 8_192, u64::MAX].map(level_of), [26, 27, 128]);
    }

    #[test]
    fn an_endpoint_is_slow_beside_one_that_takes_a_quarter() {
        assert!(is_slow(&[200_000], &[10_000]));
        assert!(is_slow(&[40_000], &[9_000]));
        assert!(!is_slow(&[20_000], &[10_000]));
        assert!(!is_slow(&[10_000], &[200_000]));
        assert!(!is_slow(&[8_000], &[100]), "so short a time may be chance");
        assert!(is_slow(&[200_000], &[]) && !is_slow(&[], &[10_000]), "who is not known");
    }

    #[test]
    fn one_odd_answer_does_not_make_an_endpoint_slow_and_many_do() {
        let usual = [10_000; 5];
        let odd = [10_000, 10_000, 5_000_000, 10_000];
        assert!(!is_slow(&odd, &usual));
        let slower = [10_000, 200_000, 200_000, 200_000, 200_000];
        assert!(is_slow(&slower, &usual));
        assert!(!is_slow(&[&slower[..], &[10_000; 4]].concat(), &usual), "and back");
    }

    #[test]
    fn what_nothing_confirms_is_forgotten_and_begins_with_the_next_answer() {
        let pace = Pace::default().after(1_000, 200_000);
        assert_eq!(pace.level(30_999), Level(level_of(200_000)));
        assert_eq!(pace.level(31_000), Level(0));
        assert_eq!(pace.after(31_000, 10_000).level(31_000), Level(level_of(10_000)));
        assert_eq!(Pace::of(pace.word()), pace);
        assert!(pace.after(1_001, 1) > pace, "the newer");
    }
}
