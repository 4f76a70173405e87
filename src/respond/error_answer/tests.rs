//! Whole answers, and what holds for them whatever bytes come in.

mod hostile;
mod structured_field;

use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::{Ask, ErrorAnswer, render};
use crate::error::{AttemptOutcome, AttemptRecord, Code, RouterError};
use crate::http1::{FieldLines, FieldValue};

static REQUEST_ID_NAME: HeaderName = HeaderName::from_static("x-request-id");
static REQUEST_ID: HeaderValue = HeaderValue::from_static("0190163d-8694-739b-aea5-966c26f8ad91");
static DATE: HeaderValue = HeaderValue::from_static("Sat, 21 Nov 2026 01:00:00 GMT");
static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// A plain GET without Accept; tests change what they are about.
fn ask<'a>() -> Ask<'a> {
    Ask {
        method: Some(&Method::GET),
        fields: None,
        request_id_name: &REQUEST_ID_NAME,
        request_id: &REQUEST_ID,
        expose_endpoints: false,
        via: None,
        date: &DATE,
        proxy_name: "pointsman",
    }
}

fn accept(value: &'static str) -> FieldLines {
    [(header::ACCEPT, HeaderValue::from_static(value))].into_iter().collect()
}

/// Two attempts, the last one answered with half a head.
fn failed_twice() -> RouterError {
    let record = |last, code, micros| AttemptRecord {
        endpoint: ([10, 0, 0, last], 8080).into(),
        outcome: AttemptOutcome::Failed(code),
        elapsed: Duration::from_micros(micros),
    };
    let mut error = RouterError::new(Code::UpstreamReset, "The connection was reset.");
    error.attempts =
        vec![record(1, Code::ConnectRefused, 412), record(2, Code::UpstreamReset, 30_007)];
    error.next_hop = Some(error.attempts[1].endpoint);
    error
}

fn text(answer: &ErrorAnswer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn line<'a>(answer: &'a ErrorAnswer, name: &HeaderName) -> Option<&'a str> {
    answer.fields.first(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_answer_has_the_promised_fields() {
    for code in Code::ALL {
        let answer = render(&RouterError::from(*code), &ask());
        if let Some(status) = code.status() {
            assert_eq!(answer.status, status);
        }
        assert_eq!(line(&answer, &header::DATE), DATE.to_str().ok());
        assert_eq!(line(&answer, &header::SERVER), Some("pointsman"));
        assert_eq!(line(&answer, &header::CACHE_CONTROL), Some("no-store"));
        assert_eq!(line(&answer, &header::VARY), Some("Accept"));
        assert_eq!(line(&answer, &header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
        assert_eq!(line(&answer, &header::CONTENT_TYPE), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.fields.first(&REQUEST_ID_NAME), Some(FieldValue::Own(&REQUEST_ID)));
        let names: std::collections::BTreeSet<_> =
            answer.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), answer.fields.len(), "no field stands there twice");
    }
}

#[test]
fn framing_is_left_to_the_encoder() {
    let answer = render(&failed_twice(), &ask());
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        assert!(!answer.fields.contains(&name), "{name}");
    }
    assert_eq!(answer.content_length, answer.body.len() as u64);
}

#[test]
fn the_proxy_status_says_type_and_code() {
    let answer = render(&failed_twice(), &ask());
    assert_eq!(
        line(&answer, &PROXY_STATUS),
        Some(
            "pointsman; error=connection_terminated; \
             details=\"upstream-reset The connection was reset.\""
        )
    );
}

#[test]
fn a_router_name_that_is_no_token_is_sent_as_a_string() {
    let answer = render(&failed_twice(), &Ask { proxy_name: "7 \"points\"; é", ..ask() });
    let value = line(&answer, &PROXY_STATUS).unwrap();
    assert!(value.starts_with(r#""7 \"points\"; ?"; error="#), "{value}");
}

#[test]
fn next_hop_and_received_status_stand_where_known_and_allowed() {
    let mut error = failed_twice();
    error.received_status = Some(101);
    let answer = render(&error, &Ask { expose_endpoints: true, ..ask() });
    let value = line(&answer, &PROXY_STATUS).unwrap();
    assert!(value.ends_with("; next-hop=\"10.0.0.2:8080\"; received-status=101"), "{value}");
}

#[test]
fn a_reason_with_names_in_it_is_for_those_who_may_see_endpoints() {
    let mut error = failed_twice();
    error.reason = Some("not valid for ep.internal".into());
    for form in ["text/plain", "text/html", "application/json"] {
        let fields = accept(form);
        for (expose_endpoints, budget_exhausted) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            error.budget_exhausted = budget_exhausted;
            let answer = render(&error, &Ask { fields: Some(&fields), expose_endpoints, ..ask() });
            let status = line(&answer, &PROXY_STATUS).unwrap();
            for said in [text(&answer), status] {
                assert_eq!(said.contains("ep.internal"), expose_endpoints, "{said}");
                assert_eq!(said.contains("The connection was reset."), !expose_endpoints, "{said}");
            }
        }
    }
}

#[test]
fn addresses_of_endpoints_are_kept_back_in_every_form() {
    for form in ["text/plain", "text/html", "application/json"] {
        let fields = accept(form);
        let quiet = Ask { fields: Some(&fields), ..ask() };
        let answer = render(&failed_twice(), &quiet);
        assert!(!text(&answer).contains("10.0.0."), "{form}");
        assert!(!line(&answer, &PROXY_STATUS).unwrap().contains("10.0.0."), "{form}");
        if form != "text/plain" {
            let answer = render(&failed_twice(), &Ask { expose_endpoints: true, ..quiet });
            assert!(text(&answer).contains("10.0.0.1:8080"), "{form}");
        }
    }
}

#[test]
fn waiting_is_advised_where_it_helps() {
    let answer = render(&RouterError::from(Code::NoEndpoint), &ask());
    assert_eq!(line(&answer, &header::RETRY_AFTER), Some("5"));
    let answer = render(&RouterError::from(Code::BadRequest), &ask());
    assert!(!answer.fields.contains(&header::RETRY_AFTER));
}

#[test]
fn a_refused_method_is_told_which_are_allowed() {
    let answer = render(&RouterError::from(Code::MethodNotAllowed), &ask());
    assert_eq!(line(&answer, &header::ALLOW), Some("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"));
    assert!(!render(&failed_twice(), &ask()).fields.contains(&header::ALLOW));
}

#[test]
fn via_is_sent_as_given_or_not_at_all() {
    let via = HeaderValue::from_static("1.1 pointsman-7f3a");
    let answer = render(&failed_twice(), &Ask { via: Some(&via), ..ask() });
    assert_eq!(answer.fields.first(&header::VIA), Some(FieldValue::Own(&via)));
    assert!(!render(&failed_twice(), &ask()).fields.contains(&header::VIA));
}

#[test]
fn head_gets_the_same_fields_and_length_without_a_body() {
    let get = render(&failed_twice(), &ask());
    let head = render(&failed_twice(), &Ask { method: Some(&Method::HEAD), ..ask() });
    assert!(head.body.is_empty() && !get.body.is_empty());
    assert_eq!(head.fields, get.fields);
    assert_eq!(head.content_length, get.content_length);
}

#[test]
fn a_request_whose_method_could_not_be_read_gets_a_body() {
    let answer = render(&RouterError::from(Code::BadRequest), &Ask { method: None, ..ask() });
    assert!(!answer.body.is_empty());
}

#[test]
fn text_is_three_lines() {
    assert_eq!(
        text(&render(&failed_twice(), &ask())),
        "502 App closed the connection (upstream-reset)\n\
         The connection was reset.\n\
         request id: 0190163d-8694-739b-aea5-966c26f8ad91\n"
    );
}

#[test]
fn problem_details_have_every_promised_member() {
    let fields = accept("application/problem+json");
    let exposed = Ask { fields: Some(&fields), expose_endpoints: true, ..ask() };
    let answer = render(&failed_twice(), &exposed);
    assert_eq!(line(&answer, &header::CONTENT_TYPE), Some("application/problem+json"));
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "type": "urn:pointsman:error:upstream-reset",
            "title": "App closed the connection",
            "status": 502,
            "detail": "The connection was reset.",
            "instance": "urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91",
            "code": "upstream-reset",
            "stage": "response-head",
            "request_id": "0190163d-8694-739b-aea5-966c26f8ad91",
            "attempts": [
                { "endpoint": "10.0.0.1:8080", "outcome": "connect-refused", "milliseconds": 0.412 },
                { "endpoint": "10.0.0.2:8080", "outcome": "upstream-reset", "milliseconds": 30.007 },
            ],
        })
    );
}

#[test]
fn the_page_shows_what_a_person_needs_and_loads_nothing() {
    let fields = accept("text/html");
    let answer = render(&failed_twice(), &Ask { fields: Some(&fields), ..ask() });
    let page = text(&answer);
    let code = Code::UpstreamReset;
    for part in [
        "<!doctype html>",
        "<html lang=\"en\">",
        "prefers-color-scheme: dark",
        "Error 502",
        code.title(),
        code.blame().phrase(),
        "<code>upstream-reset</code>",
        "0190163d-8694-739b-aea5-966c26f8ad91",
        "<li>connect-refused after 0 ms</li>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for loader in ["src=", "href=", "url(", "@import", "<script", "http:", "https:"] {
        assert!(!page.contains(loader), "{loader}");
    }
    assert!(line(&answer, &header::CONTENT_SECURITY_POLICY).unwrap().contains("'none'"));
}

#[test]
fn a_spent_retry_budget_is_added_to_the_last_attempts_answer() {
    let mut error = failed_twice();
    error.budget_exhausted = true;
    let answer = render(&error, &ask());
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let value = line(&answer, &PROXY_STATUS).unwrap();
    assert!(value.contains("error=connection_terminated; details=\"upstream-reset "), "{value}");
    assert!(value.contains("retry-budget-exhausted"), "{value}");
    assert!(text(&answer).contains("retry-budget-exhausted"));
}
