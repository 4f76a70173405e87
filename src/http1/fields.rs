//! The field section of one message, in the order received.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field lines of one message (RFC 9110 section 5), in order of
/// appearance, repeated fields kept apart.
///
/// A plain list instead of a hash map: heads carry few fields, most are only
/// passed on, and order survives removal. Values that were received stay
/// places in the one buffer they came in: counting a reference for each value,
/// in the request, in every attempt and in the response, was the largest
/// single cost of routing.
#[derive(Clone, Default)]
pub struct FieldLines {
    received: Bytes,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    name: HeaderName,
    value: Stored,
}

#[derive(Clone, Debug)]
enum Stored {
    /// A place in `FieldLines::received`.
    Received(Range<u32>),
    /// Set by somebody here.
    Own(HeaderValue),
}

/// The value of one field line, looked at.
#[derive(Clone, Copy)]
pub enum FieldValue<'a> {
    /// As received: a part of this buffer.
    Received(&'a [u8], &'a Bytes),
    /// Set here.
    Own(&'a HeaderValue),
}

impl<'a> FieldValue<'a> {
    /// The value's bytes, without the whitespace around them.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Received(bytes, _) => bytes,
            Self::Own(value) => value.as_bytes(),
        }
    }

    /// The value as text, if it is UTF-8.
    pub fn to_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The value to keep beyond the list; it shares the list's buffer.
    pub fn to_value(self) -> HeaderValue {
        match self {
            Self::Own(value) => value.clone(),
            // Only sound values enter a list, so none is refused here.
            Self::Received(bytes, buffer) => {
                HeaderValue::from_maybe_shared(buffer.slice_ref(bytes))
                    .unwrap_or_else(|_| HeaderValue::from_static(""))
            }
        }
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl PartialEq for FieldValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for FieldValue<'_> {}

impl PartialEq<str> for FieldValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for FieldValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl FieldLines {
    /// An empty section.
    pub const fn new() -> Self {
        Self { received: Bytes::new(), lines: Vec::new() }
    }

    /// An empty section with room for `lines` field lines.
    pub fn with_capacity(lines: usize) -> Self {
        Self { received: Bytes::new(), lines: Vec::with_capacity(lines) }
    }

    /// An empty section with room for `lines` field lines, of which those
    /// received are parts of `buffer`.
    pub(crate) fn of_buffer(buffer: Bytes, lines: usize) -> Self {
        Self { received: buffer, lines: Vec::with_capacity(lines) }
    }

    /// An empty section that can take lines of `other` by [`append_same`].
    ///
    /// [`append_same`]: Self::append_same
    pub(crate) fn sharing(other: &Self, lines: usize) -> Self {
        Self::of_buffer(other.received.clone(), lines)
    }

    /// Adds a line whose value stands at `place` of the buffer; the caller has
    /// checked the value's bytes.
    pub(crate) fn append_received(&mut self, name: HeaderName, place: Range<u32>) {
        debug_assert!(place.end as usize <= self.received.len());
        self.lines.push(Line { name, value: Stored::Received(place) });
    }

    /// Adds line `index` of a section that this one is [`sharing`] with.
    ///
    /// [`sharing`]: Self::sharing
    pub(crate) fn append_same(&mut self, other: &Self, index: usize) {
        debug_assert!(std::ptr::eq(self.received.as_ptr(), other.received.as_ptr()));
        self.lines.push(other.lines[index].clone());
    }

    /// Adds a field line at the end, whether or not the name is there already.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.lines.push(Line { name, value: Stored::Own(value) });
    }

    /// Puts one line with this name where its first line stood (at the end if
    /// there was none) and removes its others.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.lines.iter().position(|line| line.name == name) {
            None => self.append(name, value),
            Some(first) => {
                self.lines[first].value = Stored::Own(value);
                let mut at = 0;
                self.lines.retain(|line| {
                    at += 1;
                    at - 1 <= first || line.name != name
                });
            }
        }
    }

    /// Removes every line with this name; the others keep their order.
    pub fn remove(&mut self, name: &HeaderName) {
        self.lines.retain(|line| line.name != *name);
    }

    /// Keeps only the lines for which `keep` is true, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&HeaderName, FieldValue<'_>) -> bool) {
        let received = &self.received;
        self.lines.retain(|line| keep(&line.name, line.value.seen(received)));
    }

    /// The first value of this name.
    pub fn first(&self, name: &HeaderName) -> Option<FieldValue<'_>> {
        let line = self.lines.iter().find(|line| line.name == *name)?;
        Some(line.value.seen(&self.received))
    }

    /// Every value of this name, in order.
    pub fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = FieldValue<'a>> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Whether a line with this name is there.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.lines.iter().any(|line| line.name == *name)
    }

    /// The number of field lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// The bytes of the buffer that received values stand in.
    pub(super) fn received_bytes(&self) -> usize {
        self.received.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines, in order.
    pub fn iter(&self) -> Lines<'_> {
        Lines { lines: self.lines.iter(), received: &self.received }
    }
}

/// The lines of a section, in order.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    lines: std::slice::Iter<'a, Line>,
    received: &'a Bytes,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a HeaderName, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        Some((&line.name, line.value.seen(self.received)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.lines.size_hint()
    }
}

impl<'a> IntoIterator for &'a FieldLines {
    type Item = (&'a HeaderName, FieldValue<'a>);
    type IntoIter = Lines<'a>;

    fn into_iter(self) -> Lines<'a> {
        self.iter()
    }
}

impl Stored {
    fn seen<'a>(&'a self, received: &'a Bytes) -> FieldValue<'a> {
        match self {
            Self::Own(value) => FieldValue::Own(value),
            Self::Received(place) => {
                let place = place.start as usize..place.end as usize;
                FieldValue::Received(&received[place], received)
            }
        }
    }
}

impl fmt::Debug for FieldLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for FieldLines {
    /// The same lines in the same order, wherever their values stand.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a == b)
    }
}

impl Eq for FieldLines {}

impl FromIterator<(HeaderName, HeaderValue)> for FieldLines {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        let mut fields = Self::new();
        for (name, value) in lines {
            fields.append(name, value);
        }
        fields
    }
}

impl From<FieldLines> for HeaderMap {
    fn from(fields: FieldLines) -> Self {
        let mut map = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields.iter() {
            map.append(name, value.to_value());
        }
        map
    }
}

impl From<HeaderMap> for FieldLines {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self::with_capacity(map.len());
        let mut current = None;
        for (name, value) in map {
            // A HeaderMap gives the name only with the first of its values.
            if name.is_some() {
                current = name;
            }
            if let Some(name) = &current {
                fields.append(name.clone(), value);
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> FieldLines {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn set_replaces_in_place_and_drops_the_other_lines_of_the_name() {
        let mut f = fields(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")]);
        f.set(HeaderName::from_static("a"), HeaderValue::from_static("9"));
        assert_eq!(f, fields(&[("a", "9"), ("b", "2"), ("c", "4")]));
        f.set(HeaderName::from_static("d"), HeaderValue::from_static("0"));
        assert_eq!(f, fields(&[("a", "9"), ("b", "2"), ("c", "4"), ("d", "0")]));
    }

    #[test]
    fn removal_keeps_order_and_repeated_lines_stay_apart() {
        let mut f = fields(&[("set-cookie", "a"), ("x", "1"), ("set-cookie", "b"), ("y", "2")]);
        f.remove(&HeaderName::from_static("x"));
        assert_eq!(f, fields(&[("set-cookie", "a"), ("set-cookie", "b"), ("y", "2")]));
        assert_eq!(f.all(&http::header::SET_COOKIE).count(), 2);
    }

    #[test]
    fn a_header_map_and_back_keeps_every_line() {
        let f = fields(&[("set-cookie", "a"), ("x", "1"), ("set-cookie", "b")]);
        let back = FieldLines::from(HeaderMap::from(f.clone()));
        assert_eq!(back, fields(&[("set-cookie", "a"), ("set-cookie", "b"), ("x", "1")]));
    }

    #[test]
    fn received_and_own_values_read_alike_and_travel_together() {
        let buffer = Bytes::from_static(b"x: one\r\ny: two\r\n");
        let mut received = FieldLines::of_buffer(buffer, 2);
        received.append_received(HeaderName::from_static("x"), 3..6);
        received.append_received(HeaderName::from_static("y"), 11..14);
        assert_eq!(received, fields(&[("x", "one"), ("y", "two")]));
        let mut taken = FieldLines::sharing(&received, 2);
        taken.append(HeaderName::from_static("own"), HeaderValue::from_static("1"));
        taken.append_same(&received, 1);
        assert_eq!(taken, fields(&[("own", "1"), ("y", "two")]));
        taken.set(HeaderName::from_static("y"), HeaderValue::from_static("three"));
        assert_eq!(taken, fields(&[("own", "1"), ("y", "three")]));
        assert_eq!(received.first(&HeaderName::from_static("x")).unwrap().to_value(), "one");
        assert_eq!(HeaderMap::from(received)["y"], "two");
    }

    #[test]
    fn sections_are_the_same_only_with_the_same_names_and_values_in_their_order() {
        let f = fields(&[("a", "1"), ("b", "2")]);
        for other in [
            &[("a", "1"), ("b", "3")][..],
            &[("a", "1"), ("c", "2")],
            &[("b", "2"), ("a", "1")],
            &[("a", "1")],
        ] {
            assert_ne!(f, fields(other));
        }
        let value = f.first(&HeaderName::from_static("b")).unwrap();
        assert!(value == "2" && value != "3" && value == *"2" && value != *"3");
        assert_eq!(format!("{f:?}"), r#"[("a", "1"), ("b", "2")]"#);
    }

    #[test]
    fn what_is_there_and_how_many_are_left_is_told() {
        let f = fields(&[("a", "1"), ("b", "2")]);
        assert!(f.contains(&HeaderName::from_static("b")));
        assert!(!f.contains(&HeaderName::from_static("c")));
        let mut lines = f.iter();
        assert_eq!(lines.size_hint(), (2, Some(2)));
        lines.next();
        assert_eq!(lines.size_hint(), (1, Some(1)));
        let buffer = Bytes::from_static(b"x: one\r\n");
        assert_eq!(FieldLines::of_buffer(buffer, 1).received_bytes(), 8);
    }
}
