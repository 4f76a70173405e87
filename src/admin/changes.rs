//! `POST /register` and `/unregister`: what emitters say on the bus, said here.
//!
//! One message or a list of them, all or nothing. They are the admin API's:
//! where the file has a route they wait below it, as registrations of the bus
//! do, and the answer says whose route is in force.

use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::checks::Mistake;
use crate::registry::message::{Message, MessageError};
use crate::registry::{Change, LiveRoutes, Outcome, Source};

use super::content;
use super::guard::AdminState;
use super::one_route::full;
use super::problem::{KeyMistake, Problem};

pub(super) async fn register(
    State(state): State<AdminState>,
    fields: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let content = content::bytes(&fields, body).await?;
    let live = state.control().live();
    let ttl = live.ttl();
    let changes = read(&content, |message| Message::parse(message)?.registrations(ttl))?;
    let _writing = state.writing();
    let outcomes =
        live.apply_wholly(Source::Admin, changes.clone(), Instant::now()).ok_or_else(full)?;
    Ok(Json(shown(&live, &changes, &outcomes)))
}

pub(super) async fn unregister(
    State(state): State<AdminState>,
    fields: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let content = content::bytes(&fields, body).await?;
    let changes = read(&content, |message| Message::parse_unregister(message)?.unregistrations())?;
    let live = state.control().live();
    let _writing = state.writing();
    let outcomes = live.apply(Source::Admin, changes.clone(), Instant::now());
    Ok(Json(shown(&live, &changes, &outcomes)))
}

/// Reads one message or a list, and makes changes of them.
fn read(
    content: &[u8],
    make: impl Fn(&[u8]) -> Result<Vec<Change>, MessageError>,
) -> Result<Vec<Change>, Problem> {
    let listed = content.trim_ascii_start().first() == Some(&b'[');
    let messages: Vec<&[u8]> = if listed {
        let list: Vec<&RawValue> = serde_json::from_slice(content).map_err(|error| {
            let mistake = Mistake { reason: format!("not JSON: {error}"), help: None };
            Problem::wrong_content(vec![KeyMistake { key: String::new(), mistake }])
        })?;
        list.iter().map(|message| message.get().as_bytes()).collect()
    } else {
        vec![content]
    };
    let mut changes = Vec::new();
    let mut mistakes = Vec::new();
    for (index, message) in messages.into_iter().enumerate() {
        let place = if listed { format!("[{index}]") } else { String::new() };
        match make(message) {
            Ok(made) if made.is_empty() => {
                let help = Some("write [\"shop.example.com/api\"], for example".to_owned());
                let mistake = Mistake { reason: "no route is named".into(), help };
                mistakes.push(KeyMistake { key: below(&place, "uris"), mistake });
            }
            Ok(made) => changes.extend(made),
            Err(error) => {
                let key = below(&place, field(&error));
                let said = error.to_string();
                let own = format!("{}: ", field(&error));
                // The key says it already.
                let reason = said.strip_prefix(&own).unwrap_or(&said).to_owned();
                let mistake = Mistake { reason, help: help(&error) };
                mistakes.push(KeyMistake { key, mistake });
            }
        }
    }
    if mistakes.is_empty() { Ok(changes) } else { Err(Problem::wrong_content(mistakes)) }
}

fn below(place: &str, field: &str) -> String {
    match (place, field) {
        ("", field) => field.to_owned(),
        (place, "") => place.to_owned(),
        (place, field) => format!("{place}.{field}"),
    }
}

/// The field that is wrong, where it is just one.
fn field(error: &MessageError) -> &'static str {
    match error {
        MessageError::NoHost | MessageError::Host(_) => "host",
        MessageError::NoPort => "port",
        MessageError::Port { field, .. } => field,
        MessageError::Uri { .. } => "uris",
        MessageError::RouteService => "route_service_url",
        _ => "",
    }
}

fn help(error: &MessageError) -> Option<String> {
    let help = match error {
        MessageError::NoHost | MessageError::Host(_) => "write \"10.0.0.1\", for example",
        MessageError::NoPort | MessageError::Port { .. } => "write 8080, for example",
        MessageError::Json(_) => {
            "write {\"host\": \"10.0.0.1\", \"port\": 8080, \"uris\": [\"a.example\"]}"
        }
        _ => return None,
    };
    Some(help.to_owned())
}

/// What became of each change.
fn shown(live: &LiveRoutes, changes: &[Change], outcomes: &[Outcome]) -> Value {
    let one = |(change, outcome): (&Change, &Outcome)| {
        let (host, path, endpoint) = match change {
            Change::Register(new) => (&new.host, &new.path, Some(new.endpoint)),
            Change::Unregister { host, path, endpoint, .. } => (host, path, Some(*endpoint)),
            Change::RemoveRoute { host, path } => (host, path, None),
        };
        json!({
            "host": host.to_string(),
            "path": path.to_string(),
            "endpoint": endpoint,
            "outcome": match outcome {
                Outcome::Added => "added",
                Outcome::Updated => "updated",
                Outcome::Refreshed => "refreshed",
                Outcome::Removed => "removed",
                Outcome::Unknown => "unknown",
                Outcome::Stale => "stale",
                Outcome::Full => "full",
            },
            "in_force": live.source_in_force(host, path).map(|source| source.as_str()),
        })
    };
    json!({ "changes": changes.iter().zip(outcomes).map(one).collect::<Vec<_>>() })
}
