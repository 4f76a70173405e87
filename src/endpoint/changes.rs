//! A count of changes of any endpoint's condition, anywhere in the process.
//!
//! Workers remember who is fit (see [`Outlook`](super::outlook::Outlook)) and
//! look again when this count has moved. It is written only when an endpoint
//! comes or goes, never for a request that works, so its cache line stays shared
//! by all cores. One count for all endpoints is enough: looking again costs a
//! route's size, and changes are rare beside requests.

use std::sync::atomic::{AtomicU64, Ordering};

#[repr(align(128))]
struct Alone(AtomicU64);

static CHANGES: Alone = Alone(AtomicU64::new(1));

/// Some endpoint's condition was changed; what was written before this is seen
/// by whoever reads the new count.
pub(super) fn note() {
    // Models run side by side in one process, and each has to go the same way
    // every time.
    if !cfg!(pointsman_loom) {
        CHANGES.0.fetch_add(1, Ordering::Release);
    }
}

/// How many changes there were; never 0.
pub(super) fn count() -> u64 {
    CHANGES.0.load(Ordering::Acquire)
}
