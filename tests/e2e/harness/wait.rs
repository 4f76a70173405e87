//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take before a test calls it broken. Long, because a
/// loaded machine is no failure, and it only costs time when something is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
pub(crate) const PACE: Duration = Duration::from_millis(2);

/// Looks until `probe` has an answer; panics with `what` after [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(PACE);
    }
}
