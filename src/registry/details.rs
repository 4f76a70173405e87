//! What is known of an endpoint beside where it is: seldom read, kept for
//! every one of millions, and compared with each refresh.
//!
//! So it is one string of bytes, in a form that is the same for the same
//! details: the texts of [`Heard`] in a fixed order, then the tags by name,
//! each text behind its length.

use super::{Heard, Registration, Tags};

/// The texts before the tags.
const TEXTS: usize = 6;
/// Tags that can be compared in any order; with more a refresh is a change.
const COMPARED_TAGS: usize = 64;

/// The details of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Details(Box<[u8]>);

impl Details {
    /// Of a registration; nothing of it in the usual case that there is
    /// nothing costs nothing.
    pub(crate) fn of(registration: &Registration) -> Self {
        let texts = texts(&registration.heard());
        if texts.iter().all(Option::is_none) && registration.tags.is_empty() {
            return Self(Box::default());
        }
        let mut bytes = Vec::new();
        for text in texts {
            write(&mut bytes, text);
        }
        for (name, value) in &registration.tags {
            write(&mut bytes, Some(name));
            write(&mut bytes, Some(value));
        }
        Self(bytes.into())
    }

    /// Whether they are those of a message. Tags may come in any order, one
    /// that comes twice makes them different.
    pub(crate) fn are(&self, heard: &Heard<'_>, tags: &[(&str, &str)]) -> bool {
        let mut own = Reader(&self.0);
        // As bytes: to find again that they are UTF-8 would cost more.
        if !texts(heard).into_iter().all(|text| own.bytes() == text.map(str::as_bytes)) {
            return false;
        }
        let mut seen: u64 = 0;
        let mut count = 0;
        while let (Some(name), Some(value)) = (own.bytes(), own.bytes()) {
            // Most senders keep an order, so look where it was the last time.
            let is = |tag: &(&str, &str)| (tag.0.as_bytes(), tag.1.as_bytes()) == (name, value);
            let at = match tags.get(count) {
                Some(tag) if is(tag) => count,
                _ => match tags.iter().position(is) {
                    Some(at) => at,
                    None => return false,
                },
            };
            if at >= COMPARED_TAGS || seen & (1 << at) != 0 {
                return false;
            }
            seen |= 1 << at;
            count += 1;
        }
        count == tags.len()
    }

    /// Which instance it is.
    pub(crate) fn instance_id(&self) -> Option<&str> {
        Reader(&self.0).text()
    }

    /// The name its certificate must have.
    pub(crate) fn server_cert_domain_san(&self) -> Option<&str> {
        let mut texts = Reader(&self.0);
        // The last of the texts that have a place of their own.
        (0..TEXTS).map(|_| texts.text()).last().flatten()
    }

    /// Where it is.
    pub(crate) fn availability_zone(&self) -> Option<&str> {
        let mut texts = Reader(&self.0);
        // Behind the instance's id and index and the app; see `fill`.
        for _ in 0..3 {
            texts.text();
        }
        texts.text()
    }

    /// Puts them back into a registration.
    pub(crate) fn fill(&self, registration: &mut Registration) {
        let mut texts = Reader(&self.0);
        let mut next = || texts.text().map(Box::from);
        registration.instance_id = next();
        registration.instance_index = next();
        registration.app = next();
        registration.availability_zone = next();
        registration.isolation_segment = next();
        registration.server_cert_domain_san = next();
        let mut tags = Tags::new();
        while let (Some(name), Some(value)) = (next(), next()) {
            tags.insert(name, value);
        }
        registration.tags = tags;
    }
}

fn texts<'h>(heard: &Heard<'h>) -> [Option<&'h str>; TEXTS] {
    [
        heard.instance_id,
        heard.instance_index,
        heard.app,
        heard.availability_zone,
        heard.isolation_segment,
        heard.server_cert_domain_san,
    ]
}

/// The length plus one, seven bits a byte, the lowest first; then the text.
/// 0 is no text.
fn write(bytes: &mut Vec<u8>, text: Option<&str>) {
    let mut length = text.map_or(0, |text| text.len() + 1);
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(text.unwrap_or_default().as_bytes());
}

struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// The next text; none where there is none, and behind the last.
    fn text(&mut self) -> Option<&'d str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The same as bytes.
    fn bytes(&mut self) -> Option<&'d [u8]> {
        let (mut length, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        let (text, rest) = self.0.split_at_checked(length.checked_sub(1)?)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        let address = ([10, 0, 0, 1], 80).into();
        let mut one = Registration::new("a.b".parse().unwrap(), "/".parse().unwrap(), address);
        one.instance_id = Some("i-1".into());
        one.availability_zone = Some("".into());
        one.server_cert_domain_san = Some("x".repeat(300).into());
        one.tags.insert("space".into(), "dev".into());
        one.tags.insert("org".into(), "".into());
        one
    }

    #[test]
    fn what_goes_in_comes_out() {
        let one = registration();
        let details = Details::of(&one);
        let mut bare = Registration::new(one.host.clone(), one.path.clone(), one.endpoint);
        details.fill(&mut bare);
        assert_eq!(bare, one);
        assert_eq!(details.instance_id(), Some("i-1"));
    }

    #[test]
    fn no_details_take_no_room() {
        let one = Registration::new(
            "a.b".parse().unwrap(),
            "/".parse().unwrap(),
            registration().endpoint,
        );
        let details = Details::of(&one);
        assert!(details.0.is_empty() && details.are(&one.heard(), &[]));
        assert!(!details.are(&registration().heard(), &[]));
        assert_eq!(details.instance_id(), None);
    }

    #[test]
    fn a_message_with_any_other_detail_is_different() {
        let one = registration();
        let details = Details::of(&one);
        let tags = [("space", "dev"), ("org", "")];
        assert!(details.are(&one.heard(), &tags));
        assert!(details.are(&one.heard(), &[tags[1], tags[0]]));
        let different: [&[(&str, &str)]; 5] = [
            &[],
            &tags[..1],
            &[tags[0], tags[0]],
            &[tags[0], ("org", "x")],
            &[tags[0], tags[1], ("more", "")],
        ];
        for tags in different {
            assert!(!details.are(&one.heard(), tags), "{tags:?}");
        }
        type Field = fn(&mut Registration) -> &mut Option<Box<str>>;
        let fields: [Field; 6] = [
            |r| &mut r.instance_id,
            |r| &mut r.instance_index,
            |r| &mut r.app,
            |r| &mut r.availability_zone,
            |r| &mut r.isolation_segment,
            |r| &mut r.server_cert_domain_san,
        ];
        for field in fields {
            let mut other = one.clone();
            *field(&mut other) = Some("other".into());
            assert!(!details.are(&other.heard(), &tags));
            assert_ne!(Details::of(&other), details);
            *field(&mut other) = None;
            assert_eq!(details.are(&other.heard(), &tags), other == one);
        }
    }

    #[test]
    fn a_single_detail_is_kept_whichever_it_is() {
        let bare = || {
            let path = crate::route::PathPrefix::ROOT;
            Registration::new("a.b".parse().unwrap(), path, registration().endpoint)
        };
        let [mut tagged, mut zoned, mut named] = [bare(), bare(), bare()];
        tagged.tags.insert("space".into(), "dev".into());
        zoned.availability_zone = Some("z1".into());
        named.server_cert_domain_san = Some("i-1.internal".into());
        assert_eq!(Details::of(&zoned).availability_zone(), Some("z1"));
        assert_eq!(Details::of(&named).server_cert_domain_san(), Some("i-1.internal"));
        assert_eq!(Details::of(&named).availability_zone(), None);
        for one in [tagged, zoned, named] {
            let mut again = bare();
            Details::of(&one).fill(&mut again);
            assert_eq!(again, one);
        }
    }

    #[test]
    fn texts_of_any_length_come_out_as_they_went_in() {
        // Where the length needs another byte, and where its parts are zeros.
        for length in [0, 126, 127, 128, 255, 256, 16_382, 16_383, 16_384] {
            let mut one = registration();
            one.app = Some("x".repeat(length).into());
            let mut again = Registration::new(one.host.clone(), one.path.clone(), one.endpoint);
            Details::of(&one).fill(&mut again);
            assert_eq!(again, one, "{length}");
        }
    }
}
