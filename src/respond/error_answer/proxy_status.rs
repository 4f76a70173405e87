//! `Proxy-Status` (RFC 9209), a structured field (RFC 9651).

use std::fmt::Write as _;

use http::HeaderValue;

use super::answer::{Ask, sentences};
use crate::error::RouterError;

/// `details` is cut here, so that the field stays well below what any client
/// takes.
const DETAILS_CHARS: usize = 512;

/// `pointsman; error=TYPE; details="CODE sentence"`, with `next-hop` if
/// endpoints may be shown and `received-status` if there was one.
pub(super) fn value(error: &RouterError, ask: &Ask<'_>) -> HeaderValue {
    let mut field = String::with_capacity(192);
    if is_token(ask.proxy_name) {
        field.push_str(ask.proxy_name);
    } else {
        push_string(&mut field, ask.proxy_name);
    }
    field.push_str("; error=");
    field.push_str(error.proxy_error_type());
    field.push_str("; details=");
    push_string(&mut field, &format!("{} {}", error.code, sentences(error, ask)));
    // Writing to a String cannot fail.
    if let Some(endpoint) = error.next_hop.filter(|_| ask.expose_endpoints) {
        let _ = write!(field, "; next-hop=\"{endpoint}\"");
    }
    if let Some(status) = error.received_status {
        let _ = write!(field, "; received-status={status}");
    }
    // Only ASCII from 0x20 to 0x7e was pushed, which every field value may hold.
    HeaderValue::try_from(field).expect("a structured field is a field value")
}

/// RFC 9651 section 3.3.4: begins with a letter or `*`, then tchar, `:` or `/`.
fn is_token(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'*')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b))
}

/// RFC 9651 section 3.3.3: printable ASCII, with `"` and `\` escaped. What
/// does not fit in (control characters, other scripts) becomes `?`.
fn push_string(field: &mut String, text: &str) {
    field.push('"');
    for c in text.chars().take(DETAILS_CHARS) {
        match c {
            '"' | '\\' => field.extend(['\\', c]),
            ' '..='~' => field.push(c),
            _ => field.push('?'),
        }
    }
    field.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_and_kept_to_printable_ascii() {
        let mut field = String::new();
        push_string(&mut field, "a \"b\" \\ c\r\nd é\u{7f}");
        assert_eq!(field, r#""a \"b\" \\ c??d ??""#);
    }

    #[test]
    fn strings_are_cut_at_their_limit() {
        let mut field = String::new();
        push_string(&mut field, &"x".repeat(10_000));
        assert_eq!(field.len(), DETAILS_CHARS + 2);
    }

    #[test]
    fn a_name_that_is_no_token_is_told_from_one() {
        for token in ["pointsman", "*", "a.b:c/d"] {
            assert!(is_token(token), "{token}");
        }
        for other in ["", "1a", "a b", "a;b", "é", "a\"b"] {
            assert!(!is_token(other), "{other}");
        }
    }
}
