//! Refusals of the admin side, as RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::config::checks::Mistake;

/// A refusal that says what to do instead.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// What exists, where the caller looked for something that does not.
    endpoints: Option<&'static [&'static str]>,
    /// What is wrong with the content, where that is known by key.
    errors: Vec<KeyMistake>,
}

/// What is wrong with one value of a content.
#[derive(Clone, Debug)]
pub(super) struct KeyMistake {
    /// Where it stands, as in `endpoints[1].weight`; empty for the whole.
    pub(super) key: String,
    pub(super) mistake: Mistake,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), endpoints: None, errors: Vec::new() }
    }

    /// The same, with a list of what exists.
    pub(super) fn listing(mut self, endpoints: &'static [&'static str]) -> Self {
        self.endpoints = Some(endpoints);
        self
    }

    /// A content that is not used because of these.
    pub(super) fn wrong_content(errors: Vec<KeyMistake>) -> Self {
        let said = |error: &KeyMistake| {
            let place =
                if error.key.is_empty() { String::new() } else { format!("{}: ", error.key) };
            let help =
                error.mistake.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
            format!("{place}{}{help}", error.mistake.reason)
        };
        let more = match errors.len() {
            0 | 1 => String::new(),
            count => format!("; and {} more", count - 1),
        };
        let detail = errors.first().map_or_else(|| "the content is wrong".into(), said) + &more;
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(endpoints) = self.endpoints {
            body["endpoints"] = json!(endpoints);
        }
        if !self.errors.is_empty() {
            let error = |error: KeyMistake| {
                let Mistake { reason, help } = error.mistake;
                json!({ "key": error.key, "reason": reason, "help": help })
            };
            body["errors"] = self.errors.into_iter().map(error).collect();
        }
        let mut response = (self.status, format!("{body}\n")).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"pointsman admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
