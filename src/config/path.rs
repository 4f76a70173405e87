//! Paths in the file, brought to the form lookups use.
//!
//! Requests are matched after unreserved characters are decoded and dot
//! segments removed (see [`MatchPath`](crate::request::MatchPath)), so a prefix
//! written with an encoded letter means the plain one, and one with dot segments
//! could never match.

use super::findings::{Fault, quoted};
use crate::route::PathPrefix;

/// A prefix of whole segments: `/api/` and `/api` are the same, `/` is all.
/// What the table takes has the last word, so that nothing accepted here is
/// refused there.
pub(super) fn normalise_prefix(text: &str) -> Result<String, Fault> {
    let path = check_path(text)?;
    if path.contains("//") {
        let mut single = path;
        while single.contains("//") {
            single = single.replace("//", "/");
        }
        let fault = Fault::new(format!("{} has an empty segment", quoted(text)));
        return Err(fault.help(format!("write {}", quoted(&single))));
    }
    match path.parse::<PathPrefix>() {
        Ok(prefix) => Ok(prefix.to_string()),
        Err(error) => Err(Fault::new(format!("{}: {error}", quoted(text)))),
    }
}

/// A warning for a prefix that is written as a pattern of another router: here
/// `*` and `:id` stand for themselves, and what is below a prefix is its anyway.
pub(super) fn pattern_warning(prefix: &str) -> Option<Fault> {
    let is_pattern = |segment: &str| segment.contains('*') || segment.starts_with(':');
    let plain: Vec<_> = prefix.split('/').take_while(|segment| !is_pattern(segment)).collect();
    let plain = match plain.join("/") {
        all if all == prefix => return None,
        root if root.is_empty() => "/".to_owned(),
        above => above,
    };
    let fault =
        Fault::new(format!("{} is matched letter by letter, not as a pattern", quoted(prefix)));
    Some(fault.help(format!("write {} for all that is below it", quoted(&plain))))
}

/// A path with its unreserved characters decoded.
pub(super) fn check_path(text: &str) -> Result<String, Fault> {
    let shown = quoted(text);
    if !text.starts_with('/') {
        let fault = Fault::new(format!("{shown} does not start with \"/\""));
        let help = if text.contains("://") {
            "write the path alone, and the host beside it".to_owned()
        } else {
            format!("write {}", quoted(&format!("/{text}")))
        };
        return Err(fault.help(help));
    }
    if let Some(end) = text.find(['?', '#']) {
        let what = if text[end..].starts_with('?') { "a query" } else { "a fragment" };
        let fault = Fault::new(format!("{shown} contains {what}, which routes do not look at"));
        return Err(fault.help(format!("write {}", quoted(&text[..end]))));
    }
    if let Some(strange) = text.chars().find(|c| !c.is_ascii_graphic()) {
        let fault = Fault::new(format!("{shown} contains {strange:?}"));
        return Err(fault.help(format!("percent-encode it: {}", encoded(strange))));
    }
    let path = decode_unreserved(text)?;
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Fault::new(format!("{shown} contains a dot segment, so nothing can match it")));
    }
    Ok(path)
}

fn encoded(c: char) -> String {
    c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Decodes `%41` and the like (RFC 3986 section 2.3) and leaves every other
/// triplet as it is: those are opaque.
fn decode_unreserved(text: &str) -> Result<String, Fault> {
    let mut path = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('%') {
        let digits = after.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        let (Some(digits), Some(byte)) = (digits, byte) else {
            return Err(Fault::new(format!(
                "{} has a \"%\" that is not followed by two hexadecimal digits",
                quoted(text)
            ))
            .help("a percent sign itself is written \"%25\""));
        };
        path.push_str(plain);
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push_str(digits);
        }
        rest = &after[2..];
    }
    path.push_str(rest);
    Ok(path)
}
