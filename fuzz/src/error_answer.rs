//! The router's own answers, whatever stands in details, names and ids: one
//! well-framed answer, valid JSON, and a page with no markup but its own.

use std::time::Duration;

use bytes::BytesMut;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use pointsman::error::{AttemptOutcome, AttemptRecord, Code, RouterError};
use pointsman::http1::{FieldLines, Framing, Version, encode_response_head};
use pointsman::respond::error_answer::{Ask, ErrorAnswer, render};

use super::input::Input;
use super::strict::{self, End};

/// Four bytes of choices; then, each up to a byte 0x1e, the detail, the
/// request id, the name of its field, the router's name and `Accept`.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut error = RouterError::from(*input.pick(Code::ALL));
    let knobs = input.byte();
    let method = input.pick(&[Method::GET, Method::HEAD]);
    let attempts = input.below(4);
    error.budget_exhausted = knobs & 1 != 0;
    error.received_status = (knobs & 2 != 0).then_some(101);
    error.attempts = (0..attempts)
        .map(|at| AttemptRecord {
            endpoint: ([192, 0, 2, at as u8], 80).into(),
            outcome: AttemptOutcome::Failed(Code::ALL[usize::from(knobs) % Code::ALL.len()]),
            elapsed: Duration::from_micros(u64::from(knobs) << 8),
        })
        .collect();
    error.next_hop = error.attempts.last().map(|attempt| attempt.endpoint);
    error.detail = String::from_utf8_lossy(input.until(0x1e)).into_owned().into();
    let mut value = || HeaderValue::from_bytes(input.until(0x1e)).ok();
    let request_id = value().unwrap_or(HeaderValue::from_static("id-1"));
    let name = HeaderName::from_bytes(input.until(0x1e)).ok().filter(|name| !is_taken(name));
    let name = name.unwrap_or(HeaderName::from_static("x-request-id"));
    let proxy_name = String::from_utf8_lossy(input.until(0x1e)).into_owned();
    let accept = match input.rest() {
        b"h" => HeaderValue::from_static("text/html"),
        b"j" => HeaderValue::from_static("application/json"),
        other => HeaderValue::from_bytes(other).unwrap_or(HeaderValue::from_static("*/*")),
    };
    let fields: FieldLines = [(header::ACCEPT, accept)].into_iter().collect();
    let date = HeaderValue::from_static("Sat, 21 Nov 2026 01:00:00 GMT");
    let ask = Ask {
        method: Some(method),
        fields: Some(&fields),
        request_id_name: &name,
        request_id: &request_id,
        expose_endpoints: knobs & 4 != 0,
        via: None,
        date: &date,
        proxy_name: &proxy_name,
    };
    let answer = render(&error, &ask);
    framed(&answer, method);
    body(&error, &ask, &answer);
}

/// Names the settings do not take for the request id.
fn is_taken(name: &HeaderName) -> bool {
    let plain = FieldLines::new();
    let date = HeaderValue::from_static("");
    let ask = Ask {
        method: None,
        fields: Some(&plain),
        request_id_name: &HeaderName::from_static("x-request-id"),
        request_id: &date,
        expose_endpoints: false,
        via: None,
        date: &date,
        proxy_name: "pointsman",
    };
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    framing.contains(name)
        || render(&RouterError::from(Code::MethodNotAllowed), &ask).fields.contains(name)
}

/// On the wire it is one answer, with exactly these fields.
fn framed(answer: &ErrorAnswer, method: &Method) {
    let mut out = BytesMut::new();
    let framing = match *method {
        Method::HEAD => Framing::None,
        _ => Framing::Length(answer.content_length),
    };
    encode_response_head(
        &mut out,
        Version::Http11,
        answer.status,
        None,
        &answer.fields,
        framing,
        true,
    );
    out.extend_from_slice(&answer.body);
    let (messages, end) = strict::answers(&out, &[method.as_str().as_bytes()]);
    assert_eq!(end, End::Clean, "{out:?}");
    let [message] = &messages[..] else { panic!("not one answer: {out:?}") };
    assert_eq!(message.content, answer.body);
    let framing_line = usize::from(*method != Method::HEAD);
    assert_eq!(message.fields.len(), answer.fields.len() + framing_line, "{out:?}");
}

fn body(error: &RouterError, ask: &Ask<'_>, answer: &ErrorAnswer) {
    if ask.method == Some(&Method::HEAD) {
        assert!(answer.body.is_empty());
        return;
    }
    assert_eq!(answer.content_length, answer.body.len() as u64);
    let text = std::str::from_utf8(&answer.body).expect("text");
    let media = answer.fields.first(&header::CONTENT_TYPE).unwrap();
    match media.as_bytes() {
        b"application/problem+json" => {
            let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(json["code"].as_str(), Some(error.code.as_str()));
            let detail = json["detail"].as_str().unwrap();
            assert!(detail.starts_with(&*error.detail), "{detail:?}");
            let id = String::from_utf8_lossy(ask.request_id.as_bytes());
            assert_eq!(json["request_id"].as_str(), Some(&*id));
        }
        b"text/html; charset=utf-8" => page(error, ask, text),
        _ => {
            let budget = usize::from(text.ends_with('\n'));
            assert_eq!((text.matches('\n').count(), budget), (3, 1), "{text:?}");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
    }
}

/// The page has the markup it would have without the hostile texts, and no
/// `&` that is not an entity.
fn page(error: &RouterError, ask: &Ask<'_>, text: &str) {
    let mut harmless = error.clone();
    harmless.detail = "".into();
    let id = HeaderValue::from_static("id-1");
    let plain = render(&harmless, &Ask { request_id: &id, proxy_name: "pointsman", ..*ask });
    let plain = std::str::from_utf8(&plain.body).unwrap();
    for mark in ['<', '>', '"', '\''] {
        assert_eq!(text.matches(mark).count(), plain.matches(mark).count(), "{mark} in {text}");
    }
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
    for (at, _) in text.match_indices('&') {
        assert!(entities.iter().any(|entity| text[at..].starts_with(entity)), "{text}");
    }
}
