//! `text/html`: a page that needs nothing but itself.

use super::answer::{Ask, request_id_text, sentences};
use crate::error::{AttemptRecord, RouterError};

const BEGIN: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>"#;

const STYLE: &str = r#"</title>
<style>
:root { color-scheme: light dark; --ink: #1d2329; --soft: #57606a; --paper: #fafaf8; --line: #d5d8dc }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --soft: #a3abb3; --paper: #16191d; --line: #353b42 }
}
body { margin: 0; padding: 12vh 1.5rem 3rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, sans-serif }
main { max-width: 38rem; margin: 0 auto }
.status { margin: 0; color: var(--soft) }
h1 { margin: 0 0 1.25rem; font-size: 1.75rem; line-height: 1.25 }
dl { margin: 2rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line) }
dt { color: var(--soft); font-size: .875rem }
dd { margin: 0 0 1rem; overflow-wrap: anywhere }
ol { margin: 0; padding-left: 1.25rem }
code { font: .9375em ui-monospace, monospace }
</style>
</head>
<body>
<main>
"#;

/// The code, the sentence, who can help, what to do, and the request id.
pub(super) fn body(error: &RouterError, ask: &Ask<'_>) -> String {
    let mut out = String::with_capacity(2048);
    let code = error.code;
    out.push_str(BEGIN);
    push_text(&mut out, code.title());
    out.push_str(STYLE);
    push_element(&mut out, ["<p class=\"status\">Error ", "</p>\n"], error.status().as_str());
    push_element(&mut out, ["<h1>", "</h1>\n"], code.title());
    push_element(&mut out, ["<p>", "</p>\n"], &sentences(error, ask));
    out.push_str("<dl>\n");
    push_item(&mut out, ["What to do", "", ""], code.explanation().advice);
    push_item(&mut out, ["Look first to", "", ""], code.blame().phrase());
    push_item(&mut out, ["Error code", "<code>", "</code>"], code.as_str());
    push_item(&mut out, ["Request id", "<code>", "</code>"], &request_id_text(ask));
    if !error.attempts.is_empty() {
        push_attempts(&mut out, &error.attempts, ask.expose_endpoints);
    }
    out.push_str("</dl>\n</main>\n</body>\n</html>\n");
    out
}

fn push_attempts(out: &mut String, attempts: &[AttemptRecord], expose_endpoints: bool) {
    out.push_str("<dt>Attempts</dt><dd><ol>\n");
    for attempt in attempts {
        let mut line = format!("{} after {} ms", attempt.outcome, attempt.elapsed.as_millis());
        if expose_endpoints {
            line.push_str(&format!(" at {}", attempt.endpoint));
        }
        push_element(out, ["<li>", "</li>\n"], &line);
    }
    out.push_str("</ol></dd>\n");
}

fn push_item(out: &mut String, [term, before, after]: [&'static str; 3], text: &str) {
    for part in ["<dt>", term, "</dt><dd>", before] {
        out.push_str(part);
    }
    push_text(out, text);
    out.push_str(after);
    out.push_str("</dd>\n");
}

fn push_element(out: &mut String, [before, after]: [&'static str; 2], text: &str) {
    out.push_str(before);
    push_text(out, text);
    out.push_str(after);
}

/// Text that is safe in an element and in a quoted attribute. Control
/// characters, which HTML does not allow, become U+FFFD.
fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
    }
}
