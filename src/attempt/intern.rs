//! Names and values of the configuration, kept for the life of the process.
//!
//! A name or value that is not static counts its references, and one that all
//! workers put into every head would make them write one cache line per
//! request. So what comes from the configuration is made static: each distinct
//! text is leaked once and found again at the next reload. What leaks is
//! bounded by the texts that operators ever configure.

use std::collections::HashSet;
use std::sync::LazyLock;

use http::header::{HeaderName, HeaderValue};
use parking_lot::Mutex;

static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

fn text(text: &str) -> &'static str {
    let mut texts = TEXTS.lock();
    if let Some(known) = texts.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.into());
    texts.insert(kept);
    kept
}

/// The same name; cloning it counts nothing.
pub(crate) fn name(name: &HeaderName) -> HeaderName {
    HeaderName::from_static(text(name.as_str()))
}

/// The same value; cloning it counts nothing. One with bytes outside ASCII
/// stays as it is.
pub(crate) fn value(value: &HeaderValue) -> HeaderValue {
    let mut kept = match value.to_str() {
        Ok(plain) => HeaderValue::from_static(text(plain)),
        Err(_) => value.clone(),
    };
    kept.set_sensitive(value.is_sensitive());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once() {
        let one = text("x-of-the-test");
        assert!(std::ptr::eq(one, text(&String::from("x-of-the-test"))));
    }

    #[test]
    fn names_and_values_stay_the_same() {
        let own = HeaderName::from_bytes(b"X-Request-Id").unwrap();
        assert_eq!(name(&own), own);
        assert_eq!(name(&http::header::VIA), http::header::VIA);
        for text in ["1.1 pointsman-1", "caf\u{e9}", ""] {
            let own = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(value(&own), own);
        }
    }
}
