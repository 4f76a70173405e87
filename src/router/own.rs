//! Answers the router gives itself.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};

use crate::error::{Code, RouterError};
use crate::http1::{FieldLines, Version};
use crate::lifecycle::Health;
use crate::request::{Scope, Subject};
use crate::respond::error_answer::{Ask, render};
use crate::respond::{Reply, ReplyBody};

/// The methods an app may be asked with.
const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";

/// An answer that is no error: status, fields and text.
pub(super) struct OwnAnswer {
    status: StatusCode,
    fields: FieldLines,
    text: String,
}

/// The router's health on a traffic listener.
pub(super) fn health(health: &Health) -> OwnAnswer {
    let verdict = health.inputs().ready();
    let (status, text) = if verdict.healthy {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let reason = verdict.reason.unwrap_or_default();
        (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
    };
    let mut fields = FieldLines::with_capacity(6);
    fields.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.append(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    OwnAnswer { status, fields, text }
}

/// The answer to `OPTIONS *` (RFC 9110 section 9.3.7).
pub(super) fn options() -> OwnAnswer {
    let mut fields = FieldLines::with_capacity(5);
    fields.append(header::ALLOW, HeaderValue::from_static(ALLOW));
    OwnAnswer { status: StatusCode::NO_CONTENT, fields, text: String::new() }
}

impl OwnAnswer {
    pub(super) fn into_reply(self, scope: Scope) -> Box<Reply> {
        let mut fields = self.fields;
        fields.append(header::DATE, date());
        fields.append(header::SERVER, HeaderValue::from_static("pointsman"));
        if let Some(via) = via(&scope) {
            fields.append(header::VIA, via);
        }
        let name = scope.snapshot().settings.headers.request_id.clone();
        fields.append(name, scope.request_id().clone());
        scope.answered(self.status.as_u16());
        let length = self.text.len() as u64;
        describe_length(&scope, length, &mut fields);
        reply(self.status, fields, length, Bytes::from(self.text), scope)
    }
}

/// The answer to a request that failed with `error`, built from the error and
/// nothing else.
pub(super) fn error_reply(scope: Scope, error: RouterError) -> Box<Reply> {
    let settings = scope.snapshot().settings.clone();
    let date = date();
    let via = via(&scope);
    let mut answer = scope.with_subject(|subject| {
        let ask = Ask {
            method: subject.method(),
            fields: subject.fields(),
            request_id_name: &settings.headers.request_id,
            request_id: scope.request_id(),
            expose_endpoints: settings.errors.expose_endpoints,
            via: via.as_ref(),
            date: &date,
            proxy_name: "pointsman",
        };
        render(&error, &ask)
    });
    scope.refused(&error);
    describe_length(&scope, answer.content_length, &mut answer.fields);
    // Its client would else go on asking on a connection that is good for
    // nothing.
    let stale = error.code == Code::Misdirected && scope.is_on_stale_tls();
    // Some send what is meant for the tunnel before they are let; it may be
    // somebody else's, and must not become a request (RFC 9931).
    let tunnels = scope.with_subject(|subject| subject.method() == Some(&Method::CONNECT));
    let mut reply = reply(answer.status, answer.fields, answer.content_length, answer.body, scope);
    reply.close = stale || tunnels || closes(error.code);
    reply
}

/// Whether the client's connection cannot be trusted to be at the start of a
/// request after this error, or should not be kept.
fn closes(code: Code) -> bool {
    matches!(
        code,
        Code::BadRequest
            | Code::BadFraming
            | Code::UriTooLong
            | Code::VersionNotSupported
            | Code::RequestHeadTimeout
            | Code::RequestHeadTooLarge
            | Code::RequestBodyTimeout
            | Code::RequestBodyTooLarge
            | Code::AmbiguousHost
            | Code::Draining
            | Code::Internal
    )
}

fn reply(
    status: StatusCode,
    fields: FieldLines,
    length: u64,
    content: Bytes,
    scope: Scope,
) -> Box<Reply> {
    let timeouts = &scope.snapshot().settings.timeouts;
    Box::new(Reply {
        status,
        reason: None,
        fields,
        length: Some(length),
        close: false,
        write_idle: timeouts.response_write_idle,
        deadline: None,
        body: ReplyBody::whole(content, scope),
    })
}

/// A reply to HEAD says what length a GET's content would have; otherwise the
/// encoder does.
fn describe_length(scope: &Scope, length: u64, fields: &mut FieldLines) {
    if scope.with_subject(|subject| subject.method() == Some(&Method::HEAD)) {
        fields.append(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn via(scope: &Scope) -> Option<HeaderValue> {
    let version = scope.with_subject(Subject::version).unwrap_or(Version::Http11);
    scope.snapshot().via.as_ref().map(|via| via.value(version).clone())
}

fn date() -> HeaderValue {
    HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now()))
        .unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_behind_what_leaves_its_framing_or_its_future_in_doubt() {
        let ends: Vec<_> = Code::ALL.iter().filter(|code| closes(**code)).copied().collect();
        let mut expected = [
            Code::BadRequest,
            Code::BadFraming,
            Code::UriTooLong,
            Code::VersionNotSupported,
            Code::RequestHeadTimeout,
            Code::RequestHeadTooLarge,
            Code::RequestBodyTimeout,
            Code::RequestBodyTooLarge,
            Code::AmbiguousHost,
            Code::Draining,
            Code::Internal,
        ];
        expected.sort_unstable_by_key(|code| Code::ALL.iter().position(|other| other == code));
        assert_eq!(ends, expected);
    }
}
