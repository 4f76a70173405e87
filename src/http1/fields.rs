//! The field section of one message, in the order received.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field lines of one message (RFC 9110 section 5), in order of
/// appearance, repeated fields kept apart.
///
/// A plain list instead of a hash map: heads carry few fields, most are only
/// passed on, and order survives removal. Names are lower-case
/// ([`HeaderName`]); values share the buffer they were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLines {
    lines: Vec<(HeaderName, HeaderValue)>,
}

impl FieldLines {
    /// An empty section.
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// An empty section with room for `lines` field lines.
    pub fn with_capacity(lines: usize) -> Self {
        Self { lines: Vec::with_capacity(lines) }
    }

    /// Adds a field line at the end, whether or not the name is there already.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.lines.push((name, value));
    }

    /// Puts one line with this name where its first line stood (at the end if
    /// there was none) and removes its others.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.lines.iter().position(|(n, _)| *n == name) {
            None => self.lines.push((name, value)),
            Some(first) => {
                self.lines[first].1 = value;
                let mut at = 0;
                self.lines.retain(|(n, _)| {
                    at += 1;
                    at - 1 <= first || *n != name
                });
            }
        }
    }

    /// Removes every line with this name; the others keep their order.
    pub fn remove(&mut self, name: &HeaderName) {
        self.lines.retain(|(n, _)| n != name);
    }

    /// Keeps only the lines for which `keep` is true, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&HeaderName, &HeaderValue) -> bool) {
        self.lines.retain(|(n, v)| keep(n, v));
    }

    /// The first value of this name.
    pub fn first(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.lines.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Every value of this name, in order.
    pub fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
        self.lines.iter().filter(move |(n, _)| n == name).map(|(_, v)| v)
    }

    /// Whether a line with this name is there.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.first(name).is_some()
    }

    /// The number of field lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (HeaderName, HeaderValue)> {
        self.lines.iter()
    }
}

impl<'a> IntoIterator for &'a FieldLines {
    type Item = &'a (HeaderName, HeaderValue);
    type IntoIter = std::slice::Iter<'a, (HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for FieldLines {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<(HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.into_iter()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for FieldLines {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        Self { lines: lines.into_iter().collect() }
    }
}

impl From<FieldLines> for HeaderMap {
    fn from(fields: FieldLines) -> Self {
        let mut map = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields {
            map.append(name, value);
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
}
