//! Which form the body takes (RFC 9110 section 12.5.1).
//!
//! Each form takes its weight from the most specific media range that matches
//! it. Among forms of equal weight, one that was named goes before one that
//! only a wildcard lets in, then the one named first, then text: so browsers
//! get the page, API clients problem details, and `*/*` or no `Accept` text.
//! If nothing is acceptable the field is disregarded, as the RFC allows: an
//! error in the wrong form says more than a 406 in its place.

use std::cmp::Reverse;

use http::header;

use crate::http1::FieldLines;

/// A form the body can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `text/plain`
    Text,
    /// `application/problem+json`
    Problem,
    /// `text/html`
    Html,
}

impl Media {
    /// In the order of the router's own preference.
    const ALL: [Self; 3] = [Self::Text, Self::Problem, Self::Html];

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Problem => "application/problem+json",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    const fn kind(self) -> &'static [u8] {
        match self {
            Self::Text | Self::Html => b"text",
            Self::Problem => b"application",
        }
    }

    const fn subtype(self) -> &'static [u8] {
        match self {
            Self::Text => b"plain",
            Self::Problem => b"problem+json",
            Self::Html => b"html",
        }
    }
}

/// How closely a media range names a form; closer ones decide its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// `*/*`
    Anything,
    /// `text/*`
    Kind,
    /// `application/json`, which problem details are too.
    Family,
    /// The type itself.
    Type,
    /// The type with a parameter that it has.
    Parameters,
}

/// The best match seen for one form.
#[derive(Clone, Copy)]
struct Match {
    closeness: Closeness,
    /// Thousandths.
    weight: u16,
    /// Which of the ranges it was.
    position: usize,
}

/// The form for a request with these field lines.
pub(super) fn choose(fields: Option<&FieldLines>) -> Media {
    let Some(fields) = fields else { return Media::Text };
    let mut best = [None::<Match>; Media::ALL.len()];
    let lines = fields.all(&header::ACCEPT);
    let ranges = lines.flat_map(|line| split(line.as_bytes(), b',')).filter_map(MediaRange::parse);
    for (position, range) in ranges.enumerate() {
        for (media, best) in Media::ALL.into_iter().zip(&mut best) {
            let Some(closeness) = range.closeness_to(media) else { continue };
            if best.is_none_or(|best| closeness > best.closeness) {
                *best = Some(Match { closeness, weight: range.weight, position });
            }
        }
    }
    let acceptable = Media::ALL
        .into_iter()
        .zip(best)
        .filter_map(|(media, best)| best.filter(|best| best.weight > 0).map(|best| (media, best)));
    acceptable
        .min_by_key(|(_, best)| {
            let named = best.closeness >= Closeness::Family;
            (Reverse(best.weight), Reverse(named), best.position)
        })
        .map_or(Media::Text, |(media, _)| media)
}

/// One element of `Accept`.
struct MediaRange<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    /// Thousandths.
    weight: u16,
    /// Whether it has `charset=utf-8`, the only parameter a form of ours has.
    utf8: bool,
}

impl<'a> MediaRange<'a> {
    /// `None` for what is malformed, or asks for a parameter no form has.
    fn parse(element: &'a [u8]) -> Option<Self> {
        let mut parts = split(element, b';').map(<[u8]>::trim_ascii);
        let name = parts.next()?;
        let slash = name.iter().position(|b| *b == b'/')?;
        let (kind, subtype) = (&name[..slash], &name[slash + 1..]);
        let mut range = Self { kind, subtype, weight: 1000, utf8: false };
        for part in parts.filter(|part| !part.is_empty()) {
            let equals = part.iter().position(|b| *b == b'=')?;
            let (name, value) = (&part[..equals], &part[equals + 1..]);
            if name.eq_ignore_ascii_case(b"q") {
                // What follows the weight are extensions nobody uses.
                range.weight = weight(value)?;
                break;
            }
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            let known =
                name.eq_ignore_ascii_case(b"charset") && value.eq_ignore_ascii_case(b"utf-8");
            if !known {
                return None;
            }
            range.utf8 = true;
        }
        Some(range)
    }

    fn closeness_to(&self, media: Media) -> Option<Closeness> {
        if self.kind == b"*" && self.subtype == b"*" {
            return Some(Closeness::Anything);
        }
        if !self.kind.eq_ignore_ascii_case(media.kind()) {
            return None;
        }
        if self.subtype == b"*" {
            return Some(Closeness::Kind);
        }
        if self.subtype.eq_ignore_ascii_case(media.subtype()) {
            return Some(if self.utf8 { Closeness::Parameters } else { Closeness::Type });
        }
        let family = media == Media::Problem && self.subtype.eq_ignore_ascii_case(b"json");
        family.then_some(Closeness::Family)
    }
}

/// A weight in thousandths: 0 to 1, with decimals past the third ignored.
fn weight(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] | [whole, b'.'] => (*whole, &[][..]),
        [whole, b'.', decimals @ ..] => (*whole, decimals),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| decimals.get(at).map_or(0, |d| u16::from(d - b'0'));
    let thousandths = u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (thousandths <= 1000).then_some(thousandths)
}

/// The parts of `text` between separators that stand outside quoted strings.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return !quoted && *byte == separator,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(accept: &[&str]) -> Media {
        let fields = accept
            .iter()
            .map(|value| (header::ACCEPT, HeaderValue::from_str(value).unwrap()))
            .collect();
        choose(Some(&fields))
    }

    #[test]
    fn without_a_wish_it_is_text() {
        assert_eq!(choose(None), Media::Text);
        for accept in [&[][..], &[""], &["*/*"], &["*/*;q=0.1"], &["text/*"], &["text/*, */*"]] {
            assert_eq!(chosen(accept), Media::Text, "{accept:?}");
        }
    }

    #[test]
    fn the_closest_range_counts_and_of_two_as_close_the_first() {
        assert_eq!(chosen(&["text/*;q=0.1, */*;q=0.9"]), Media::Problem);
        let twice = "text/html;q=0.1, application/problem+json;q=0.5, text/html;q=0.9";
        assert_eq!(chosen(&[twice]), Media::Problem);
    }

    #[test]
    fn a_backslash_escapes_within_quotes_alone() {
        let parts: Vec<_> = split(br#"a\,b;c="\",d",e"#, b',').collect();
        assert_eq!(parts, [br"a\".as_slice(), br#"b;c="\",d""#, b"e"]);
    }

    #[test]
    fn browsers_get_the_page() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "text/html, application/xhtml+xml, image/jxr, */*",
            "TEXT/HTML",
            "text/html;charset=UTF-8",
        ] {
            assert_eq!(chosen(&[accept]), Media::Html, "{accept}");
        }
    }

    #[test]
    fn api_clients_get_problem_details() {
        for accept in [
            "application/problem+json",
            "application/json",
            "application/*",
            "application/json, text/plain, */*",
            "application/json, text/javascript, */*; q=0.01",
            "application/*;q=0.9, text/html;q=0.8",
        ] {
            assert_eq!(chosen(&[accept]), Media::Problem, "{accept}");
        }
    }

    #[test]
    fn images_and_what_else_we_have_not_get_text() {
        for accept in ["image/avif,image/webp,*/*;q=0.8", "image/png", "text/css,*/*;q=0.1"] {
            assert_eq!(chosen(&[accept]), Media::Text, "{accept}");
        }
    }

    #[test]
    fn the_greater_weight_wins_wherever_it_stands() {
        assert_eq!(chosen(&["text/html;q=0.4, application/json;q=0.5"]), Media::Problem);
        assert_eq!(chosen(&["text/html;q=0.501, application/json;q=0.5"]), Media::Html);
        assert_eq!(chosen(&["text/html;q=0.4", "text/plain;q=0.39", "*/*;q=0.1"]), Media::Html);
    }

    #[test]
    fn the_closest_range_decides_the_weight_of_a_form() {
        assert_eq!(chosen(&["text/*, text/plain;q=0"]), Media::Html);
        assert_eq!(chosen(&["*/*, text/plain;q=0"]), Media::Problem);
        assert_eq!(chosen(&["text/plain;q=0, */*, application/*;q=0"]), Media::Html);
        assert_eq!(chosen(&["application/problem+json;q=0, application/json"]), Media::Text);
        assert_eq!(chosen(&["text/html;q=0.1, text/html;charset=utf-8;q=0.9, text/*;q=0.5"]), {
            Media::Html
        });
    }

    #[test]
    fn among_equals_the_first_named_wins() {
        assert_eq!(chosen(&["text/plain, application/json"]), Media::Text);
        assert_eq!(chosen(&["application/json, text/plain"]), Media::Problem);
        assert_eq!(chosen(&["*/*, text/html"]), Media::Html);
    }

    #[test]
    fn nothing_acceptable_is_as_good_as_no_wish() {
        for accept in ["*/*;q=0", "text/plain;q=0", "text/plain;q=0.000"] {
            assert_eq!(chosen(&[accept]), Media::Text, "{accept}");
        }
    }

    #[test]
    fn malformed_ranges_are_passed_over() {
        for accept in ["text/html;q=2", "text/html;q=", "text/html;q=x", "text/html;q=0.5x", "html"]
        {
            assert_eq!(chosen(&[accept, "*/*;q=0.1"]), Media::Text, "{accept}");
        }
    }

    #[test]
    fn a_range_for_a_variant_we_have_not_matches_nothing() {
        assert_eq!(chosen(&["text/html;level=1, application/json;q=0.1"]), Media::Problem);
        assert_eq!(chosen(&["text/html;charset=latin1, text/plain;q=0.1"]), Media::Text);
    }

    #[test]
    fn separators_in_quoted_strings_do_not_separate() {
        let parts: Vec<_> = split(br#"a;x="1,\",2",b"#, b',').collect();
        assert_eq!(parts, [&br#"a;x="1,\",2""#[..], b"b"]);
        assert_eq!(chosen(&[r#"a/b;x=",text/html,", application/json;q=0.1"#]), Media::Problem);
    }

    #[test]
    fn weights_are_read_in_thousandths() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.05", Some(50)),
            ("0.1239", Some(123)),
            ("1.001", None),
            ("", None),
            (".5", None),
            ("0,5", None),
            ("-1", None),
        ] {
            assert_eq!(weight(text.as_bytes()), expected, "{text}");
        }
    }
}
