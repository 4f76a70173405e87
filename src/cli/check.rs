//! `pointsman check`: validates a configuration file.

use std::path::Path;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource, SourceSpan};

use crate::config::{Diagnostic, Diagnostics, LoadError, RESTART_KEYS, Settings, load};

/// Mistakes shown with their lines of the file; the rest get one line each.
const SNIPPETS: usize = 20;

/// Validates the file at `path`: what to print, and the exit code, which is 0
/// or 1.
pub fn run(path: &Path) -> (String, u8) {
    match load(path) {
        Ok(settings) => (summary(path, &settings), 0),
        Err(error) => (report(&error), 1),
    }
}

/// What is wrong with a file, for a terminal, ending with a newline; `run` and
/// a refused reload print the same.
pub fn report(error: &LoadError) -> String {
    match error {
        LoadError::Invalid(diagnostics) => render(diagnostics),
        other => format!("{other}\n"),
    }
}

fn summary(path: &Path, settings: &Settings) -> String {
    let endpoints = settings.routes.iter().map(|route| route.endpoints.len()).sum();
    format!(
        "{}: ok\n  {}, {}, {}\n  a restart is needed to change {}; everything else is reloaded\n",
        path.display(),
        count(settings.listeners.len(), "listener"),
        count(settings.routes.len(), "route"),
        count(endpoints, "endpoint"),
        RESTART_KEYS.join(", "),
    )
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// Each mistake with the lines of the file it is about.
fn render(diagnostics: &Diagnostics) -> String {
    // No colours: the text is the same in a terminal, a pipe and a test.
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_wrap_lines(false)
        .with_context_lines(1);
    let mut out = String::new();
    for (n, entry) in diagnostics.entries().iter().enumerate() {
        let snippet = Snippet::new(entry, diagnostics.text());
        if n >= SNIPPETS || handler.render_report(&mut out, &snippet).is_err() {
            out.push_str(&format!("{entry}\n"));
        }
    }
    let file = diagnostics.entries().first().map_or("", |entry| &entry.file);
    out.push_str(&format!("{file}: {}\n", count(diagnostics.entries().len(), "error")));
    out
}

/// A mistake as miette wants it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
struct Snippet {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    source_code: NamedSource<Arc<str>>,
    #[label]
    span: SourceSpan,
}

impl Snippet {
    fn new(entry: &Diagnostic, text: &Arc<str>) -> Self {
        Self {
            message: entry.message(),
            help: entry.help.clone(),
            source_code: NamedSource::new(&entry.file, Arc::clone(text)),
            span: entry.span.clone().into(),
        }
    }
}
