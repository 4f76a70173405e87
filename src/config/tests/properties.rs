//! What holds for any text.

use proptest::prelude::*;

use super::{LISTENER, ROUTE};
use crate::config::{Diagnostics, parse};

/// Words of the format.
const KNOWN: &[&str] = &[
    "[[listener]]",
    "[[route]]",
    "[timeouts]",
    "[limits]",
    "[headers]",
    "[admin]",
    "[route.timeouts]",
    "host",
    "path",
    "endpoints",
    "address",
    "weight",
    "connect",
    "request",
    "request_headers",
    "set",
    "remove",
    "via",
    "timeouts",
    "=",
    "=",
    "=",
    "\n",
    "\n",
    "\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "\"off\"",
    "\"5s\"",
    "\"1h30m\"",
    "\"/a/%2e\"",
    "\"*.a.example\"",
    "\"10.0.0.1:80\"",
    "\"[::1]:80\"",
    "\"64KiB\"",
    "3",
    "-1",
    "1e9",
    "true",
    "ü",
    "\u{feff}",
];

/// Words that reach deep into the reader, and some that only look like it.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,8}"]
}

/// Every diagnostic points into the text, in order, and prints on one line.
fn check(text: &str, diagnostics: &Diagnostics) -> Result<(), TestCaseError> {
    prop_assert!(!diagnostics.entries().is_empty());
    prop_assert!(diagnostics.entries().is_sorted_by_key(|entry| entry.span.start));
    for entry in diagnostics.entries() {
        prop_assert!(entry.span.start <= entry.span.end && entry.span.end <= text.len());
        prop_assert_eq!(entry.line, 1 + text[..entry.span.start].matches('\n').count());
        let line = entry.to_string();
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}|(?s:.{0,200})") {
        if let Err(diagnostics) = parse(&text, "p") {
            check(&text, &diagnostics)?;
        }
    }

    #[test]
    fn no_sequence_of_known_words_makes_the_reader_panic(
        words in proptest::collection::vec(word(), 0..40),
    ) {
        let text = words.join(" ").replace(" \n ", "\n");
        if let Err(diagnostics) = parse(&text, "p") {
            check(&text, &diagnostics)?;
        }
    }

    #[test]
    fn no_value_makes_the_reader_panic(
        key in proptest::sample::select(&[
            "host", "path", "balance", "endpoints", "connect", "request_body_min_rate", "timeouts",
            "request_headers", "metrics",
        ][..]),
        value in "(?s:.{0,30})",
    ) {
        let quoted = toml::Value::String(value).to_string();
        for value in [quoted.clone(), format!("[{quoted}]"), format!("{{ set = {quoted} }}")] {
            let text = format!("{LISTENER}{}{key} = {value}", ROUTE.replace("path", "_"));
            if let Err(diagnostics) = parse(&text, "p") {
                check(&text, &diagnostics)?;
            }
        }
    }
}
