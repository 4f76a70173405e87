//! What holds whatever bytes stand in the detail, the request id and Accept.

use proptest::prelude::*;

use super::structured_field::{Item, parse};
use super::*;

/// Text with a good share of what has a meaning somewhere.
fn detail() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        proptest::sample::select(vec![
            '\r', '\n', '\0', '\t', '\x1b', '\x7f', '"', '\\', '<', '>', '&', '\'', ';', ',', '/',
            'é', '\u{85}', '\u{2028}', '🚂',
        ]),
        any::<char>(),
    ];
    proptest::collection::vec(character, 0..80).prop_map(String::from_iter)
}

/// Whatever a field value may hold, obs-text included.
fn field_value() -> impl Strategy<Value = HeaderValue> {
    let byte = prop_oneof![Just(b'"'), Just(b'<'), Just(b','), Just(b';'), any::<u8>()];
    proptest::collection::vec(byte, 0..80)
        .prop_filter_map("a field value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

/// One of the three forms, or anything at all.
fn accept_value() -> impl Strategy<Value = HeaderValue> {
    let form = proptest::sample::select(vec!["text/html", "application/json", "text/plain"]);
    prop_oneof![form.prop_map(HeaderValue::from_static), field_value()]
}

fn code() -> impl Strategy<Value = Code> {
    proptest::sample::select(Code::ALL)
}

fn answer(code: Code, detail: &str, id: &HeaderValue, accept: HeaderValue) -> ErrorAnswer {
    let mut error = failed_twice();
    error.code = code;
    error.detail = detail.to_owned().into();
    let fields = [(header::ACCEPT, accept)].into_iter().collect();
    let ask = Ask { fields: Some(&fields), request_id: id, expose_endpoints: true, ..ask() };
    render(&error, &ask)
}

proptest! {
    #[test]
    fn no_field_holds_a_line_break(
        code in code(), detail in detail(), id in field_value(), accept in accept_value(),
    ) {
        for (name, value) in &answer(code, &detail, &id, accept).fields {
            let broken = value.as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
            prop_assert!(!broken, "{name}");
        }
    }

    #[test]
    fn the_proxy_status_keeps_to_its_grammar(code in code(), detail in detail()) {
        let answer = answer(code, &detail, &REQUEST_ID, HeaderValue::from_static("*/*"));
        let value = answer.fields.first(&PROXY_STATUS).unwrap();
        let (member, parameters) = parse(value.as_bytes()).unwrap();
        prop_assert_eq!(member, Item::Token("pointsman".to_owned()));
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(names, ["error", "details", "next-hop"]);
        let Item::Text(details) = &parameters[1].1 else { panic!("details is a string") };
        let printable = |c| if (' '..='~').contains(&c) { c } else { '?' };
        let expected: String = format!("{code} {detail}").chars().map(printable).collect();
        prop_assert_eq!(details, &expected);
    }

    #[test]
    fn problem_details_read_back(code in code(), detail in detail(), id in field_value()) {
        let answer = answer(code, &detail, &id, HeaderValue::from_static("application/json"));
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let id = String::from_utf8_lossy(id.as_bytes());
        prop_assert_eq!(json["detail"].as_str(), Some(detail.as_str()));
        prop_assert_eq!(json["request_id"].as_str(), Some(id.as_ref()));
        prop_assert_eq!(json["code"].as_str(), Some(code.as_str()));
        prop_assert_eq!(json["status"].as_u64(), Some(answer.status.as_u16().into()));
        let instance = json["instance"].as_str().unwrap();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b":%-._~".contains(&b);
        prop_assert!(instance.starts_with("urn:") && instance.bytes().all(plain), "{}", instance);
    }

    #[test]
    fn the_page_has_no_markup_but_its_own(detail in detail(), id in field_value()) {
        let html = HeaderValue::from_static("text/html");
        let plain = answer(Code::Internal, "", &REQUEST_ID, html.clone());
        let hostile = answer(Code::Internal, &detail, &id, html);
        for mark in ['<', '>', '"', '\''] {
            let count = |answer: &ErrorAnswer| text(answer).matches(mark).count();
            prop_assert_eq!(count(&plain), count(&hostile), "{}", mark);
        }
        let controls = text(&hostile).chars().any(|c| c.is_control() && c != '\n');
        prop_assert!(!controls);
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        for (at, _) in text(&hostile).match_indices('&') {
            let rest = &text(&hostile)[at..];
            prop_assert!(entities.iter().any(|entity| rest.starts_with(entity)));
        }
    }

    #[test]
    fn text_stays_three_lines(code in code(), detail in detail(), id in field_value()) {
        let answer = answer(code, &detail, &id, HeaderValue::from_static("text/plain"));
        prop_assert_eq!(text(&answer).matches('\n').count(), 3);
        let controls = text(&answer).chars().any(|c| c.is_control() && c != '\n');
        prop_assert!(!controls);
    }

    #[test]
    fn whatever_is_asked_for_one_of_three_forms_comes(accept in field_value()) {
        let answer = answer(Code::Internal, "", &REQUEST_ID, accept);
        let form = line(&answer, &header::CONTENT_TYPE).unwrap();
        let forms =
            ["text/plain; charset=utf-8", "text/html; charset=utf-8", "application/problem+json"];
        prop_assert!(forms.contains(&form), "{}", form);
    }
}
