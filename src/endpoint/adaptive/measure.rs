//! Measuring what the latency is without a queue.
//!
//! The number of requests at a time is held at a level, at first half of what
//! it was. Once no more than that are under way, those that come from then on
//! are timed. The first of them that are answered are the quick ones, so
//! twice as many as the level are let go by. If the mean of the next is what was
//! expected, it is confirmed. Else half of the level is tried: as long as that
//! is clearly faster there was a queue, and when it is not, there was none.

use std::ops::RangeInclusive;

use super::gradient::FULL_WINDOW;

/// Answers that make a mean, at least: their number's root is how far it may be
/// off, in parts, where service times scatter as much as they usually do.
const SAMPLES: u64 = 50;

/// A mean of fewer is none, even when time is up.
const FEWEST_SAMPLES: u64 = 5;

/// Half the requests must be faster by this for there to have been a queue.
const CLEARLY_FASTER: f64 = 0.8;

/// For how long requests above the level are waited for, and the level is held,
/// at most: so many times what an answer takes. By Little's law the first takes
/// about one latency, unless some of them hang.
const DRAIN_LATENCIES: f64 = 4.0;
const LEVEL_LATENCIES: f64 = 50.0;

/// The bounds of both.
const SHORTEST_MS: f64 = 100.0;
const LONGEST_MS: f64 = 60_000.0;

/// A measurement under way.
#[derive(Clone, Debug)]
pub(super) struct Measurement {
    level: u64,
    stage: Stage,
    /// The mean at twice the level.
    above_us: Option<f64>,
    /// Since when it holds requests back.
    lowered_ms: Option<u64>,
    until_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// More than the level are under way.
    Drains,
    /// The first answers go by.
    Warms,
    /// Latency counts.
    Counts,
}

/// What a look at a measurement came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Progress {
    /// It goes on.
    Waits,
    /// What has been seen is put away.
    Warm,
    /// And nothing that was admitted before counts from now on; the level may
    /// be a lower one.
    Anew,
    /// The latency without a queue, in microseconds.
    Found(f64),
    /// Too little came of it in time.
    GivenUp,
}

impl Measurement {
    /// The first of all: it holds nobody back who may be under way.
    pub(super) fn first(level: u64, now_ms: u64) -> Self {
        let until_ms = after(now_ms, DRAIN_LATENCIES, None);
        Self { level, stage: Stage::Drains, above_us: None, lowered_ms: None, until_ms }
    }

    /// One that begins at half of `limit`, under which answers took `last_us`.
    pub(super) fn below(limit: u64, last_us: f64, now_ms: u64) -> Self {
        Self {
            level: (limit / 2).max(1),
            stage: Stage::Drains,
            above_us: Some(last_us),
            lowered_ms: Some(now_ms),
            until_ms: after(now_ms, DRAIN_LATENCIES, Some(last_us)),
        }
    }

    /// How many requests may be under way meanwhile.
    pub(super) fn level(&self) -> u64 {
        self.level
    }

    /// For how long it has held requests back, in milliseconds.
    pub(super) fn held_back_ms(&self, now_ms: u64) -> u64 {
        self.lowered_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms))
    }

    /// How many answers it waits for; none while it waits for the level.
    pub(super) fn wants(&self) -> u64 {
        match self.stage {
            Stage::Drains => 0,
            Stage::Warms => self.some(0),
            Stage::Counts => self.some(SAMPLES),
        }
    }

    /// As many as come in about two latencies, `least` at least.
    fn some(&self, least: u64) -> u64 {
        (2 * self.level).clamp(least, FULL_WINDOW / 2)
    }

    /// When it looks again however few answers came.
    pub(super) fn until_ms(&self) -> u64 {
        self.until_ms
    }

    /// Looks at `waiting` requests under way, and what was seen since the last
    /// progress: so many answers that took `sum_us` in all, and `peak` requests
    /// at a time. `expected_us` is what would confirm what is known.
    pub(super) fn look(
        &mut self,
        now_ms: u64,
        waiting: u64,
        (samples, sum_us, peak): (u64, u64, u64),
        expected_us: Option<RangeInclusive<f64>>,
    ) -> Progress {
        let is_late = now_ms >= self.until_ms;
        let is_enough = samples >= self.wants();
        match self.stage {
            Stage::Drains if waiting <= self.level => {
                self.stage = Stage::Warms;
                self.until_ms = after(now_ms, LEVEL_LATENCIES, self.above_us);
                return Progress::Anew;
            }
            Stage::Warms if is_enough && !is_late => {
                self.stage = Stage::Counts;
                return Progress::Warm;
            }
            Stage::Counts if is_enough => {}
            Stage::Warms | Stage::Counts if is_late && samples >= FEWEST_SAMPLES => {}
            _ if is_late => return Progress::GivenUp,
            _ => return Progress::Waits,
        }
        let mean_us = sum_us as f64 / samples as f64;
        if expected_us.is_some_and(|expected| expected.contains(&mean_us)) {
            return Progress::Found(mean_us);
        }
        let was_queue = self.above_us.is_none_or(|above| mean_us < CLEARLY_FASTER * above);
        let lower = (self.level / 2).max(1);
        // A level that is not reached holds nobody back, and half of it says
        // no more.
        if was_queue && lower < self.level && peak >= self.level {
            self.above_us = Some(mean_us);
            self.level = lower;
            self.stage = Stage::Drains;
            self.lowered_ms.get_or_insert(now_ms);
            self.until_ms = after(now_ms, DRAIN_LATENCIES, self.above_us);
            return Progress::Anew;
        }
        Progress::Found(mean_us)
    }
}

/// So many latencies from now, if any is known.
fn after(now_ms: u64, latencies: f64, latency_us: Option<f64>) -> u64 {
    let ms = latency_us.map_or(LONGEST_MS, |us| latencies * us / 1_000.0);
    now_ms.saturating_add(ms.clamp(SHORTEST_MS, LONGEST_MS) as u64)
}

#[cfg(all(test, not(pointsman_loom)))]
#[path = "measure_tests.rs"]
mod tests;
