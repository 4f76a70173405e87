//! Any text as a configuration: refused with diagnostics that point into it,
//! or settings a router can be made of.

use pointsman::Router;
use pointsman::config::{Diagnostics, effective, parse};

/// The text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text, "p") {
        Err(diagnostics) => check(text, &diagnostics),
        Ok(settings) => {
            let shown = effective(&settings).to_string();
            assert!(!shown.is_empty());
            if let Err(error) = Router::new(settings) {
                panic!("settings that no router can be made of: {error}");
            }
        }
    }
}

/// Every diagnostic points into the text, in order, and prints on one line.
fn check(text: &str, diagnostics: &Diagnostics) {
    assert!(!diagnostics.entries().is_empty());
    assert!(diagnostics.entries().is_sorted_by_key(|entry| entry.span.start));
    for entry in diagnostics.entries() {
        assert!(entry.span.start <= entry.span.end && entry.span.end <= text.len());
        assert!(text.is_char_boundary(entry.span.start) && text.is_char_boundary(entry.span.end));
        let before = &text[..entry.span.start];
        assert_eq!(entry.line, 1 + before.matches('\n').count());
        assert!(entry.column >= 1 && entry.column <= before.chars().count() + 1);
        let line = entry.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
