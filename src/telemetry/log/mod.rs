//! The diagnostics log: `tracing` events on standard error.
//!
//! It is for operators' questions ("why was this reload refused"), never one
//! line per request: that is the access log's work, which cannot block.

use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How a diagnostics line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {}

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
}

/// Sends `tracing` events to standard error, filtered by `RUST_LOG` (default
/// `info`). Colours are used only on a terminal.
///
/// # Errors
/// If `RUST_LOG` does not parse, or if a subscriber was installed before.
pub fn init_log(format: LogFormat) -> Result<(), LogError> {
    use std::io::IsTerminal;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let mut filter = filter.from_env()?;
    if let (None, Ok(quieter)) = (std::env::var_os("RUST_LOG"), "async_nats=off".parse()) {
        // What matters of it is said in the router's own words.
        filter = filter.add_directive(quieter);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // The layer reports its own write errors with `eprintln!`, which
        // panics when standard error is what broke.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.with_ansi(false).json().flatten_event(true).try_init(),
    }
    .map_err(LogError::AlreadySet)
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
        init_log(LogFormat::Text).unwrap();
        assert!(matches!(init_log(LogFormat::Json), Err(LogError::AlreadySet(_))));
    }
}
