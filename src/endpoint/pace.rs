//! How long an endpoint takes to answer, roughly and of late.
//!
//! Requests in flight tell a slow endpoint only where there are many: with few,
//! every endpoint has none most of the time, and a slow one is drawn as often as
//! the others. So a worker also remembers how long answers took. It is enough to
//! know that to within a factor of four, and what is remembered must not be the
//! work of one odd request: so it is a running median, in steps of half an
//! octave. The first answer is taken as it is.
//!
//! Who is thought slow is hardly asked, so nothing would show that it was only
//! slow once: its first answer came with the connection to be made, or it paused
//! for a moment. What nothing has confirmed is therefore doubted: soon at first,
//! and seldom once a doubt was in vain ([`PATIENCE_MS`]). Then one request at a
//! time finds out: the doubt is for an endpoint that has none in flight, or a slow
//! one would draw its whole share until it has answered.

use std::cmp::Ordering;

/// Without an answer for so long the level is doubted, in milliseconds: at first,
/// and when the answer to a doubt has confirmed it. With ten requests a second the
/// one that finds out again is then one of hundreds.
const PATIENCE_MS: [u64; 2] = [2_000, 30_000];
/// After so long it is doubted whatever is in flight, in milliseconds: streams
/// and tunnels may be for as long as they like.
const FORGET_MS: u64 = 60_000;
/// Steps between the levels of two endpoints, from which on one is slow beside
/// the other: two octaves, about four times as long.
const APART: u8 = 4;
/// Below this (8 ms) no endpoint is slow: there chance is all there is to see.
const SLOW_FROM: u8 = 27;

/// What is known of it; 0 is nothing. The level, from 1, in the lowest 8 bits,
/// whether it was confirmed in the next, above them when it was last seen, in
/// milliseconds.
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

    /// What it is at `now_ms` for an endpoint with so many requests in flight.
    pub(crate) fn level(self, now_ms: u64, in_flight: u64) -> Level {
        let age_ms = self.age_ms(now_ms);
        let in_doubt = age_ms >= self.patience_ms() && in_flight == 0;
        Level(if in_doubt || age_ms >= FORGET_MS { 0 } else { self.seen() })
    }

    /// After an answer at `now_ms` that took so long.
    pub(crate) fn after(self, now_ms: u64, took_us: u64) -> Self {
        let (shown, seen) = (level_of(took_us), self.seen());
        let is_alike = shown.abs_diff(seen) < APART;
        if self.age_ms(now_ms) >= self.patience_ms() || seen == 0 {
            // In doubt it is as this answer shows it.
            return Self::new(now_ms, is_alike, shown);
        }
        let level = match shown.cmp(&seen) {
            Ordering::Greater => seen + 1,
            Ordering::Less => seen - 1,
            Ordering::Equal => seen,
        };
        // What is changing has to be confirmed anew.
        Self::new(now_ms, is_alike && self.is_confirmed(), level)
    }

    fn new(at_ms: u64, is_confirmed: bool, level: u8) -> Self {
        Self(at_ms << 9 | u64::from(is_confirmed) << 8 | u64::from(level))
    }

    fn seen(self) -> u8 {
        self.0 as u8
    }

    fn is_confirmed(self) -> bool {
        self.0 >> 8 & 1 == 1
    }

    fn patience_ms(self) -> u64 {
        PATIENCE_MS[usize::from(self.is_confirmed())]
    }

    fn age_ms(self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.0 >> 9)
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
        after(answers).level(1_000, 0).is_slow_beside(after(beside).level(1_000, 0))
    }

    #[test]
    fn levels_are_half_octaves() {
        assert_eq!([0, 1, 2, 3, 4, 6, 8].map(level_of), [1, 1, 3, 4, 5, 6, 7]);
        for answers in [&[10_000; 9][..], &[10_000; 8]] {
            assert_eq!(after(answers).level(1_000, 0), Level(level_of(10_000)), "no drift");
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

    /// For how long it is known by itself from `at_ms` on.
    fn lasts_ms(pace: Pace, at_ms: u64) -> u64 {
        (0..).find(|ms| pace.level(at_ms + ms, 0) == Level(0)).expect("it is doubted some time")
    }

    #[test]
    fn what_is_confirmed_is_doubted_seldom_and_what_is_not_soon() {
        let mut pace = Pace::default();
        let mut at_ms = 50;
        for patience_ms in [2_000, 30_000, 30_000] {
            pace = pace.after(at_ms, 200_000);
            // More of the same confirms nothing.
            pace = pace.after(at_ms, 200_000);
            assert_eq!(lasts_ms(pace, at_ms), patience_ms);
            at_ms += patience_ms;
        }
        let quick = pace.after(at_ms, 10_000);
        assert_eq!(quick.level(at_ms, 0), Level(level_of(10_000)), "in doubt, it is as it shows");
        assert_eq!(lasts_ms(quick, at_ms), 2_000);
        let sure = quick.after(at_ms + 2_000, 10_000);
        let paused = (0..8).fold(sure, |pace, _| pace.after(at_ms + 2_100, 300_000));
        assert_eq!(lasts_ms(sure, at_ms + 2_000), 30_000);
        assert_eq!(lasts_ms(paused, at_ms + 2_100), 2_000, "a pause is no proof");
    }

    #[test]
    fn one_request_at_a_time_finds_out() {
        let pace = Pace::default().after(1_000, 200_000);
        let slow = Level(level_of(200_000));
        assert_eq!([0, 1].map(|in_flight| pace.level(3_000, in_flight)), [Level(0), slow]);
        assert_eq!(pace.level(60_999, 7), slow);
        assert_eq!(pace.level(61_000, 7), Level(0), "it may be a stream");
        assert_eq!(Pace::of(pace.word()), pace);
        assert!(pace.after(1_001, 1) > pace, "the newer");
    }
}
