//! `/routes/HOST/PATH`: one route, read, given and taken away.
//!
//! What is read is the route in force, whoever brought it; what is given and
//! taken away is the admin API's own. The file's routes are above those, so
//! that writing below one would change nothing anybody sees: it is refused.

use std::collections::HashSet;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::config::checks::{self, Mistake};
use crate::registry::{Change, InForce, Registration, Source};
use crate::route::{HostPattern, PathPrefix};

use super::control::Control;
use super::guard::AdminState;
use super::problem::{KeyMistake, Problem};
use super::{content, endpoint_body, preconditions, route_body};

/// Host and path of a request's target.
struct Place {
    host: HostPattern,
    path: PathPrefix,
}

pub(super) async fn read(
    State(state): State<AdminState>,
    method: Method,
    uri: Uri,
    fields: HeaderMap,
) -> Result<Response, Problem> {
    let place = Place::of(&uri)?;
    let Some(route) = state.control().live().in_force(&place.host, &place.path) else {
        return Err(place.unknown());
    };
    let (shown, tag) = place.shown(&route);
    if let Some(status) = preconditions::refused(&method, &fields, Some(&tag)) {
        return Ok(tagged((status, ()).into_response(), &tag));
    }
    Ok(tagged(axum::Json(shown).into_response(), &tag))
}

pub(super) async fn put(
    State(state): State<AdminState>,
    uri: Uri,
    fields: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = Place::of(&uri)?;
    content::no_query(&uri)?;
    let content = content::bytes(&fields, body).await?;
    let bytes = content.len();
    let give = move |control: &dyn Control| place.give(&fields, &content, control);
    state.write(bytes, give).await
}

pub(super) async fn delete(
    State(state): State<AdminState>,
    uri: Uri,
    fields: HeaderMap,
) -> Result<Response, Problem> {
    let place = Place::of(&uri)?;
    content::no_query(&uri)?;
    state.write(0, move |control| place.take_away(&fields, control)).await
}

/// No more endpoints can be registered.
pub(super) fn full() -> Problem {
    let detail = "as many endpoints are registered as may be; nothing was changed";
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail)
}

impl Place {
    /// Reads `/routes/HOST/PATH`. The host is percent-decoded, the path is read
    /// as a path is: what is encoded in it and not unreserved stays so.
    fn of(uri: &Uri) -> Result<Self, Problem> {
        let rest = uri.path().strip_prefix("/routes/").unwrap_or_default();
        let slash = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(slash);
        let mistaken = |key: &str, mistake: Mistake| {
            let key = key.to_owned();
            Problem::wrong_content(vec![KeyMistake { key, mistake }])
        };
        let plain = |reason: String| Mistake { reason, help: None };
        let host = decoded(host).map_err(|reason| mistaken("host", plain(reason.into())))?;
        let host = checks::route_host(&host).map_err(|mistake| mistaken("host", mistake))?;
        let path = if path.is_empty() { "/" } else { path };
        let path = checks::route_path(path).map_err(|mistake| mistaken("path", mistake))?;
        Ok(Self {
            host: host.parse().map_err(|e| mistaken("host", plain(format!("{e}"))))?,
            path: path.parse().map_err(|e| mistaken("path", plain(format!("{e}"))))?,
        })
    }

    /// Gives the route that a content has.
    fn give(
        &self,
        fields: &HeaderMap,
        content: &[u8],
        control: &dyn Control,
    ) -> Result<Response, Problem> {
        let body = content::json(content)?;
        let wanted =
            route_body::read(&body, &self.host, &self.path).map_err(Problem::wrong_content)?;
        let live = control.live();
        let seen = live.in_force(&self.host, &self.path);
        self.not_the_files(seen.as_ref())?;
        self.as_seen(&Method::PUT, fields, seen.as_ref())?;
        let had = live.route(Source::Admin, &self.host, &self.path);
        let changes = self.replace(&had, &wanted);
        live.apply_wholly(Source::Admin, changes, Instant::now()).ok_or_else(full)?;
        let Some(route) = live.in_force(&self.host, &self.path) else {
            // Its time to live is over already.
            return Err(self.unknown());
        };
        let (shown, tag) = self.shown(&route);
        let status = if seen.is_none() { StatusCode::CREATED } else { StatusCode::OK };
        let is_as_sent = *content == *shown.to_string().as_bytes();
        let response = (status, axum::Json(shown)).into_response();
        // Of anything else a tag would say that this is what the writer has (RFC
        // 9110 section 9.3.4).
        Ok(if is_as_sent { tagged(response, &tag) } else { response })
    }

    /// Takes the admin API's route away.
    fn take_away(self, fields: &HeaderMap, control: &dyn Control) -> Result<Response, Problem> {
        let live = control.live();
        let seen = live.in_force(&self.host, &self.path);
        self.not_the_files(seen.as_ref())?;
        match &seen {
            None => return Err(self.unknown()),
            Some(route) if route.source != Source::Admin => {
                let detail = format!(
                    "the route {self} came from {0}: it goes when it is unregistered there, or is \
                     not confirmed in time",
                    route.source
                );
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            }
            Some(_) => {}
        }
        self.as_seen(&Method::DELETE, fields, seen.as_ref())?;
        let Self { host, path } = self;
        live.apply(Source::Admin, vec![Change::RemoveRoute { host, path }], Instant::now());
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// The route as it is shown, and its entity tag: of just what is shown, so
    /// that it does not change with traffic or time.
    fn shown(&self, route: &InForce) -> (Value, String) {
        let mut endpoints: Vec<&Registration> = route.endpoints.iter().collect();
        endpoints.sort_unstable_by_key(|endpoint| endpoint.endpoint);
        let shown = json!({
            "host": self.host.to_string(),
            "path": self.path.to_string(),
            "source": route.source.as_str(),
            "balance": route.balance.to_string(),
            "endpoints": endpoints.into_iter().map(endpoint_body::shown).collect::<Vec<_>>(),
        });
        use std::hash::BuildHasher;
        // The same in every process, so that a restart invalidates no tag.
        let hash = foldhash::quality::FixedState::with_seed(0).hash_one(shown.to_string());
        (shown, format!("\"{hash:016x}\""))
    }

    fn unknown(&self) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no route {self}"))
    }

    fn not_the_files(&self, seen: Option<&InForce>) -> Result<(), Problem> {
        if seen.is_some_and(|route| route.source == Source::File) {
            let detail = format!(
                "the route {self} is in the configuration file, which overrides the admin API: \
                 change it there"
            );
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        Ok(())
    }

    fn as_seen(
        &self,
        method: &Method,
        fields: &HeaderMap,
        seen: Option<&InForce>,
    ) -> Result<(), Problem> {
        let tag = seen.map(|route| self.shown(route).1);
        match preconditions::refused(method, fields, tag.as_deref()) {
            None => Ok(()),
            Some(status) => {
                let now = tag.map_or("there is none".into(), |tag| format!("its ETag is {tag}"));
                let detail = format!("the route {self} is not as the condition has it: {now}");
                Err(Problem::new(status, detail))
            }
        }
    }

    /// The changes from what the admin API has here to what it is to have.
    fn replace(&self, had: &[Registration], wanted: &[Registration]) -> Vec<Change> {
        let staying: HashSet<_> = wanted.iter().map(|new| new.endpoint).collect();
        let stays = |old: &Registration| staying.contains(&old.endpoint);
        let gone = had.iter().filter(|old| !stays(old)).map(|old| Change::Unregister {
            host: self.host.clone(),
            path: self.path.clone(),
            endpoint: old.endpoint,
            instance_id: None,
            updated_at_ns: None,
        });
        // First what goes, for the limit of endpoints; it is one table all the same.
        gone.chain(wanted.iter().cloned().map(Change::Register)).collect()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.to_string();
        write!(f, "{}{}", self.host, if path == "/" { "" } else { &path })
    }
}

fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A percent-decoded host (RFC 3986 section 2.1), or why there is none.
fn decoded(text: &str) -> Result<String, &'static str> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let byte = match rest {
            [high, low, ..] => digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        let byte = byte.and_then(|byte| u8::try_from(byte).ok());
        bytes.push(byte.ok_or("a % needs two hexadecimal digits after it")?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "what is percent-encoded in it is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_decoded_or_it_is_said_why_not() {
        assert_eq!(decoded("%2A.a%2Etest"), Ok("*.a.test".into()));
        for wrong in ["%", "a%2", "%zz", "%+1"] {
            assert!(decoded(wrong).is_err_and(|why| why.contains("hexadecimal")), "{wrong}");
        }
        for wrong in ["%FF", "a%C3.test"] {
            assert!(decoded(wrong).is_err_and(|why| why.contains("UTF-8")), "{wrong}");
        }
    }
}
