//! What an error answer costs, by media type: a flood of errors must not be
//! dearer than the traffic it replaces.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::Method;
use http::header::{ACCEPT, HeaderName, HeaderValue};

use pointsman::error::{AttemptOutcome, AttemptRecord, Code, RouterError};
use pointsman::http1::FieldLines;
use pointsman::respond::error_answer::{Ask, render};

/// A request that was tried three times.
fn failed() -> RouterError {
    let mut error = RouterError::new(Code::UpstreamReset, "the endpoint reset the connection");
    error.attempts = (0..3)
        .map(|n| AttemptRecord {
            endpoint: SocketAddr::from(([192, 0, 2, n], 8080)),
            outcome: AttemptOutcome::Failed(Code::UpstreamReset),
            elapsed: Duration::from_micros(12_345),
        })
        .collect();
    error
}

fn answers(c: &mut Criterion) {
    let name = HeaderName::from_static("x-request-id");
    let id = HeaderValue::from_static("0190163d-8694-739b-aea5-966c26f8ad91");
    let date = HeaderValue::from_static("Sat, 21 Nov 2026 01:00:00 GMT");
    let via = HeaderValue::from_static("1.1 pointsman-a1b2c3");
    let error = failed();
    let mut group = c.benchmark_group("error answer");
    for (form, accept) in [
        ("text", "*/*"),
        ("problem", "application/problem+json"),
        ("html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ] {
        let fields: FieldLines = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
        let ask = Ask {
            method: Some(&Method::GET),
            fields: Some(&fields),
            request_id_name: &name,
            request_id: &id,
            expose_endpoints: false,
            via: Some(&via),
            date: &date,
            proxy_name: "pointsman",
        };
        group.bench_function(BenchmarkId::from_parameter(form), |b| {
            b.iter(|| render(black_box(&error), black_box(&ask)));
        });
    }
    group.finish();
}

criterion_group!(benches, answers);
criterion_main!(benches);
