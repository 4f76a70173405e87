//! What the head of an attempt costs; its endpoint is in `choice`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{Criterion, criterion_group, criterion_main};
use http::header::{HeaderName, HeaderValue};
use pointsman::attempt::{Forwarded, HeadPolicy, HeaderEdits, Via, derive};
use pointsman::http1::{FieldLines, Framing, Version};
use pointsman::request::{ClientInfo, RequestHead, RequestHeadParts, RequestHost};

/// The six fields of a browser's request, their values cut from one buffer as
/// the codec does it.
fn browser_request() -> RequestHead {
    let lines = [
        ("host", "shop.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("connection", "keep-alive"),
    ];
    let buffer: bytes::Bytes = lines.iter().map(|(_, value)| *value).collect::<String>().into();
    let mut at = 0;
    let fields: FieldLines = lines
        .iter()
        .map(|(name, value)| {
            let value = buffer.slice(at..at + value.len());
            at += value.len();
            (HeaderName::from_static(name), HeaderValue::from_maybe_shared(value).unwrap())
        })
        .collect();
    RequestHead::new(RequestHeadParts {
        method: http::Method::GET,
        target: buffer.slice(0..16),
        path: buffer.slice(0..16),
        host: RequestHost::from_authority(b"shop.example.com").unwrap(),
        authority: fields.first(&http::header::HOST).unwrap().to_value(),
        version: Version::Http11,
        fields,
        framing: Framing::None,
        client: ClientInfo {
            peer: SocketAddr::from(([192, 0, 2, 107], 40_000)),
            local: SocketAddr::from(([192, 0, 2, 1], 80)),
            trusted: false,
            secure: false,
        },
        request_id: HeaderValue::from_static("0198c5f2-7d1e-7c3a-9f5b-0123456789ab"),
    })
}

fn attempt_head(c: &mut Criterion) {
    let head = browser_request();
    let id = HeaderName::from_static("x-request-id");
    let via = Via::new("pointsman", "a1b2c3");
    let policy = HeadPolicy::new(Forwarded::Append, id, via, HeaderEdits::default()).unwrap();
    let endpoint = SocketAddr::from(([192, 0, 2, 9], 8080));
    c.bench_function("attempt head of a browser's request", |b| {
        b.iter(|| derive(black_box(&head), black_box(&policy), endpoint, 1));
    });
}

criterion_group!(benches, attempt_head);
criterion_main!(benches);
