//! The limit, and how it follows latency: pure, with time and samples passed
//! in.

use super::measure::{Measurement, Progress};

/// Answers in a window at least; with fewer, the window goes on.
const WINDOW_SAMPLES: u64 = 25;

/// With so many a window ends before its time, so that sums cannot run over.
pub(super) const FULL_WINDOW: u64 = 1 << 14;

/// Latency may be so much above what it is without a queue whatever that is:
/// below it, what is measured is the router's own turns. In microseconds.
const SLACK_US: f64 = 1_000.0;

/// How far one window may move the limit, as a factor.
const GRADIENT: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// The part of the way to its aim that the limit goes in one window.
const SMOOTHING: f64 = 0.5;

/// By so much two means of the same thing may differ, as a factor.
const NEAR: f64 = 1.2;

/// An answer counts as no slower than so many times the latency without a
/// queue: one that hung for a minute must not be the mean.
const LONGEST_LATENCIES: f64 = 8.0;

/// A limit that has sunk to this part of what it was at the last measurement asks
/// for another: it follows a queue, or work that has become slower.
const SUNK: f64 = 0.7;

/// Of all time, measurements take at most one part in this.
const MEASURING_PART: u64 = 20;

/// After a measurement there is none for so many windows.
const WINDOWS_BETWEEN: u64 = 10;

/// The bounds of the limit, and its pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveTerms {
    /// The limit is never lower, but while it measures; at least 1.
    pub min_limit: u64,
    /// Nor higher.
    pub max_limit: u64,
    /// Where it begins.
    pub initial_limit: u64,
    /// By how much latency may exceed what it is without a queue, in percent.
    pub tolerance_percent: u64,
    /// How long a window is at least, in milliseconds.
    pub window_ms: u64,
    /// How old the latency without a queue may get under load, in milliseconds.
    pub measure_every_ms: u64,
}

/// What came in since the last turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Answers.
    pub(super) samples: u64,
    /// How long they took in all, in microseconds.
    pub(super) sum_us: u64,
    /// Requests under way at a time, at most.
    pub(super) peak: u64,
}

/// What a turn did with the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing: it goes on.
    Goes,
    /// It was used; a new one begins.
    Used,
    /// A new one begins, for requests admitted from now on only.
    Anew,
}

/// The limit of one route.
#[derive(Debug)]
pub(super) struct Gradient {
    terms: AdaptiveTerms,
    limit: f64,
    /// Latency without a queue, once it is known.
    base_us: Option<f64>,
    /// The mean of the last window.
    last_us: f64,
    window_began_ms: u64,
    measurement: Option<Measurement>,
    /// When the base was last known to hold.
    held_ms: u64,
    /// Before this there is no other measurement.
    next_ms: u64,
    /// The limit when the base was last measured.
    limit_then: f64,
}

impl Gradient {
    /// A limit that has seen nothing yet. It begins with a measurement.
    pub(super) fn new(terms: AdaptiveTerms) -> Self {
        let limit = terms.initial_limit.clamp(terms.min_limit, terms.max_limit);
        // Whenever the first request comes.
        let first = Measurement::first(limit, u64::MAX);
        Self {
            terms,
            limit: limit as f64,
            base_us: None,
            last_us: 0.0,
            window_began_ms: 0,
            measurement: Some(first),
            held_ms: 0,
            next_ms: 0,
            limit_then: limit as f64,
        }
    }

    /// Other bounds; what was learnt stays.
    pub(super) fn set_terms(&mut self, terms: AdaptiveTerms) {
        self.terms = terms;
        self.limit = self.limit.clamp(terms.min_limit as f64, terms.max_limit as f64);
        if self.measurement.take().is_some() && self.base_us.is_none() {
            self.measurement = Some(Measurement::first(self.settled_limit(), u64::MAX));
        }
    }

    pub(super) fn terms(&self) -> &AdaptiveTerms {
        &self.terms
    }

    /// How many may be under way now; lower than [`Gradient::settled_limit`]
    /// during a measurement.
    pub(super) fn limit(&self) -> u64 {
        let limit = self.settled_limit();
        self.measurement.as_ref().map_or(limit, |m| m.level().min(limit))
    }

    /// How many may be under way but for measurements.
    pub(super) fn settled_limit(&self) -> u64 {
        self.limit as u64
    }

    /// Latency without a queue in microseconds, once it is known.
    pub(super) fn base_us(&self) -> Option<u64> {
        self.base_us.map(|base| base as u64)
    }

    /// The longest that an answer counts as, in microseconds.
    pub(super) fn longest_us(&self) -> u64 {
        self.base_us.map_or(u64::MAX, |base| (LONGEST_LATENCIES * (base + SLACK_US)) as u64)
    }

    /// A turn is due at this time with so many samples.
    pub(super) fn due(&self) -> (u64, u64) {
        match &self.measurement {
            Some(measurement) => (0, measurement.wants()),
            None => (self.window_began_ms + self.terms.window_ms, WINDOW_SAMPLES),
        }
    }

    /// At this time a turn is due without any.
    pub(super) fn late_ms(&self) -> u64 {
        self.measurement.as_ref().map_or(u64::MAX, Measurement::until_ms)
    }

    /// Looks at the window, and at `waiting` requests that are under way.
    pub(super) fn turn(&mut self, now_ms: u64, waiting: u64, window: Window) -> Turn {
        let expected_us = self.base_us.map(expected_us);
        let Some(measurement) = &mut self.measurement else {
            return self.window(now_ms, window);
        };
        if measurement.until_ms() == u64::MAX {
            // The very first: it begins now.
            *measurement = Measurement::first(measurement.level(), now_ms);
        }
        let seen = (window.samples, window.sum_us, window.peak);
        match measurement.look(now_ms, waiting, seen, expected_us) {
            Progress::Waits => Turn::Goes,
            Progress::Warm => Turn::Used,
            Progress::Anew => Turn::Anew,
            Progress::Found(found_us) => {
                self.found(found_us);
                self.end_measurement(now_ms);
                Turn::Anew
            }
            Progress::GivenUp => {
                self.end_measurement(now_ms);
                Turn::Used
            }
        }
    }

    fn window(&mut self, now_ms: u64, window: Window) -> Turn {
        let (due_ms, wants) = self.due();
        if window.samples < wants || now_ms < due_ms && window.samples < FULL_WINDOW {
            return Turn::Goes;
        }
        self.window_began_ms = now_ms;
        self.last_us = window.sum_us as f64 / window.samples as f64;
        let Some(base_us) = self.base_us else {
            self.measure(now_ms);
            return Turn::Used;
        };
        let mean_us = self.last_us;
        let is_full = window.peak >= self.settled_limit();
        // With fewer than half under way, the limit is not what makes it slow or
        // fast.
        let is_reached = 2 * window.peak >= self.settled_limit();
        if !is_full && expected_us(base_us).contains(&mean_us) {
            self.held_ms = now_ms;
        }
        if is_reached {
            let gradient = self.allowed_us(base_us) / mean_us;
            let gradient = gradient.clamp(*GRADIENT.start(), *GRADIENT.end());
            let aim = gradient * self.limit + self.limit.sqrt();
            self.move_limit(self.limit + SMOOTHING * (aim - self.limit));
        }
        let is_old = now_ms >= self.held_ms + self.terms.measure_every_ms;
        let has_sunk = self.limit < SUNK * self.limit_then;
        if is_old && is_full || has_sunk {
            self.measure(now_ms);
        }
        Turn::Used
    }

    /// Begins a measurement, unless the last one was a moment ago.
    fn measure(&mut self, now_ms: u64) {
        if now_ms >= self.next_ms {
            let limit = self.settled_limit();
            self.measurement = Some(Measurement::below(limit, self.last_us, now_ms));
        }
    }

    fn found(&mut self, found_us: f64) {
        let confirmed = self.base_us.filter(|known| expected_us(*known).contains(&found_us));
        // Then both say something.
        self.base_us = Some(confirmed.map_or(found_us, |known| (known + found_us) / 2.0));
    }

    fn end_measurement(&mut self, now_ms: u64) {
        let Some(measurement) = self.measurement.take() else { return };
        let took_ms = measurement.held_back_ms(now_ms);
        let pause_ms = (MEASURING_PART * took_ms).max(WINDOWS_BETWEEN * self.terms.window_ms);
        self.next_ms = now_ms.saturating_add(pause_ms);
        self.held_ms = now_ms;
        self.limit_then = self.limit;
        self.window_began_ms = now_ms;
    }

    fn move_limit(&mut self, limit: f64) {
        self.limit = limit.clamp(self.terms.min_limit as f64, self.terms.max_limit as f64);
    }

    fn allowed_us(&self, base_us: f64) -> f64 {
        base_us * (1.0 + self.terms.tolerance_percent as f64 / 100.0) + SLACK_US
    }
}

/// What confirms a base, give or take.
fn expected_us(base_us: f64) -> std::ops::RangeInclusive<f64> {
    base_us / NEAR..=NEAR * base_us + SLACK_US
}

#[cfg(all(test, not(pointsman_loom)))]
#[path = "gradient_tests.rs"]
mod tests;
