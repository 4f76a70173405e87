//! A duration histogram with fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds, inclusive as Prometheus has them: 1 ms to
/// 60 s, about three a decade.
const BOUNDS_US: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Buckets, the one without an upper bound included.
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// Counts of durations. Written by one worker, read by a scrape.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration: two relaxed additions.
    pub(super) fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Back to zero.
    pub(super) fn reset(&self) {
        for cell in self.buckets.iter().chain([&self.sum_us]) {
            cell.store(0, Relaxed);
        }
    }
}

/// The sum of several histograms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HistogramSum {
    counts: [u64; BUCKETS],
    sum_us: u64,
}

impl HistogramSum {
    /// Adds what `histogram` holds now.
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (count, bucket) in self.counts.iter_mut().zip(&histogram.buckets) {
            *count += bucket.load(Relaxed);
        }
        self.sum_us = self.sum_us.wrapping_add(histogram.sum_us.load(Relaxed));
    }

    /// How many durations.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in seconds.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_micros(self.sum_us).as_secs_f64()
    }

    /// `(upper bound in seconds, count)`, not cumulated.
    pub(super) fn buckets(&self) -> [(f64, u64); BUCKETS] {
        std::array::from_fn(|bucket| {
            let bound = BOUNDS_US
                .get(bucket)
                .map_or(f64::INFINITY, |us| Duration::from_micros(*us).as_secs_f64());
            (bound, self.counts[bucket])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_on_a_bound_belongs_below_it_and_a_longer_one_above() {
        let histogram = Histogram::default();
        for us in [0, 1_000, 1_001, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        histogram.observe(Duration::MAX);
        let mut sum = HistogramSum::default();
        sum.add(&histogram);
        let buckets = sum.buckets();
        assert_eq!(buckets[0], (0.001, 2));
        assert_eq!(buckets[1], (0.0025, 1));
        assert_eq!(buckets[14], (60.0, 1));
        assert_eq!(buckets[15], (f64::INFINITY, 2));
        assert_eq!(sum.count(), 6);
    }
}
