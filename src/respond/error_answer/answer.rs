//! The answer as a whole: status, fields, body.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::negotiation::{self, Media};
use super::{page, problem, proxy_status, text};
use crate::error::{Code, RouterError};
use crate::http1::FieldLines;

/// The methods a refused one may be replaced by (RFC 9110 section 10.2.1).
const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";

/// The page runs nothing and loads nothing, should its escaping ever fail.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'";

/// What an answer depends on beside the error.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request's method, if it could be read.
    pub method: Option<&'a Method>,
    /// The request's field lines as far as they could be read, for `Accept`.
    pub fields: Option<&'a FieldLines>,
    /// The name of the request id's field (`headers.request_id`).
    pub request_id_name: &'a HeaderName,
    /// The request id. Bytes that are not UTF-8 are echoed in the field, and
    /// replaced in the body.
    pub request_id: &'a HeaderValue,
    /// Whether addresses of endpoints may be shown (`errors.expose_endpoints`).
    pub expose_endpoints: bool,
    /// The whole value of `Via`, if one is to be sent.
    pub via: Option<&'a HeaderValue>,
    /// The current time as an IMF-fixdate (RFC 9110 section 5.6.7).
    pub date: &'a HeaderValue,
    /// The name of this router in `Proxy-Status`: "pointsman".
    pub proxy_name: &'a str,
}

/// An answer of the router's own, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The status.
    pub status: StatusCode,
    /// The field lines, without any framing: the encoder adds that.
    pub fields: FieldLines,
    /// The body; empty for HEAD.
    pub body: Bytes,
    /// The length for `Content-Length` in bytes: the body's, or for HEAD that
    /// of the body a GET would have had (RFC 9110 section 8.6).
    pub content_length: u64,
}

/// Builds the answer to a request that failed with `error`.
///
/// Whether the connection can go on after it is the caller's to know; so is
/// that a response has not begun already.
pub fn render(error: &RouterError, ask: &Ask<'_>) -> ErrorAnswer {
    let media = negotiation::choose(ask.fields);
    let body = match media {
        Media::Problem => problem::body(error, ask),
        Media::Html => page::body(error, ask),
        Media::Text => text::body(error, ask),
    };
    let content_length = body.len() as u64;
    let head_only = ask.method == Some(&Method::HEAD);
    ErrorAnswer {
        status: error.status(),
        fields: fields(error, ask, media),
        body: if head_only { Bytes::new() } else { Bytes::from(body) },
        content_length,
    }
}

fn fields(error: &RouterError, ask: &Ask<'_>, media: Media) -> FieldLines {
    let mut fields = FieldLines::with_capacity(13);
    fields.append(header::DATE, ask.date.clone());
    fields.append(header::SERVER, HeaderValue::from_static("pointsman"));
    if let Some(via) = ask.via {
        fields.append(header::VIA, via.clone());
    }
    fields.append(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    fields.append(HeaderName::from_static("proxy-status"), proxy_status::value(error, ask));
    fields.append(ask.request_id_name.clone(), ask.request_id.clone());
    fields.append(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = error.retry_after_s() {
        fields.append(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == Code::MethodNotAllowed {
        fields.append(header::ALLOW, HeaderValue::from_static(ALLOW));
    }
    fields.append(header::VARY, HeaderValue::from_static("Accept"));
    fields.append(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if media == Media::Html {
        fields.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
    fields
}

/// The request id as text, for bodies.
pub(super) fn request_id_text<'a>(ask: &Ask<'a>) -> std::borrow::Cow<'a, str> {
    String::from_utf8_lossy(ask.request_id.as_bytes())
}

/// What the answer says happened: the error's detail, and whether the retry
/// budget kept the router from trying again.
pub(super) fn sentences<'a>(error: &'a RouterError, ask: &Ask<'_>) -> std::borrow::Cow<'a, str> {
    let reason = error.reason.as_deref().filter(|_| ask.expose_endpoints);
    let detail = reason.unwrap_or(&error.detail);
    if error.budget_exhausted {
        let code = Code::RetryBudgetExhausted;
        return format!("{detail}; {} ({code})", code.summary()).into();
    }
    detail.into()
}
