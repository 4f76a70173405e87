//! The diagnostics log: `tracing` events on standard error.
//!
//! It is for operators' questions ("why was this reload refused"), never one
//! line per request: that is the access log's work. It cannot block either:
//! standard error may be a pipe that nobody empties, and no worker, nor the
//! control side, may stop over that. See `queue`.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use queue::{Queue, Queued, Writing};

pub use queue::log_lines_dropped;

/// How long the last lines may take to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a diagnostics line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(name: &str) -> Result<Self, LogError> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::UnknownFormat(name.into())),
        }
    }
}

/// Why the diagnostics log cannot be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// `--log` names neither format.
    #[error("`{0}` is no log format: write \"text\" or \"json\"")]
    UnknownFormat(String),
    /// `RUST_LOG` does not parse.
    #[error("RUST_LOG is not a filter (try \"info\" or \"pointsman=debug,warn\"): {0}")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// The process has a `tracing` subscriber already.
    #[error("this process has a log already: {0}")]
    AlreadySet(Box<dyn std::error::Error + Send + Sync>),
    /// The thread that writes cannot be had.
    #[error("the log cannot be written: {0}")]
    Writer(#[from] std::io::Error),
}

/// The diagnostics log of this process. Dropping it has what waits written,
/// for at most 2 s; what is logged afterwards goes nowhere.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Log {
    queue: Arc<Queue>,
    _writing: Writing,
}

impl Log {
    /// Has `text` written as it is, behind what was logged before it.
    pub fn say(&self, text: &str) {
        self.queue.push(text.as_bytes());
    }
}

/// Sends `tracing` events, and what is to be said of panics, to standard error,
/// filtered by `RUST_LOG` (default `info`). Colours are used only on a terminal.
///
/// Nobody who logs waits for standard error: what it does not take in time is
/// lost, and counted by [`log_lines_dropped`].
///
/// # Errors
/// If `RUST_LOG` does not parse, if a subscriber was installed before, or if
/// the system refuses a thread.
pub fn init_log(format: LogFormat) -> Result<Log, LogError> {
    use std::io::IsTerminal;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let mut filter = filter.from_env()?;
    if let (None, Ok(quieter)) = (std::env::var_os("RUST_LOG"), "async_nats=off".parse()) {
        // What matters of it is said in the router's own words.
        filter = filter.add_directive(quieter);
    }
    let queue = Arc::new(Queue::default());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Queued(queue.clone()))
        // The layer reports its own write errors with `eprintln!`, which
        // panics when standard error is what broke.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.with_ansi(false).json().flatten_event(true).try_init(),
    }
    .map_err(LogError::AlreadySet)?;
    let writing = Writing::to_stderr(queue.clone(), PATIENCE)?;
    // The default hook writes to standard error on the thread that panics.
    std::panic::set_hook(Box::new(log_panic));
    Ok(Log { queue, _writing: writing })
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("<unnamed>");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!("thread '{thread}' {panic}\n{backtrace}"),
        _ => tracing::error!("thread '{thread}' {panic}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_format_names_are_read_and_others_are_named_in_the_error() {
        for name in ["text", "json"] {
            assert!(name.parse::<LogFormat>().is_ok(), "{name}");
        }
        let error = "yaml".parse::<LogFormat>().unwrap_err().to_string();
        assert!(error.contains("yaml") && error.contains("json"), "{error}");
    }

    #[test]
    fn a_second_log_in_one_process_is_an_error_not_a_panic() {
        let _log = init_log(LogFormat::Text).unwrap();
        assert!(matches!(init_log(LogFormat::Json), Err(LogError::AlreadySet(_))));
    }
}
