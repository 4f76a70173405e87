//! `POST /register` and `/unregister`: what emitters say on the bus, said here.
//!
//! One message or a list of them, all or nothing. They are the admin API's:
//! where the file has a route they wait below it, as registrations of the bus
//! do, and the answer says whose route is in force.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::config::checks::Mistake;
use crate::registry::message::{Message, MessageError};
use crate::registry::{Change, LiveRoutes, Outcome, Source};
use crate::route::{HostPattern, PathPrefix};

use super::content;
use super::control::Control;
use super::guard::AdminState;
use super::one_route::full;
use super::problem::{KeyMistake, Problem};

/// Routes that a content names at most, so that nobody else waits long for the
/// table.
const MOST_ROUTES: usize = 50_000;

pub(super) async fn register(
    State(state): State<AdminState>,
    uri: Uri,
    fields: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    content::no_query(&uri)?;
    let content = content::bytes(&fields, body).await?;
    let bytes = content.len();
    let make = move |control: &dyn Control| {
        let live = control.live();
        let ttl = live.ttl();
        let changes = read(&content, |message| Message::parse(message)?.registrations(ttl))?;
        let outcomes =
            live.apply_wholly(Source::Admin, changes.clone(), Instant::now()).ok_or_else(full)?;
        Ok(shown(&live, &changes, &outcomes))
    };
    state.write(bytes, make).await
}

pub(super) async fn unregister(
    State(state): State<AdminState>,
    uri: Uri,
    fields: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    content::no_query(&uri)?;
    let content = content::bytes(&fields, body).await?;
    let bytes = content.len();
    let make = move |control: &dyn Control| {
        let changes =
            read(&content, |message| Message::parse_unregister(message)?.unregistrations())?;
        let live = control.live();
        let outcomes = live.apply(Source::Admin, changes.clone(), Instant::now());
        Ok(shown(&live, &changes, &outcomes))
    };
    state.write(bytes, make).await
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
            Ok(made) if changes.len() + made.len() > MOST_ROUTES => {
                let detail = format!("the content names more than {MOST_ROUTES} routes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
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
        MessageError::Port { field, .. } | MessageError::Field { field, .. } => field,
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

/// What became of a change.
#[derive(Serialize)]
struct Shown<'a> {
    endpoint: Option<SocketAddr>,
    #[serde(serialize_with = "as_text")]
    host: &'a HostPattern,
    in_force: Option<&'static str>,
    outcome: &'static str,
    #[serde(serialize_with = "as_text")]
    path: &'a PathPrefix,
}

impl<'a> Shown<'a> {
    fn of(live: &LiveRoutes, change: &'a Change, outcome: &Outcome) -> Self {
        let (host, path, endpoint) = match change {
            Change::Register(new) => (&new.host, &new.path, Some(new.endpoint)),
            Change::Unregister { host, path, endpoint, .. } => (host, path, Some(*endpoint)),
            Change::RemoveRoute { host, path } => (host, path, None),
        };
        let in_force = live.source_in_force(host, path).map(|source| source.as_str());
        Self { endpoint, host, in_force, outcome: word(outcome), path }
    }
}

fn as_text<S: Serializer>(it: &impl std::fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(it)
}

/// What became of each change.
fn shown(live: &LiveRoutes, changes: &[Change], outcomes: &[Outcome]) -> Response {
    #[derive(Serialize)]
    struct All<'a> {
        changes: Vec<Shown<'a>>,
    }
    let all =
        changes.iter().zip(outcomes).map(|(change, outcome)| Shown::of(live, change, outcome));
    Json(All { changes: all.collect() }).into_response()
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Added => "added",
        Outcome::Updated => "updated",
        Outcome::Refreshed => "refreshed",
        Outcome::Removed => "removed",
        Outcome::Unknown => "unknown",
        Outcome::Stale => "stale",
        Outcome::Full => "full",
    }
}
