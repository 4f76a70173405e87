//! What the system says of this process.

use std::fs;
use std::time::{Duration, Instant};

/// Nanoseconds this thread has been on a processor: what others do on the
/// machine does not count.
pub(crate) fn processor_ns() -> f64 {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedstat.split(' ').next().unwrap().parse().unwrap()
}

/// A line of `/proc/self/status`, in bytes: `VmRSS`, `VmHWM`.
pub(crate) fn memory_bytes(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let rest = status.lines().find_map(|own| own.strip_prefix(line)?.strip_prefix(':')).unwrap();
    rest.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1_024
}

pub(crate) fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Waits until `moment`; as long as it is far, asleep.
pub(crate) fn wait_until(moment: Instant) {
    while let Some(left) = moment.checked_duration_since(Instant::now()) {
        std::thread::sleep(left.max(Duration::from_micros(1)));
    }
}

/// The value that `share` of them are at or below.
pub(crate) fn quantile(sorted: &[u64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted[at.min(sorted.len() - 1)] as f64
}

/// The middle of a few figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
