//! What could be read of a refused request.

use bytes::Bytes;
use http::Method;
use http::header::{HeaderName, HeaderValue};

use super::octets::{first_forbidden, trim};
use super::{FieldLines, HeadLimits, MAX_METHOD_BYTES};

/// The longest piece of a refused request's target that is kept, in bytes.
pub const MAX_SEEN_TARGET_BYTES: usize = 1024;

/// The readable parts of a request head refused, or not finished in time: good
/// for the log and to choose between HTML, JSON and text, and for nothing else.
/// No part of it was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenHead {
    /// The method, if the line begins with one.
    pub method: Option<Method>,
    /// The target, cut off at [`MAX_SEEN_TARGET_BYTES`] and at the first
    /// control byte.
    pub target: Option<Bytes>,
    /// The version a whole request line ends with, as it was sent: of a protocol
    /// that is not spoken here too.
    pub version: Option<Box<str>>,
    /// Those whole field lines that are well-formed, up to the limit of lines.
    pub fields: FieldLines,
}

impl SeenHead {
    /// Reads what can be read, copying it: the bytes of a refused head should
    /// not be held by a log entry.
    pub(super) fn salvage(head: &[u8], limits: &HeadLimits) -> Self {
        let mut lines = head.split(|&byte| byte == b'\n').peekable();
        let line = lines.next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut words = line.split(|&byte| byte == b' ');
        let method = words
            .next()
            .filter(|word| word.len() <= MAX_METHOD_BYTES)
            .and_then(|word| Method::from_bytes(word).ok());
        let target = words.next().filter(|_| method.is_some()).and_then(readable_start);
        let version = match (words.next(), words.next()) {
            (Some(last), None) if target.is_some() && lines.peek().is_some() => version(last),
            _ => None,
        };
        let mut fields = FieldLines::new();
        while let Some(line) = lines.next() {
            // What follows the last LF is not a whole line, and behind an
            // empty line comes content.
            if lines.peek().is_none() || line == b"\r" || fields.len() == limits.fields {
                break;
            }
            if let Some((name, value)) = field_line(line) {
                fields.append(name, value);
            }
        }
        Self { method, target, version, fields }
    }

    /// Reads what can be read of a head that is still coming; `None` before a
    /// space ends its method. The target comes with the whole request line, since
    /// half of one names something else; the method before it, since an answer to
    /// HEAD has no content (RFC 9110 section 9.3.2).
    pub fn of_unfinished(head: &[u8], limits: &HeadLimits) -> Option<Self> {
        if memchr::memchr(b'\n', head).is_some() {
            return Some(Self::salvage(head, limits));
        }
        let end = memchr::memchr(b' ', head)?;
        let method = Self::salvage(&head[..end], limits).method?;
        Some(Self { method: Some(method), ..Self::default() })
    }
}

fn readable_start(word: &[u8]) -> Option<Bytes> {
    let kept = &word[..word.len().min(MAX_SEEN_TARGET_BYTES)];
    let end = kept.iter().position(|byte| first_forbidden(&[*byte]).is_some());
    let kept = &kept[..end.unwrap_or(kept.len())];
    (!kept.is_empty()).then(|| Bytes::copy_from_slice(kept))
}

/// RFC 9112 section 2.3.
fn version(word: &[u8]) -> Option<Box<str>> {
    let &[b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] = word else {
        return None;
    };
    std::str::from_utf8(word).ok().map(Into::into)
}

fn field_line(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(trim(&line[colon + 1..])).ok()?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 4096, fields: 3 };

    fn names(seen: &SeenHead) -> Vec<&str> {
        seen.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn well_formed_lines_are_kept_and_the_rest_is_left_out() {
        let head = b"GET /a HTTP/9.9\r\nAccept: x\r\nbad line\r\nB\0: 1\r\nHost:\ta \r\ncut: of";
        let seen = SeenHead::salvage(head, &LIMITS);
        assert_eq!(seen.method, Some(Method::GET));
        assert_eq!(seen.target.as_deref(), Some(b"/a".as_slice()));
        assert_eq!(seen.version.as_deref(), Some("HTTP/9.9"));
        assert_eq!(names(&seen), ["accept", "host"]);
        assert_eq!(seen.fields.first(&http::header::HOST).unwrap(), "a");
    }

    #[test]
    fn of_an_unfinished_head_whole_lines_are_seen_once_the_first_is_whole() {
        let seen = |head: &[u8]| SeenHead::of_unfinished(head, &LIMITS);
        assert_eq!(seen(b"HEA"), None);
        assert_eq!(seen(b"\x16\x03\x01 /x"), None);
        let method_only = SeenHead { method: Some(Method::HEAD), ..SeenHead::default() };
        assert_eq!(seen(b"HEAD /acc"), Some(method_only));
        let begun = seen(b"GET /account HTTP/1.1\r\nHost: a\r\nUser-Ag").unwrap();
        assert_eq!(begun.target.as_deref(), Some(b"/account".as_slice()));
        assert_eq!(names(&begun), ["host"]);
    }

    #[test]
    fn content_behind_the_head_and_lines_past_the_limit_are_not_read() {
        let seen = SeenHead::salvage(b"GET / HTTP/1.1\r\na: 1\r\n\r\nb: 2\r\n", &LIMITS);
        assert_eq!(names(&seen), ["a"]);
        let seen = SeenHead::salvage(b"G / H\r\na:1\r\nb:2\r\nc:3\r\nd:4\r\n\r\n", &LIMITS);
        assert_eq!(names(&seen), ["a", "b", "c"]);
    }

    #[test]
    fn a_target_is_cut_at_its_limit_and_at_a_control_byte() {
        let long = format!("GET /{}", "x".repeat(5000));
        let seen = SeenHead::salvage(long.as_bytes(), &LIMITS);
        assert_eq!(seen.target.unwrap().len(), MAX_SEEN_TARGET_BYTES);
        let seen = SeenHead::salvage(b"GET /a\rb HTTP/1.1\r\n", &LIMITS);
        assert_eq!(seen.target.as_deref(), Some(b"/a".as_slice()));
    }

    #[test]
    fn a_version_is_seen_where_it_ends_a_whole_line() {
        let version = |head: &str| SeenHead::salvage(head.as_bytes(), &LIMITS).version;
        assert_eq!(version("GET / HTTP/1.0\r\n").as_deref(), Some("HTTP/1.0"));
        assert_eq!(version("GET / HTTP/1.1\nHost").as_deref(), Some("HTTP/1.1"));
        for none in [
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\r",
            "GET /\r\n",
            "GET / HTTP/11\r\n",
            "GET / HTTP/1.1 \r\n",
            "GET / HTTP/1.1\t\r\n",
            "GET /a b HTTP/1.1\r\n",
            "GET  HTTP/1.1\r\n",
            "G(T / HTTP/1.1\r\n",
        ] {
            assert_eq!(version(none), None, "{none:?}");
        }
    }

    #[test]
    fn garbage_shows_nothing() {
        let long = [b'A'; MAX_METHOD_BYTES + 1];
        for garbage in [b"".as_slice(), &long, b"\x16\x03\x01 /x", b"\r\n", b" / HTTP/1.1\r\n"] {
            assert_eq!(SeenHead::salvage(garbage, &LIMITS), SeenHead::default(), "{garbage:?}");
        }
    }
}
