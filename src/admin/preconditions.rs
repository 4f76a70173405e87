//! Conditional requests (RFC 9110 section 13): "if it is still what I saw".
//!
//! None is required: a PUT gives the whole route, so that the last one counts.
//! Who needs to know that nobody was there in between says so with `If-Match`,
//! and who wants to create and not replace with `If-None-Match: *`.

use axum::http::{HeaderMap, Method, StatusCode, header};

/// What a request's conditions say about the representation there is now, by
/// its strong entity tag, quotes included: a status to answer with instead, in
/// the order of section 13.2.2.
pub(super) fn refused(
    method: &Method,
    fields: &HeaderMap,
    current: Option<&str>,
) -> Option<StatusCode> {
    if let Some(list) = list(fields, header::IF_MATCH) {
        // Strong comparison: a weak tag matches nothing.
        if !matches(&list, current, |tag, current| tag == current) {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
    }
    if let Some(list) = list(fields, header::IF_NONE_MATCH) {
        let weakly = |tag: &str, current: &str| tag.strip_prefix("W/").unwrap_or(tag) == current;
        if matches(&list, current, weakly) {
            let read = matches!(*method, Method::GET | Method::HEAD);
            return Some(if read {
                StatusCode::NOT_MODIFIED
            } else {
                StatusCode::PRECONDITION_FAILED
            });
        }
    }
    None
}

/// The field's value, all its lines as one list.
fn list(fields: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let lines = fields.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let lines: Vec<_> = lines.collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn matches(list: &str, current: Option<&str>, same: impl Fn(&str, &str) -> bool) -> bool {
    let Some(current) = current else { return false };
    list.trim() == "*" || tags(list).any(|tag| same(tag, current))
}

/// The entity tags of a list (RFC 9110 section 8.8.3). A tag may hold commas.
fn tags(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let quote = if rest.starts_with("W/") { 2 } else { 0 };
        let inside = rest.get(quote..)?.strip_prefix('"')?;
        let end = quote + 1 + inside.find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, fields: &[(&str, &str)], current: Option<&str>) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        refused(&method, &map, current).map(|status| status.as_u16())
    }

    #[test]
    fn if_match_lets_through_what_is_still_as_it_was_seen() {
        let put = |value| status(Method::PUT, &[("if-match", value)], Some("\"a,b\""));
        assert_eq!(put("\"a,b\""), None);
        assert_eq!(put("\"x\", \"a,b\""), None);
        assert_eq!(put("*"), None);
        assert_eq!(put("\"a\""), Some(412));
        assert_eq!(put("W/\"a,b\""), Some(412), "the comparison is strong");
        assert_eq!(put("a,b"), Some(412), "no tag at all");
        assert_eq!(status(Method::PUT, &[("if-match", "*")], None), Some(412));
        assert_eq!(status(Method::DELETE, &[("if-match", "\"a\"")], None), Some(412));
    }

    #[test]
    fn if_none_match_lets_create_and_spares_reading_again() {
        let star = [("if-none-match", "*")];
        assert_eq!(status(Method::PUT, &star, None), None);
        assert_eq!(status(Method::PUT, &star, Some("\"a\"")), Some(412));
        let seen = [("if-none-match", "W/\"a\"")];
        assert_eq!(status(Method::GET, &seen, Some("\"a\"")), Some(304));
        assert_eq!(status(Method::HEAD, &seen, Some("\"a\"")), Some(304));
        assert_eq!(status(Method::GET, &seen, Some("\"b\"")), None);
        assert_eq!(status(Method::PUT, &seen, Some("\"a\"")), Some(412));
    }

    #[test]
    fn if_match_comes_first_and_all_lines_count() {
        let both = [("if-match", "\"x\""), ("if-none-match", "\"a\"")];
        assert_eq!(status(Method::GET, &both, Some("\"a\"")), Some(412));
        let lines = [("if-match", "\"x\""), ("if-match", "\"a\"")];
        assert_eq!(status(Method::PUT, &lines, Some("\"a\"")), None);
    }
}
