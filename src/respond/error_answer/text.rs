//! `text/plain`: three lines for a terminal.

use super::answer::{Ask, request_id_text, sentences};
use crate::error::RouterError;

/// What happened, why in one sentence, and the request id.
pub(super) fn body(error: &RouterError, ask: &Ask<'_>) -> String {
    let mut out = String::with_capacity(192);
    for part in [error.status().as_str(), " ", error.code.title(), " (", error.code.as_str()] {
        out.push_str(part);
    }
    out.push_str(")\n");
    push_on_one_line(&mut out, &sentences(error, ask));
    out.push_str("\nrequest id: ");
    push_on_one_line(&mut out, &request_id_text(ask));
    out.push('\n');
    out
}

/// Control characters, which could add lines or drive a terminal, become
/// U+FFFD.
fn push_on_one_line(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }));
}
