//! `pointsman check`: validates a configuration file.

use std::path::Path;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource, SourceSpan};

use crate::config::{Diagnostic, Diagnostics, LoadError, NEEDS_RESTART, Settings, load};

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
        NEEDS_RESTART.map(restarted).join(", "),
    )
}

/// What of a key that needs a restart does need it.
fn restarted(key: &str) -> &str {
    // What TLS with clients is made of is read anew at every reload.
    if key == "listener" { "listener (all but what its tls says)" } else { key }
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
            out.push_str(&entry.to_string());
        }
        out.push('\n');
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::parse;

    fn run_on(text: &str) -> (String, u8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pointsman.toml");
        std::fs::write(&path, text).unwrap();
        let (out, code) = run(&path);
        (out.replace(&path.display().to_string(), "FILE"), code)
    }

    #[test]
    fn a_good_file_is_summed_up() {
        let text = "[[listener]]\naddress = \"127.0.0.1:8080\"\n[[route]]\nhost = \"*\"\n\
                    endpoints = [\"10.0.0.1:80\", \"10.0.0.2:80\"]";
        let summary = "FILE: ok\n  1 listener, 1 route, 2 endpoints\n  a restart is needed to \
                       change listener (all but what its tls says), admin, workers, access_log, \
                       registry.nats, registry.snapshot; everything else is reloaded\n";
        assert_eq!(run_on(text), (summary.to_owned(), 0));
    }

    #[test]
    fn every_mistake_is_shown_on_its_line_with_what_would_be_right() {
        let text = "[[listener]]\naddress = \"127.0.0.1:8080\"\n\n[timeouts]\nconect = \"3s\"\n\
                    queue = 2\n";
        let (out, code) = run_on(text);
        insta::assert_snapshot!(out, @r#"
          × timeouts.conect: unknown key
           ╭─[FILE:5:1]
         4 │ [timeouts]
         5 │ conect = "3s"
           · ──────
         6 │ queue = 2
           ╰────
          help: did you mean "connect"?

          × timeouts.queue: must be a duration such as "250ms", "5s" or "15m", not an integer
           ╭─[FILE:6:9]
         5 │ conect = "3s"
         6 │ queue = 2
           ·         ─
           ╰────
          help: did you mean "2s"?

        FILE: 2 errors
        "#);
        assert_eq!(code, 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_one_line() {
        let (out, code) = run(Path::new("/nowhere/pointsman.toml"));
        assert_eq!((&*out, code), ("/nowhere/pointsman.toml: no such file\n", 1));
    }

    #[test]
    fn beyond_twenty_mistakes_each_gets_one_line() {
        let text: String = (0..25).map(|n| format!("unknown{n} = 1\n")).collect();
        let out = render(&parse(&text, "p").unwrap_err());
        // The missing listener comes first.
        assert!(!out.contains("\np:19:1: unknown18: unknown key"), "{out}");
        assert!(out.contains("\np:20:1: unknown19: unknown key"), "{out}");
        assert!(out.ends_with("\np: 26 errors\n"), "{out}");
    }

    proptest! {
        #[test]
        fn whatever_is_wrong_can_be_shown(
            text in "(?s:.{0,60})|(\\[?\\[[a-z]{0,3}\\]|[a-c=\"\\n\\r\\tü\u{feff} ]){0,30}",
        ) {
            if let Err(diagnostics) = parse(&text, "p") {
                let lines = render(&diagnostics);
                prop_assert!(lines.contains(&diagnostics.entries()[0].reason), "{lines}");
            }
        }
    }
}
