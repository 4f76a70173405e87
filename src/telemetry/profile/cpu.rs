//! Where the process spends its CPU time.

use std::time::{Duration, UNIX_EPOCH};

use pprof::{ProfilerGuard, ProfilerGuardBuilder, Report};

use super::message::{Frame, Message};

/// Samples per second of CPU time: not a divisor of any timer's period, so
/// that what happens at every tick is not mistaken for what happens always.
const FREQUENCY_HZ: i32 = 99;

/// Where no stack is walked: what holds the unwinder's own state, and code
/// that the kernel puts there.
const NOT_WALKED: [&str; 2] = ["libgcc", "vdso"];

/// Why there is no CPU profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CpuError {
    /// One is being taken.
    #[error("a profile is being taken already; one at a time")]
    Running,
    /// The sampler failed.
    #[error("no profile could be taken: {0}")]
    Failed(String),
}

/// Samples the whole process for `duration`; a whole `pprof` file. Dropping
/// the future ends the sampling. Needs a runtime with time.
pub(crate) async fn cpu(duration: Duration) -> Result<Vec<u8>, CpuError> {
    let sampler = ProfilerGuardBuilder::default()
        .frequency(FREQUENCY_HZ)
        .blocklist(&NOT_WALKED)
        .build()
        .map_err(|error| match error {
            pprof::Error::Running => CpuError::Running,
            other => failed(&other),
        })?;
    tokio::time::sleep(duration).await;
    // Finding names reads this program's own tables, which takes a while.
    let finished = tokio::task::spawn_blocking(move || finish(&sampler)).await;
    finished.map_err(|panicked| failed(&panicked))?
}

fn finish(sampler: &ProfilerGuard<'_>) -> Result<Vec<u8>, CpuError> {
    Ok(written(&sampler.report().build().map_err(|error| failed(&error))?))
}

fn failed(error: &dyn std::error::Error) -> CpuError {
    CpuError::Failed(error.to_string())
}

fn written(report: &Report) -> Vec<u8> {
    let mut message = Message::new(report.timing.frequency);
    for (stack, count) in &report.data {
        let frames: Vec<Vec<Frame>> =
            stack.frames.iter().map(|at| at.iter().map(frame).collect()).collect();
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        message.sample(&frames, &stack.thread_name_or_id(), count);
    }
    let start = report.timing.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
    message.finish(start, report.timing.duration)
}

fn frame(symbol: &pprof::Symbol) -> Frame {
    Frame { name: symbol.name(), file: symbol.filename().into_owned(), line: symbol.lineno() }
}
