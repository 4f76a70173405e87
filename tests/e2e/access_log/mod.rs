//! The access log: what a line says, and that no sink, however slow, costs a
//! request anything but its line.

mod lines;
mod refused;
mod sinks;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::Config;

/// A directory, and the file in it that the log goes to.
fn log_file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("access.log");
    (directory, file)
}

/// A configuration that logs to `file`.
fn logging_to(file: &Path) -> Config {
    Config::new().set("access_log.path", file.to_str().expect("temporary paths are text"))
}

/// The whole lines of a file, if it is there.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(str::to_owned).collect()
}

/// Asserts that these fields of a line have these values.
#[track_caller]
fn assert_says(line: &Value, expected: &[(&str, Value)]) {
    for (field, value) in expected {
        assert_eq!(line[*field], *value, "{field} in {line}");
    }
}
