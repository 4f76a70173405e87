//! An endpoint as `GET /routes/HOST/PATH` shows it and `PUT` takes it: all that
//! was said of it, so that what was read can be changed in one thing and put
//! back without losing another, its TLS above all.
//!
//! Only when the platform last changed it is left out: that moves with every
//! word on it, and a tag with it.

use serde_json::{Map, Value, json};

use crate::config::format_duration;
use crate::registry::Registration;
use crate::registry::message::{MAX_TAGS, MAX_TEXT_BYTES};

/// The keys of an endpoint.
pub(super) const KEYS: &[&str] = &[
    "address",
    "weight",
    "ttl",
    "tls",
    "server_cert_domain_san",
    "app",
    "instance_id",
    "instance_index",
    "availability_zone",
    "isolation_segment",
    "tags",
];

/// An endpoint as it is shown; of what may be unsaid only what is said.
pub(super) fn shown(it: &Registration) -> Value {
    let mut shown = json!({
        "address": it.endpoint.to_string(),
        "weight": it.weight,
        "ttl": it.ttl.map(format_duration),
    });
    if it.tls {
        shown["tls"] = true.into();
    }
    let mut copy = it.clone();
    for (name, text) in texts(&mut copy) {
        if let Some(text) = text.take() {
            shown[name] = String::from(text).into();
        }
    }
    if !it.tags.is_empty() {
        let tags = it.tags.iter().map(|(name, value)| (name.to_string(), (**value).into()));
        shown["tags"] = Value::Object(tags.collect());
    }
    shown
}

/// Reads what is said of an endpoint beside its address, weight and time to
/// live into `it`.
///
/// # Errors
/// Every key that is wrong, with what is wrong and what to write.
pub(super) fn read_details(
    from: &Map<String, Value>,
    it: &mut Registration,
) -> Vec<(&'static str, String, &'static str)> {
    let mut wrong = Vec::new();
    match from.get("tls") {
        None => {}
        Some(Value::Bool(tls)) => it.tls = *tls,
        Some(_) => wrong.push(("tls", "it is neither true nor false".into(), "write true")),
    }
    for (name, place) in texts(it) {
        match from.get(name).unwrap_or(&Value::Null) {
            Value::Null => {}
            // Nothing is said by nothing, as on the bus.
            Value::String(text) if text.is_empty() => {}
            Value::String(text) if text.len() <= MAX_TEXT_BYTES => *place = Some((**text).into()),
            Value::String(_) => wrong.push((name, too_long(), "leave it out")),
            _ => wrong.push((name, "it is no text".into(), "leave it out or write a text")),
        }
    }
    match from.get("tags").unwrap_or(&Value::Null) {
        Value::Null => {}
        Value::Object(tags) if tags.len() <= MAX_TAGS => {
            for (name, value) in tags {
                match value.as_str() {
                    Some(value) if name.len().max(value.len()) <= MAX_TEXT_BYTES => {
                        it.tags.insert((**name).into(), value.into());
                    }
                    Some(_) => wrong.push(("tags", too_long(), "leave it out")),
                    None => {
                        let reason = format!("{name:?} is no text");
                        wrong.push(("tags", reason, "write {\"space\": \"prod\"}, for example"));
                    }
                }
            }
        }
        Value::Object(_) => {
            wrong.push(("tags", format!("there are more than {MAX_TAGS}"), "leave some out"));
        }
        _ => {
            let help = "write {\"space\": \"prod\"}, for example";
            wrong.push(("tags", "they are no object".into(), help));
        }
    }
    wrong
}

fn too_long() -> String {
    format!("it is longer than {MAX_TEXT_BYTES} bytes")
}

fn texts(it: &mut Registration) -> [(&'static str, &mut Option<Box<str>>); 6] {
    [
        ("server_cert_domain_san", &mut it.server_cert_domain_san),
        ("app", &mut it.app),
        ("instance_id", &mut it.instance_id),
        ("instance_index", &mut it.instance_index),
        ("availability_zone", &mut it.availability_zone),
        ("isolation_segment", &mut it.isolation_segment),
    ]
}
