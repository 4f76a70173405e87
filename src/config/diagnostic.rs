//! What is wrong with a configuration file, and where.
//!
//! A reader who has three mistakes in a file wants three messages, not one and
//! two more runs; so diagnostics come as a list, in the order of the file. Each
//! is plain data: the terminal rendering with source snippets belongs to the
//! command line, a log or an admin answer prints the one-line form.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the operator named it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The bytes of the text it is about; may be empty.
    pub span: Range<usize>,
    /// The dotted path, as `timeouts.connect` or `route[2].endpoints[0]`
    /// (counted from 0); empty where the text is not TOML.
    pub key: String,
    /// What is wrong, in one plain clause.
    pub reason: String,
    /// The nearest valid key or value, or what would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Key and reason, without the place: `timeouts.conect: unknown key`.
    pub fn message(&self) -> String {
        if self.key.is_empty() {
            self.reason.clone()
        } else {
            format!("{}: {}", self.key, self.reason)
        }
    }
}

/// One line: `FILE:LINE:COLUMN: KEY: REASON; HELP`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message())?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Every mistake found in one file, in its order; at least one, except where
/// warnings are gathered.
///
/// The text it was read from is kept, because the file may have changed by the
/// time somebody looks at the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    text: Arc<str>,
    entries: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(super) fn new(text: &str, mut entries: Vec<Diagnostic>) -> Self {
        entries.sort_by_key(|entry| (entry.span.start, entry.span.end));
        Self { text: text.into(), entries }
    }

    /// The mistakes, in the order of the file.
    pub fn entries(&self) -> &[Diagnostic] {
        &self.entries
    }

    /// The text they were found in, which the spans index.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// One line for each entry, without a newline at the end.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, entry) in self.entries.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
