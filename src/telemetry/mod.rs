//! What the router tells about itself: figures, access log, diagnostics log
//! and the last errors.
//!
//! One rule shapes this room: a request never waits for its own description.
//! Figures are added to shards that belong to one worker, access log lines go
//! into a worker's own bounded buffer, and only what is rare (an error, a
//! reload) may take a lock that others take too. Whoever reads (a scrape, the
//! writer thread, the admin side) does the summing.

pub mod access_log;
mod errors;
mod log;
pub mod metrics;
#[cfg(feature = "profiling")]
pub(crate) mod profile;
mod seldom;

pub use errors::{AttemptSummary, RecentError, RecentErrors};
pub use log::{Log, LogError, LogFormat, init_log, log_lines_dropped};
pub(crate) use seldom::Seldom;

#[cfg(test)]
pub(crate) use errors::tests::error as errors_for_tests;
