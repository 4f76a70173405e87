//! `docs/errors.md`, printed from the table.

use std::fmt::Write as _;

use super::Code;

const PREFACE: &str = "\
<!-- Printed from src/error/table: change it there, then run
     POINTSMAN_BLESS=1 cargo test --test error_catalogue -->

# Errors

When the router itself answers a request, the answer has a status, a code that never changes, and a \
`Proxy-Status` field with a type registered by RFC 9209. The code is the same in the answer, the \
access log, the metric label and the trace; `pointsman explain CODE` prints what stands here.

Where there is no status, nobody could be answered. *Mid-body*: the response had begun, so the \
connection is reset, to show that bytes are missing. *Log only*: the client had left, or had not yet \
sent a request.
";

/// The reference of all codes as a page of Markdown: a table, then a section a
/// code. A test keeps `docs/errors.md` equal to it.
pub fn catalogue_markdown() -> String {
    let mut page = String::from(PREFACE);
    page.push_str("\n| code | status | RFC 9209 type | stage | what happened |\n");
    page.push_str("|---|---|---|---|---|\n");
    for code in Code::ALL {
        row(&mut page, *code);
    }
    for code in Code::ALL {
        section(&mut page, *code);
    }
    page
}

fn row(page: &mut String, code: Code) {
    let kind = code.proxy_error_type().map_or(String::new(), |kind| format!("`{kind}`"));
    push(
        page,
        format_args!(
            "| [{code}](#{code}) | {} | {kind} | {} | {} |\n",
            code.answer(),
            code.stage(),
            code.summary(),
        ),
    );
}

fn section(page: &mut String, code: Code) {
    let words = code.explanation();
    push(page, format_args!("\n## {code}\n\n**{}**\n\n", words.summary));
    push(page, format_args!("- Title: {}\n- Status: {}\n", code.title(), code.answer()));
    push(page, format_args!("- Look first to: {}\n", code.blame().phrase()));
    if let Some(class) = code.retry_class() {
        push(page, format_args!("- Retried: {}\n", class.phrase()));
    }
    if let Some(seconds) = code.retry_after_s() {
        push(page, format_args!("- Retry-After: {seconds} s\n"));
    }
    push(page, format_args!("\nCause: {}\n\nWhat to do: {}\n", words.cause, words.advice));
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = page.write_fmt(text);
}
