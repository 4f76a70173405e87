//! The paths a route is for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::request::MatchPath;

/// A prefix of whole path segments: `/api` is for `/api`, `/api/` and `/api/v1`,
/// never for `/apix`. `/` is for every path. A slash at the end changes nothing.
///
/// Held in the form paths are matched in ([`MatchPath`]), so `/%61pi` and `/api`
/// are the same prefix. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(
    /// Without the slash at the end; the root is nothing, and needs no allocation.
    Option<Arc<str>>,
);

/// Why a text is no path prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPathPrefix {
    /// `api`, or nothing at all.
    #[error("a path prefix begins with /")]
    NotRooted,
    /// A byte of no URI path (RFC 3986 section 3.3), `?` and `#` among them.
    #[error("a path holds the byte {} only percent-encoded", .0.escape_ascii())]
    ForbiddenByte(u8),
    /// `%` without two digits.
    #[error("a % needs two hexadecimal digits after it; the sign itself is %25")]
    Escape,
    /// `/a//b`: paths like that are matched as they are, so this would be for
    /// almost none.
    #[error("a path prefix has no empty segments (//)")]
    EmptySegment,
    /// `/a/../b`, `/%2e`, `/..;x`: removed or refused in requests.
    #[error("a path prefix has no dot segments, plain or hidden")]
    DotSegment,
}

impl PathPrefix {
    /// `/`: every path.
    pub const ROOT: Self = Self(None);

    /// The prefix as matched: empty for the root, else without slash at the end.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default().as_bytes()
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPathPrefix> {
        if !text.starts_with('/') {
            return Err(InvalidPathPrefix::NotRooted);
        }
        if let Some(byte) = text.bytes().find(|&byte| !stands_in_paths(byte)) {
            return Err(InvalidPathPrefix::ForbiddenByte(byte));
        }
        if text.contains("//") {
            return Err(InvalidPathPrefix::EmptySegment);
        }
        if text.split('%').skip(1).any(|after| !begins_with_two_digits(after)) {
            return Err(InvalidPathPrefix::Escape);
        }
        let path = MatchPath::parse(text.as_bytes()).map_err(|_| InvalidPathPrefix::DotSegment)?;
        if path.forward().is_some() {
            return Err(InvalidPathPrefix::DotSegment);
        }
        let matching = String::from_utf8_lossy(path.matching());
        let prefix = matching.strip_suffix('/').unwrap_or(&matching);
        Ok(Self((!prefix.is_empty()).then(|| prefix.into())))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("/"))
    }
}

impl fmt::Debug for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `pchar`, `/` and the `%` of an escape (RFC 3986 section 3.3): all of it ASCII.
fn stands_in_paths(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
}

fn begins_with_two_digits(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_shown_in_the_form_paths_are_matched_in() {
        for (text, shown) in [
            ("/", "/"),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/%61pi", "/api"),
            ("/a%2fb", "/a%2Fb"),
            ("/a;v=1", "/a;v=1"),
            ("/.well-known", "/.well-known"),
            ("/Api/v1", "/Api/v1"),
        ] {
            let prefix: PathPrefix = text.parse().unwrap();
            assert_eq!(prefix.to_string(), shown);
            assert_eq!(shown.parse(), Ok(prefix));
        }
    }

    #[test]
    fn prefixes_no_request_could_have_are_refused_by_their_reason() {
        for (text, reason) in [
            ("", InvalidPathPrefix::NotRooted),
            ("api", InvalidPathPrefix::NotRooted),
            ("*", InvalidPathPrefix::NotRooted),
            ("/a b", InvalidPathPrefix::ForbiddenByte(b' ')),
            ("/a?b", InvalidPathPrefix::ForbiddenByte(b'?')),
            ("/a#b", InvalidPathPrefix::ForbiddenByte(b'#')),
            ("/a\\b", InvalidPathPrefix::ForbiddenByte(b'\\')),
            ("/é", InvalidPathPrefix::ForbiddenByte(0xc3)),
            ("/50%", InvalidPathPrefix::Escape),
            ("/%4", InvalidPathPrefix::Escape),
            ("/%zz", InvalidPathPrefix::Escape),
            ("/%%41", InvalidPathPrefix::Escape),
            ("//", InvalidPathPrefix::EmptySegment),
            ("/a//b", InvalidPathPrefix::EmptySegment),
            ("/a/../b", InvalidPathPrefix::DotSegment),
            ("/..", InvalidPathPrefix::DotSegment),
            ("/.", InvalidPathPrefix::DotSegment),
            ("/%2e%2e/a", InvalidPathPrefix::DotSegment),
            ("/..;x", InvalidPathPrefix::DotSegment),
        ] {
            assert_eq!(text.parse::<PathPrefix>(), Err(reason), "{text:?}");
        }
    }
}
