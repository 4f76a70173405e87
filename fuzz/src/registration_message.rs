//! Messages that register endpoints, against a tree that holds all of them.

use std::time::Duration;

use pointsman::registry::Change;
use pointsman::registry::message::{MAX_TAGS, MAX_TEXT_BYTES, MAX_URIS, Message, MessageError};
use serde_json::Value;

const TTL: Duration = Duration::from_secs(120);

/// A message. What is accepted is JSON that says the same, within every limit.
pub fn run(data: &[u8]) {
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => return refused(&error),
    };
    // What is ignored is only skipped: a number beyond all floats may stand there.
    let Ok(tree) = serde_json::from_slice::<Value>(data) else { return };
    let said = |field: &str| tree.get(field).filter(|value| !value.is_null());
    let uris: Vec<&Value> = said("uris").and_then(Value::as_array).into_iter().flatten().collect();
    assert_eq!(uris.len(), message.uris().len());
    assert!(uris.len() <= MAX_URIS && message.tags().count() <= MAX_TAGS);
    for (uri, value) in message.uris().zip(&uris) {
        if let Some(text) = value.as_str() {
            assert_eq!(format!("{}{}", uri.host, uri.path), text);
        }
    }
    for (name, value) in message.tags() {
        assert!(name.len().max(value.len()) <= MAX_TEXT_BYTES);
    }
    assert!(said("route_service_url").is_none_or(|url| url.as_str() == Some("")));
    let heard = message.heard(TTL);
    assert_eq!(heard.endpoint, message.endpoint());
    assert!(heard.endpoint.port() != 0 && !heard.endpoint.ip().is_unspecified());
    if let Some(app) = said("app").and_then(Value::as_str) {
        assert_eq!(heard.app.unwrap_or_default(), app);
    }
    changes(&message);
}

/// As changes it names its endpoint once a route, or none at all.
fn changes(message: &Message<'_>) {
    let (registered, unregistered) = (message.registrations(TTL), message.unregistrations());
    assert_eq!(registered.is_ok(), unregistered.is_ok());
    assert_eq!(registered.is_ok(), message.check().is_ok());
    let (Ok(registered), Ok(unregistered)) = (registered, unregistered) else { return };
    assert_eq!(registered.len(), message.uris().len());
    for (one, other) in registered.iter().zip(&unregistered) {
        let (Change::Register(one), Change::Unregister { host, path, endpoint, .. }) = (one, other)
        else {
            panic!("{one:?} and {other:?}");
        };
        assert_eq!((&one.host, &one.path, &one.endpoint), (host, path, endpoint));
        assert_eq!(one.host.to_string().parse().as_ref(), Ok(host));
        assert_eq!(one.path.to_string().parse().as_ref(), Ok(path));
        assert!(one.ttl.is_some_and(|ttl| ttl >= Duration::from_secs(1)));
    }
}

fn refused(error: &MessageError) {
    assert!(MessageError::KINDS.contains(&error.kind()));
    assert!(error.to_string().len() < 1_000, "a reason is short, whatever was sent");
}
