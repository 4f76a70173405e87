//! The fields of a message, as they stand there.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::scalar::{Text, Whole};
use super::{MAX_TAGS, MAX_TEXT_BYTES, MAX_URIS, MessageError, mistake};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wire<'a> {
    #[serde(borrow)]
    pub(super) host: Text<'a>,
    pub(super) port: Whole,
    pub(super) tls_port: Whole,
    #[serde(borrow)]
    pub(super) uris: Uris<'a>,
    #[serde(borrow)]
    pub(super) app: Text<'a>,
    #[serde(borrow)]
    pub(super) private_instance_id: Text<'a>,
    #[serde(borrow)]
    pub(super) private_instance_index: Text<'a>,
    pub(super) stale_threshold_in_seconds: Whole,
    pub(super) endpoint_updated_at_ns: Whole,
    #[serde(borrow)]
    pub(super) server_cert_domain_san: Text<'a>,
    #[serde(borrow)]
    pub(super) isolation_segment: Text<'a>,
    #[serde(borrow)]
    pub(super) availability_zone: Text<'a>,
    #[serde(borrow)]
    pub(super) route_service_url: Text<'a>,
    #[serde(borrow)]
    pub(super) tags: WireTags<'a>,
    #[serde(borrow)]
    pub(super) options: Options<'a>,
}

impl<'a> Wire<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        // Serde reads an array as a struct too, field by field.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(MessageError::Json("it does not begin with {".into()));
        }
        serde_json::from_slice(bytes).map_err(|error| mistake::of(bytes, &error))
    }

    pub(super) fn check_sizes(&self) -> Result<(), MessageError> {
        let too_large = |what, of| Err(MessageError::TooLarge { what, of });
        if self.uris.beyond {
            return too_large("number of uris", MAX_URIS);
        }
        if self.tags.beyond {
            return too_large("number of tags", MAX_TAGS);
        }
        let texts = [
            ("app", &self.app),
            ("private_instance_id", &self.private_instance_id),
            ("private_instance_index", &self.private_instance_index),
            ("server_cert_domain_san", &self.server_cert_domain_san),
            ("isolation_segment", &self.isolation_segment),
            ("availability_zone", &self.availability_zone),
            ("hash_header", &self.options.hash_header),
        ];
        let tags = self.tags.list.iter().flat_map(|(name, value)| [("tag", name), ("tag", value)]);
        match texts.into_iter().chain(tags).find(|(_, text)| text.as_str().len() > MAX_TEXT_BYTES) {
            Some((what, _)) => too_large(what, MAX_TEXT_BYTES),
            None => Ok(()),
        }
    }
}

/// `options`; an emitter may have more of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) loadbalancing: Text<'a>,
    pub(super) hash_header: Text<'a>,
    pub(super) hash_balance: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Options<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow, default)]
            loadbalancing: Text<'a>,
            #[serde(borrow, default)]
            hash_header: Text<'a>,
            #[serde(borrow, default)]
            hash_balance: Text<'a>,
        }
        let Some(fields) = Option::<Fields<'a>>::deserialize(from)? else {
            return Ok(Self::default());
        };
        let Fields { loadbalancing, hash_header, hash_balance } = fields;
        Ok(Self { loadbalancing, hash_header, hash_balance })
    }
}

/// `uris`, up to the limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Uris<'a> {
    pub(super) list: Vec<Text<'a>>,
    /// Whether there were more.
    pub(super) beyond: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Uris<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(UrisVisitor)
    }
}

struct UrisVisitor;

impl<'de> Visitor<'de> for UrisVisitor {
    type Value = Uris<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of hosts, with or without paths")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Uris::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut uris = Uris::default();
        while uris.list.len() < MAX_URIS {
            let Some(uri) = from.next_element()? else { return Ok(uris) };
            uris.list.push(uri);
        }
        while from.next_element::<IgnoredAny>()?.is_some() {
            uris.beyond = true;
        }
        Ok(uris)
    }
}

/// `tags`, up to the limit; those that are `null` are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct WireTags<'a> {
    pub(super) list: Vec<(Text<'a>, Text<'a>)>,
    /// Whether there were more.
    pub(super) beyond: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for WireTags<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = WireTags<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(WireTags::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut tags = WireTags::default();
        while tags.list.len() < MAX_TAGS {
            let Some((name, value)) = from.next_entry::<Text<'de>, Option<Text<'de>>>()? else {
                return Ok(tags);
            };
            if let Some(value) = value {
                // The last of a name counts, for a refresh too.
                match tags.list.iter_mut().find(|(known, _)| *known == name) {
                    Some(known) => known.1 = value,
                    None => tags.list.push((name, value)),
                }
            }
        }
        while from.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            tags.beyond = true;
        }
        Ok(tags)
    }
}
