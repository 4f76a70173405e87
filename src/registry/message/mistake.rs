//! Which field is why a message cannot be read.
//!
//! Serde tells the place of a mistake and not the field. So a message that is
//! refused, and no other, is read a second time, field by field.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scalar::{Text, Whole};
use super::wire::{Options, Uris, WireTags};
use super::{MessageError, error};

/// What is wrong with a message of which serde says `fault`.
pub(super) fn of(bytes: &[u8], fault: &serde_json::Error) -> MessageError {
    let first = || serde_json::from_slice::<First>(bytes).ok()?.0;
    match first().filter(|_| fault.is_data()) {
        Some((field, reason)) => MessageError::Field { field, reason },
        None => MessageError::Json(error::shortened(&fault.to_string())),
    }
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Whole,
    Uris,
    Tags,
    Options,
}

impl Holds {
    fn check(self, value: &str) -> Result<(), serde_json::Error> {
        match self {
            Self::Text => serde_json::from_str::<Text<'_>>(value).map(drop),
            Self::Whole => serde_json::from_str::<Whole>(value).map(drop),
            Self::Uris => serde_json::from_str::<Uris<'_>>(value).map(drop),
            Self::Tags => serde_json::from_str::<WireTags<'_>>(value).map(drop),
            Self::Options => serde_json::from_str::<Options<'_>>(value).map(drop),
        }
    }
}

/// The fields of a message that are read.
const FIELDS: [(&str, Holds); 15] = [
    ("host", Holds::Text),
    ("port", Holds::Whole),
    ("tls_port", Holds::Whole),
    ("uris", Holds::Uris),
    ("app", Holds::Text),
    ("private_instance_id", Holds::Text),
    ("private_instance_index", Holds::Text),
    ("stale_threshold_in_seconds", Holds::Whole),
    ("endpoint_updated_at_ns", Holds::Whole),
    ("server_cert_domain_san", Holds::Text),
    ("isolation_segment", Holds::Text),
    ("availability_zone", Holds::Text),
    ("route_service_url", Holds::Text),
    ("tags", Holds::Tags),
    ("options", Holds::Options),
];

/// The first field that cannot be read, or stands there twice.
struct First(Option<(&'static str, String)>);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<First, A::Error> {
        let mut seen = [false; FIELDS.len()];
        let mut first = None;
        while let Some((name, value)) = from.next_entry::<Text<'de>, &'de RawValue>()? {
            let Some(at) = FIELDS.iter().position(|(field, _)| *field == name.as_str()) else {
                continue;
            };
            let (field, holds) = FIELDS[at];
            let mistake = if std::mem::replace(&mut seen[at], true) {
                Some("it stands there twice".to_owned())
            } else {
                holds.check(value.get()).err().map(|fault| error::of_value(&fault))
            };
            first = first.or(mistake.map(|mistake| (field, mistake)));
        }
        Ok(First(first))
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::message::{Message, MessageError};

    fn refused(message: &str) -> (&'static str, String) {
        match Message::parse(message.as_bytes()).unwrap_err() {
            MessageError::Field { field, reason } => (field, reason),
            other => panic!("{message}: {other}"),
        }
    }

    #[test]
    fn every_field_that_cannot_be_read_is_named() {
        let texts = [
            "host",
            "app",
            "private_instance_id",
            "private_instance_index",
            "server_cert_domain_san",
            "isolation_segment",
            "availability_zone",
            "route_service_url",
        ];
        let numbers = ["port", "tls_port", "stale_threshold_in_seconds", "endpoint_updated_at_ns"];
        let others = ["uris", "tags", "options"];
        for field in texts.into_iter().chain(numbers).chain(others) {
            let message = format!("{{\"unknown\":{{}},\"{field}\":[[]]}}");
            let (named, reason) = refused(&message);
            assert_eq!(named, field, "{reason}");
            assert!(reason.contains("expected"), "{reason}");
            assert!(!reason.contains(" at line "), "{reason}");
            let twice = format!("{{\"{field}\":null,\"{field}\":null}}");
            assert_eq!(refused(&twice), (field, "it stands there twice".to_owned()));
        }
    }

    #[test]
    fn of_a_long_value_what_was_expected_still_shows() {
        let long = "9".repeat(500);
        let (field, reason) = refused(&format!("{{\"port\":\"{long}\"}}"));
        assert_eq!(field, "port");
        assert!(reason.ends_with("expected a whole number") && reason.contains('…'), "{reason}");
        assert!(reason.len() < 120, "{reason}");
    }

    #[test]
    fn the_place_of_what_is_no_json_is_told() {
        let error = Message::parse(b"{\"host\": \"10.0.0.1\",\n \"port\": }").unwrap_err();
        assert_eq!(error.kind(), "json");
        assert!(error.to_string().contains("line 2 column 10"), "{error}");
    }
}
