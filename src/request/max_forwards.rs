//! `Max-Forwards`: how many hops an OPTIONS may still make (RFC 9110 section
//! 7.6.2). TRACE, the other method it counts for, goes nowhere.

use http::Method;
use http::header::{HeaderValue, MAX_FORWARDS};

use crate::http1::FieldLines;

/// Whether this request may go no further: who has it answers it.
pub(crate) fn ends_here(method: &Method, fields: &FieldLines) -> bool {
    *method == Method::OPTIONS
        && fields.all(&MAX_FORWARDS).any(|value| hops(value.as_bytes()) == Some(0))
}

/// The value it goes on with, one hop less; `None` if it stays as it is: for
/// other methods, and where it is no number.
pub(crate) fn one_less(method: &Method, value: &[u8]) -> Option<HeaderValue> {
    let hops = hops(value).filter(|_| *method == Method::OPTIONS)?;
    Some(HeaderValue::from(hops.saturating_sub(1)))
}

/// The number; one too large to be counted is the largest that can.
fn hops(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(values: &[&'static str]) -> FieldLines {
        values.iter().map(|value| (MAX_FORWARDS, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_options_ends_where_no_hop_is_left() {
        for (values, ends) in
            [(&["0"][..], true), (&["00"], true), (&["3", "0"], true), (&["1"], false)]
        {
            assert_eq!(ends_here(&Method::OPTIONS, &fields(values)), ends, "{values:?}");
        }
        for none in [&[][..], &[""], &["-0"], &["+0"], &["0, 0"], &["x"]] {
            assert!(!ends_here(&Method::OPTIONS, &fields(none)), "{none:?}");
        }
        assert!(!ends_here(&Method::GET, &fields(&["0"])));
    }

    #[test]
    fn one_hop_is_taken_off_for_options_alone() {
        let left = |value: &str| {
            let value = one_less(&Method::OPTIONS, value.as_bytes());
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(left("10").as_deref(), Some("9"));
        assert_eq!(left("99999999999999999999").as_deref(), Some("18446744073709551614"));
        assert_eq!(left("ten"), None);
        assert_eq!(one_less(&Method::GET, b"10"), None);
    }
}
