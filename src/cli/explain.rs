//! `pointsman explain`: what an error code means.
//!
//! Text in, text out: printing it and the exit code are the caller's.

use std::fmt::Write as _;

use crate::error::{Answer, Code, UnknownCode};

/// Where running text is broken.
const LINE_CHARS: usize = 78;

/// The explanation of one code, or without a code the list of all.
///
/// # Errors
///
/// [`UnknownCode`] if there is no such code; it names those that come near.
pub fn explain(code: Option<&str>) -> Result<String, UnknownCode> {
    Ok(match code {
        Some(code) => one(code.parse()?),
        None => all(),
    })
}

fn all() -> String {
    let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    let mut out = String::new();
    for code in Code::ALL {
        let status = match code.answer() {
            Answer::Status(status) => status.as_str().to_owned(),
            Answer::LogOnly(Some(status)) => format!("({status})"),
            Answer::MidBody | Answer::LogOnly(None) | Answer::LastAttempt => "-".to_owned(),
        };
        push(&mut out, format_args!("{code:width$}  {status:5}  {}\n", code.summary()));
    }
    out.push_str(
        "\n`pointsman explain CODE` says more. \"-\": no status of its own; (499): only logged.\n",
    );
    out
}

fn one(code: Code) -> String {
    let words = code.explanation();
    let mut out = format!("{code}: {}\n\n", code.title());
    push_wrapped(&mut out, words.summary);
    out.push('\n');
    let mut fact = |name, text: &str| push(&mut out, format_args!("{name:<15}{text}\n"));
    fact("status", &status(code));
    if let Some(kind) = code.proxy_error_type() {
        fact("Proxy-Status", &format!("error={kind}"));
    }
    if let Some(seconds) = code.retry_after_s() {
        fact("Retry-After", &format!("{seconds} s"));
    }
    fact("stage", code.stage().as_str());
    fact("look first to", code.blame().phrase());
    if let Some(class) = code.retry_class() {
        fact("retried", class.phrase());
    }
    for (heading, text) in [("Cause", words.cause), ("What to do", words.advice)] {
        push(&mut out, format_args!("\n{heading}\n"));
        push_wrapped(&mut out, text);
    }
    out
}

fn status(code: Code) -> String {
    match code.answer() {
        Answer::Status(status) => {
            format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default())
        }
        Answer::MidBody => "none: the response had begun, and is cut off".to_owned(),
        Answer::LogOnly(Some(status)) => format!("none: nobody to answer; logged as {status}"),
        Answer::LogOnly(None) => "none: there was no request yet".to_owned(),
        Answer::LastAttempt => "the last attempt's".to_owned(),
    }
}

/// Appends text broken between words, indented by two.
fn push_wrapped(out: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split(' ') {
        let chars = word.chars().count();
        if column == 0 || column + 1 + chars > LINE_CHARS {
            out.push_str(if column == 0 { "  " } else { "\n  " });
            column = 2 + chars;
        } else {
            out.push(' ');
            column += 1 + chars;
        }
        out.push_str(word);
    }
    out.push('\n');
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
