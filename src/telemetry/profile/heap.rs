//! Where live memory was allocated.
//!
//! The allocator samples only if told so before its first allocation, and
//! sampling costs a little, so it is the operator's choice at the start.

use jemalloc_pprof::PROF_CTL;

/// What turns heap profiles on, in the environment of the process.
const START_WITH: &str = "_RJEM_MALLOC_CONF=prof:true";

/// Why there is no heap profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeapError {
    /// The allocator does not sample.
    #[error("allocations are not sampled: start the router with {START_WITH} in its environment")]
    Off,
    /// The profile could not be written.
    #[error("no profile could be written: {0}")]
    Failed(String),
}

/// The memory alive now, by the stacks that allocated it; a whole `pprof`
/// file, compressed. It goes through a file in the directory for temporary
/// ones. Needs a runtime.
pub(crate) async fn heap() -> Result<Vec<u8>, HeapError> {
    let dumped = tokio::task::spawn_blocking(|| {
        let mut control = PROF_CTL.as_ref().ok_or(HeapError::Off)?.blocking_lock();
        if !control.activated() {
            return Err(HeapError::Off);
        }
        control.dump_pprof().map_err(|error| HeapError::Failed(error.to_string()))
    });
    dumped.await.map_err(|panicked| HeapError::Failed(panicked.to_string()))?
}
