//! The outside contract of the codes, and the page printed from them.

use std::collections::BTreeSet;
use std::path::Path;

use pointsman::error::{Answer, Code, catalogue_markdown};

/// The contract, written a second time on purpose: codes, their answer, their
/// types.
const CONTRACT: &[(&str, &str, &str)] = &[
    ("bad-request", "400", "http_request_error"),
    ("uri-too-long", "414", "http_request_error"),
    ("method-not-allowed", "405", "http_request_error"),
    ("expectation-failed", "417", "http_request_error"),
    ("version-not-supported", "505", "http_request_error"),
    ("bad-framing", "400", "http_request_error"),
    ("ambiguous-host", "400", "http_request_error"),
    ("ambiguous-path", "400", "http_request_error"),
    ("request-head-timeout", "408", "http_request_error"),
    ("request-body-timeout", "408", "http_request_error"),
    ("request-head-too-large", "431", "http_request_error"),
    ("request-body-too-large", "413", "http_request_error"),
    ("client-closed", "499, log only", "connection_terminated"),
    ("unauthenticated", "401", "http_request_denied"),
    ("forbidden", "403", "http_request_denied"),
    ("rate-limited", "429", "http_request_denied"),
    ("misdirected", "421", "http_request_error"),
    ("loop-detected", "508", "proxy_loop_detected"),
    ("no-route", "404", "destination_not_found"),
    ("no-endpoint", "503", "destination_unavailable"),
    ("endpoints-saturated", "503", "connection_limit_reached"),
    ("overloaded", "503", "proxy_internal_response"),
    ("draining", "503", "proxy_internal_response"),
    ("dns-failed", "502", "dns_error"),
    ("dns-timeout", "504", "dns_timeout"),
    ("connect-refused", "502", "connection_refused"),
    ("connect-failed", "502", "destination_ip_unroutable"),
    ("connect-timeout", "504", "connection_timeout"),
    ("tls-failed", "502", "tls_protocol_error"),
    ("tls-untrusted", "502", "tls_certificate_error"),
    ("tls-rejected", "502", "tls_alert_received"),
    ("upstream-reset", "502", "connection_terminated"),
    ("upstream-protocol-error", "502", "http_protocol_error"),
    ("upstream-head-too-large", "502", "http_response_header_section_size"),
    ("upstream-head-timeout", "504", "http_response_timeout"),
    ("upstream-write-timeout", "504", "connection_write_timeout"),
    ("upstream-truncated", "mid-body", "http_response_incomplete"),
    ("upstream-body-timeout", "mid-body", "connection_read_timeout"),
    ("client-stalled", "mid-body", "connection_write_timeout"),
    ("drain-cut", "mid-body", "connection_terminated"),
    ("tunnel-idle", "mid-body", "connection_terminated"),
    ("tls-handshake-failed", "log only", ""),
    ("tls-handshake-timeout", "log only", ""),
    ("proxy-protocol-invalid", "log only", ""),
    ("upgrade-failed", "502", "http_upgrade_failed"),
    ("deadline-exceeded", "504", "http_response_timeout"),
    ("retry-budget-exhausted", "as the last attempt's", ""),
    ("internal", "500", "proxy_internal_error"),
];

/// The types of RFC 9209 section 2.3, from 2.3.1 to 2.3.32.
const REGISTERED: &str = "\
    dns_timeout dns_error destination_not_found destination_unavailable \
    destination_ip_prohibited destination_ip_unroutable connection_refused \
    connection_terminated connection_timeout connection_read_timeout \
    connection_write_timeout connection_limit_reached tls_protocol_error \
    tls_certificate_error tls_alert_received http_request_error http_request_denied \
    http_response_incomplete http_response_header_section_size \
    http_response_header_size http_response_body_size \
    http_response_trailer_section_size http_response_trailer_size \
    http_response_transfer_coding http_response_content_coding http_response_timeout \
    http_upgrade_failed http_protocol_error proxy_internal_response \
    proxy_internal_error proxy_configuration_error proxy_loop_detected";

#[test]
fn codes_statuses_and_types_are_those_promised() {
    let ours: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            let kind = code.proxy_error_type().unwrap_or("");
            (code.as_str(), code.answer().to_string(), kind)
        })
        .collect();
    let promised: Vec<_> =
        CONTRACT.iter().map(|(code, answer, kind)| (*code, (*answer).to_owned(), *kind)).collect();
    assert_eq!(ours, promised);
}

#[test]
fn every_type_is_registered() {
    let registered: BTreeSet<&str> = REGISTERED.split_whitespace().collect();
    assert_eq!(registered.len(), 32);
    for kind in Code::ALL.iter().filter_map(|code| code.proxy_error_type()) {
        assert!(registered.contains(kind), "{kind}");
    }
}

#[test]
fn whatever_is_answered_has_a_type() {
    for code in Code::ALL {
        if matches!(code.answer(), Answer::Status(_)) {
            assert!(code.proxy_error_type().is_some(), "{code}");
        }
    }
}

#[test]
fn the_page_is_what_the_table_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let printed = catalogue_markdown();
    if std::env::var_os("POINTSMAN_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &printed).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == printed,
        "docs/errors.md is not what src/error/table says; print it anew with \
         POINTSMAN_BLESS=1 cargo test --test error_catalogue"
    );
}
