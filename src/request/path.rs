//! The path of a request, as it is matched and as it is forwarded.
//!
//! Routing looks at the path in one normal form; the endpoint gets the bytes
//! received. That is safe only while both understand the same resource, so the
//! normal form changes as little as RFC 3986 calls equivalent, and what an
//! endpoint could still read differently is refused:
//!
//! - Percent-encoded unreserved characters are decoded (section 6.2.2.2) and
//!   other escapes get upper-case digits (section 6.2.2.1). `%2F`, `%5C`, `;`,
//!   `%00` and empty segments are opaque: data inside a segment, forwarded as
//!   received. Nothing is decoded twice (section 2.4).
//! - Plain `.` and `..` segments are removed (section 5.2.4) from both forms, so
//!   that the endpoint has none left to interpret. Climbing above the root is an
//!   error, not a silent stop there: no honest client resolves a reference that
//!   way.
//! - A `.` or `..` that shows only after decoding (`%2e%2e`, `..%2f`, `..%5c`), or
//!   once path parameters are cut off (`..;x`), or at a backslash, is refused. One
//!   endpoint climbs at it, the next does not, and removing it would pick a side.
//! - A `%` without two digits is forwarded as received: clients send `/50%off`,
//!   and refusing is the app's business. No lenient decoder makes more of it than
//!   a percent sign, so it is matched as `%25`; left alone, it could join decoded
//!   digits to a new escape.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use memchr::{memchr_iter, memchr2_iter};
use thiserror::Error;

/// A path in its normal form, for matching, and in the form to be forwarded.
///
/// The common path (nothing escaped, no segment starting with a dot) borrows
/// the bytes received; nothing is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchPath<'a> {
    received: &'a [u8],
    rewritten: Option<Bytes>,
    forward: Option<Bytes>,
}

/// Why a path has more than one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmbiguousPath {
    /// It does not begin with `/` (RFC 9112 section 3.2.1).
    #[error("the path does not begin with a slash")]
    NotRooted,
    /// More `..` than segments before them.
    #[error("the path climbs above its root with dot segments")]
    AboveRoot,
    /// `%2e%2e`, `..%2f`, `..;x` and the like.
    #[error("the path hides a dot segment behind an encoding, a parameter or a backslash")]
    HiddenDotSegment,
}

impl<'a> MatchPath<'a> {
    /// Reads the path of a request target: origin-form, without the query.
    ///
    /// # Errors
    ///
    /// [`AmbiguousPath`] says what an endpoint could understand differently.
    pub fn parse(received: &'a [u8]) -> Result<Self, AmbiguousPath> {
        if received.first() != Some(&b'/') {
            return Err(AmbiguousPath::NotRooted);
        }
        if is_plain(received) {
            return Ok(Self { received, rewritten: None, forward: None });
        }
        if !has_dot_segments(received)? {
            let rewritten = normalise_escapes(received).map(Bytes::from);
            return Ok(Self { received, rewritten, forward: None });
        }
        let forward = Bytes::from(remove_dot_segments(received)?);
        let rewritten = normalise_escapes(&forward).map_or_else(|| forward.clone(), Bytes::from);
        Ok(Self { received, rewritten: Some(rewritten), forward: Some(forward) })
    }

    /// The path to look routes up by.
    pub fn matching(&self) -> &[u8] {
        self.rewritten.as_deref().unwrap_or(self.received)
    }

    /// The path to look routes up by, if it differs from the bytes received: a
    /// request head that owns those keeps no second copy of them.
    pub fn rewritten(&self) -> Option<Bytes> {
        self.rewritten.clone()
    }

    /// The path to forward, if dot segments were removed; without, the bytes
    /// received are forwarded. The segments left are spelled as received.
    pub fn forward(&self) -> Option<Bytes> {
        self.forward.clone()
    }
}

/// Whether nothing in the path can need work: no escape, and no dot where a
/// segment begins (at a backslash, for endpoints that take it for a slash).
fn is_plain(path: &[u8]) -> bool {
    memchr2_iter(b'%', b'.', path)
        .all(|at| path[at] == b'.' && !matches!(path[at.saturating_sub(1)], b'/' | b'\\'))
}

/// The segments after the leading slash.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path[1..].split(|&byte| byte == b'/')
}

/// Whether there are plain dot segments; an error if there are hidden ones.
fn has_dot_segments(path: &[u8]) -> Result<bool, AmbiguousPath> {
    let mut found = false;
    for segment in segments(path) {
        if matches!(segment, b"." | b"..") {
            found = true;
        } else if hides_dot_segment(segment) {
            return Err(AmbiguousPath::HiddenDotSegment);
        }
    }
    Ok(found)
}

/// Whether the most lenient endpoint would find a dot segment in here: one that
/// decodes everything before it splits, takes `\` for `/`, and ends a name at a
/// parameter, a query, a fragment or a NUL.
fn hides_dot_segment(segment: &[u8]) -> bool {
    let mut dots = Some(0_usize);
    for byte in decoded(segment) {
        match byte {
            b'/' | b'\\' | b';' | b'?' | b'#' | b'\0' => {
                if matches!(dots, Some(1 | 2)) {
                    return true;
                }
                dots = matches!(byte, b'/' | b'\\').then_some(0);
            }
            b'.' => dots = dots.map(|dots| dots + 1),
            _ => dots = None,
        }
    }
    matches!(dots, Some(1 | 2))
}

/// Every byte, with all escapes decoded once.
fn decoded(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        let escape = if byte == b'%' { escaped(bytes, at) } else { None };
        at += if escape.is_some() { 3 } else { 1 };
        Some(escape.unwrap_or(byte))
    })
}

/// The path without its plain dot segments (RFC 3986 section 5.2.4); as there,
/// one at the end leaves a slash.
fn remove_dot_segments(path: &[u8]) -> Result<Vec<u8>, AmbiguousPath> {
    let mut kept = Vec::with_capacity(path.len());
    let mut ends_in_dots = false;
    for segment in segments(path) {
        ends_in_dots = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => {
                let parent = kept.iter().rposition(|&byte| byte == b'/');
                kept.truncate(parent.ok_or(AmbiguousPath::AboveRoot)?);
            }
            _ => {
                kept.push(b'/');
                kept.extend_from_slice(segment);
            }
        }
    }
    if ends_in_dots {
        kept.push(b'/');
    }
    Ok(kept)
}

/// The path with unreserved characters decoded, other escapes in upper case and
/// each `%` that begins no escape as `%25`; nothing if it is like that already.
fn normalise_escapes(path: &[u8]) -> Option<Vec<u8>> {
    let mut normal = Vec::new();
    let mut copied = 0;
    for at in memchr_iter(b'%', path) {
        let Some(byte) = escaped(path, at) else {
            normal.extend_from_slice(&path[copied..at]);
            normal.extend_from_slice(b"%25");
            copied = at + 1;
            continue;
        };
        let digits = &path[at + 1..at + 3];
        if is_unreserved(byte) {
            normal.extend_from_slice(&path[copied..at]);
            normal.push(byte);
            copied = at + 3;
        } else if digits.iter().any(u8::is_ascii_lowercase) {
            normal.extend_from_slice(&path[copied..=at]);
            normal.extend(digits.iter().map(u8::to_ascii_uppercase));
            copied = at + 3;
        }
    }
    // A path begins with a slash, so the first change is not at its start.
    if copied == 0 {
        return None;
    }
    normal.extend_from_slice(&path[copied..]);
    Some(normal)
}

/// The byte the escape at `at` stands for, if the `%` there begins one.
fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let value = digit(at + 1)? * 16 + digit(at + 2)?;
    u8::try_from(value).ok()
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
