//! What reading and writing a head costs: a browser's request, and an app's
//! response to it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::Method;

use pointsman::http1::{HeadLimits, HeadReader, encode_request_head, encode_response_head};

const LIMITS: HeadLimits = HeadLimits { bytes: 64 << 10, fields: 128 };

/// Six fields, as a browser sends them for a page.
const REQUEST: &[u8] = b"GET /index.html?id=7 HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Connection: keep-alive\r\n\
    \r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Sat, 21 Nov 2026 01:00:00 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Content-Length: 100\r\n\
    Cache-Control: max-age=60\r\n\
    ETag: \"5f3a-1c\"\r\n\
    Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly\r\n\
    \r\n";

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("request head", |b| {
        b.iter_batched_ref(
            || BytesMut::from(REQUEST),
            |bytes| HeadReader::new().request(black_box(bytes), &LIMITS).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("request head, a byte at a time", |b| {
        b.iter_batched_ref(
            || BytesMut::with_capacity(REQUEST.len()),
            |bytes| {
                let mut reader = HeadReader::new();
                let mut read = None;
                for byte in REQUEST {
                    bytes.extend_from_slice(&[*byte]);
                    read = reader.request(black_box(bytes), &LIMITS).unwrap();
                }
                read.unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response head", |b| {
        b.iter_batched_ref(
            || BytesMut::from(RESPONSE),
            |bytes| HeadReader::new().response(black_box(bytes), &LIMITS, &Method::GET).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    let mut out = BytesMut::with_capacity(4096);
    let mut bytes = BytesMut::from(REQUEST);
    let request = HeadReader::new().request(&mut bytes, &LIMITS).unwrap().unwrap();
    group.bench_function("request head", |b| {
        b.iter(|| {
            out.clear();
            let head = black_box(&request);
            encode_request_head(&mut out, &head.method, &head.target, &head.fields, head.framing);
            out.len()
        });
    });
    let mut bytes = BytesMut::from(RESPONSE);
    let response = HeadReader::new().response(&mut bytes, &LIMITS, &Method::GET);
    let response = response.unwrap().unwrap();
    group.bench_function("response head", |b| {
        b.iter(|| {
            out.clear();
            let head = black_box(&response);
            let (fields, framing) = (&head.fields, head.framing);
            encode_response_head(
                &mut out,
                head.version,
                head.status,
                Some(&head.reason),
                fields,
                framing,
                true,
            );
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, read, write);
criterion_main!(benches);
