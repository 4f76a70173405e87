//! Which field lines may pass through a proxy at all.
//!
//! Fields that speak to the next hop alone end here (RFC 9110 section 7.6.1),
//! and so does every field that `Connection` names. Both directions share
//! these rules; what is the request's or the response's own business is decided
//! in `derive` and in `respond`.
//!
//! `Trailer` is no hop-by-hop field: RFC 9110 section 6.6.2 lets it outlive
//! even a discarded trailer section. `HTTP2-Settings` is one (RFC 7540 section
//! 3.2.1), and passed on it would let a client talk h2c past the router.

use http::header::{CONNECTION, HeaderName};

use crate::http1::FieldLines;

/// Whether a field speaks to the next hop only, whatever `Connection` says, or
/// frames the body, which the encoder does anew.
pub(crate) fn ends_here(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "content-length"
    )
}

/// Whether the members of a `Connection` value are only those that name no
/// field that would pass: the common case, told without splitting the list.
pub(crate) fn names_nothing_that_passes(connection: &[u8]) -> bool {
    connection.eq_ignore_ascii_case(b"keep-alive") || connection.eq_ignore_ascii_case(b"close")
}

/// The members of a comma-separated list, without the blanks round them; empty
/// ones are left out (RFC 9110 section 5.6.1).
pub(crate) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Whether a `Connection` line among `received` names the field `name`.
pub(crate) fn connection_names(received: &FieldLines, name: &HeaderName) -> bool {
    received
        .all(&CONNECTION)
        .flat_map(|value| members(value.as_bytes()))
        .any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Whether CGI-like servers would take one name for the other: equal once every
/// byte that is neither letter nor digit reads as a dash, but not the same.
pub(crate) fn is_alias(name: &str, of: &str) -> bool {
    fn folded(byte: u8) -> u8 {
        if byte.is_ascii_alphanumeric() { byte } else { b'-' }
    }
    // Most names differ in their first letter.
    name.len() == of.len()
        && name.bytes().zip(of.bytes()).all(|(a, b)| folded(a) == folded(b))
        && name != of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_differs_only_in_what_is_neither_letter_nor_digit() {
        assert!(is_alias("x_forwarded_for", "x-forwarded-for"));
        assert!(is_alias("x-forwarded.for", "x-forwarded-for"));
        assert!(!is_alias("x-forwarded-for", "x-forwarded-for"));
        assert!(!is_alias("x-forwarded-fox", "x-forwarded-for"));
        assert!(!is_alias("x_forwarded_fo", "x-forwarded-for"));
    }

    #[test]
    fn list_members_are_trimmed_and_empty_ones_left_out() {
        let got: Vec<_> = members(b" close ,,\tx-a\t, x-b").collect();
        assert_eq!(got, [b"close".as_slice(), b"x-a", b"x-b"]);
    }

    #[test]
    fn every_connection_line_counts_and_case_does_not() {
        let fields: FieldLines = [("connection", "close"), ("connection", "keep-alive, X-Secret")]
            .into_iter()
            .map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap()))
            .collect();
        assert!(connection_names(&fields, &HeaderName::from_static("x-secret")));
        assert!(!connection_names(&fields, &HeaderName::from_static("x-secre")));
    }
}
