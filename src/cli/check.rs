//! `pointsman check`: validates a configuration file.

use std::path::Path;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
    SourceSpan,
};

use crate::config::{
    Diagnostic, Diagnostics, LoadError, NEEDS_RESTART, Settings, load_with_warnings,
};

/// Mistakes shown with their lines of the file; the rest get one line each.
const SNIPPETS: usize = 20;

/// Validates the file at `path`: what to print, and the exit code, which is 0,
/// also where there are warnings, or 1.
pub fn run(path: &Path) -> (String, u8) {
    match load_with_warnings(path) {
        Ok((settings, warnings)) => {
            (snippets(&warnings, Severity::Warning) + &summary(path, &settings, &warnings), 0)
        }
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

fn summary(path: &Path, settings: &Settings, warnings: &Diagnostics) -> String {
    let endpoints = settings.routes.iter().map(|route| route.endpoints.len()).sum();
    format!(
        "{}: ok{}\n  {}, {}, {}\n  a restart is needed to change {}; everything else is reloaded\n",
        path.display(),
        match warnings.entries().len() {
            0 => String::new(),
            n => format!(", with {}", count(n, "warning")),
        },
        count(settings.listeners.len(), "listener"),
        count(settings.routes.len(), "route"),
        count(endpoints, "endpoint"),
        NEEDS_RESTART.map(|key| key.to_string()).join(", "),
    )
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// Each mistake, and how many there are.
fn render(diagnostics: &Diagnostics) -> String {
    let file = diagnostics.entries().first().map_or("", |entry| &entry.file);
    let errors = count(diagnostics.entries().len(), "error");
    format!("{}{file}: {errors}\n", snippets(diagnostics, Severity::Error))
}

/// Each with the lines of the file it is about.
fn snippets(diagnostics: &Diagnostics, severity: Severity) -> String {
    // No colours: the text is the same in a terminal, a pipe and a test.
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_wrap_lines(false)
        .with_context_lines(1);
    let mut out = String::new();
    for (n, entry) in diagnostics.entries().iter().enumerate() {
        let snippet = Snippet::new(entry, diagnostics.text(), severity);
        if n >= SNIPPETS || handler.render_report(&mut out, &snippet).is_err() {
            out.push_str(&entry.to_string());
        }
        out.push('\n');
    }
    out
}

/// A mistake or a warning as miette wants it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Snippet {
    message: String,
    help: Option<String>,
    severity: Severity,
    source_code: NamedSource<Arc<str>>,
    span: SourceSpan,
}

impl Snippet {
    fn new(entry: &Diagnostic, text: &Arc<str>, severity: Severity) -> Self {
        Self {
            message: entry.message(),
            help: entry.help.clone(),
            severity,
            source_code: NamedSource::new(&entry.file, Arc::clone(text)),
            span: entry.span.clone().into(),
        }
    }
}

impl miette::Diagnostic for Snippet {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.span))))
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
    fn what_is_hardly_meant_so_is_shown_and_no_mistake() {
        let text = "[[listener]]\naddress = \"127.0.0.1:8080\"\n\
                    proxy_protocol = { from = [\"10.0.0.1/8\"] }\n";
        let (out, code) = run_on(text);
        insta::assert_snapshot!(out, @r#"
          ⚠ listener[0].proxy_protocol.from[0]: 10.0.0.1/8 is the whole network 10.0.0.0/8
           ╭─[FILE:3:28]
         2 │ address = "127.0.0.1:8080"
         3 │ proxy_protocol = { from = ["10.0.0.1/8"] }
           ·                            ────────────
           ╰────
          help: write "10.0.0.0/8", or "10.0.0.1" for the one address

        FILE: ok, with 1 warning
          1 listener, 0 routes, 0 endpoints
          a restart is needed to change listener (all but what its tls says), admin, workers, access_log, registry.nats, registry.snapshot; everything else is reloaded
        "#);
        assert_eq!(code, 0);
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
