//! One request through the router as a tower service, to an endpoint over
//! loopback and back. Router and endpoint take turns on one thread, so this is
//! the processor time of both and of the system calls between them.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop where it stands")]

use std::net::SocketAddr;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use pointsman::{Router, config};

/// An answer of a hundred bytes.
fn response() -> Vec<u8> {
    let mut response = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_vec();
    response.extend_from_slice(&[b'x'; 100]);
    response
}

/// Answers every head without looking at it; what a request's content is, this
/// benchmark knows.
async fn answer_all(mut stream: TcpStream, content_bytes: usize) {
    let response = response();
    let mut seen = Vec::with_capacity(16 << 10);
    while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
        while let Some(head) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            let end = head + 4 + content_bytes;
            if seen.len() < end {
                break;
            }
            seen.drain(..end);
            stream.write_all(&response).await.unwrap();
        }
    }
}

async fn endpoint(content_bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(answer_all(stream, content_bytes));
        }
    });
    address
}

fn router(endpoint: SocketAddr) -> Router {
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[route]]\nhost = \"shop.example.com\"\nendpoints = [\"{endpoint}\"]\n"
    );
    Router::new(config::parse(&text, "bench").unwrap()).unwrap()
}

fn request<B>(method: &str, body: B) -> Request<B> {
    Request::builder()
        .method(method)
        .uri("/index.html")
        .header("host", "shop.example.com")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0")
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-US,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br")
        .body(body)
        .unwrap()
}

fn round_trips(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = c.benchmark_group("round trip");
    let get = router(runtime.block_on(endpoint(0)));
    group.bench_function("GET", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let asked = get.clone().oneshot(request("GET", Empty::<Bytes>::new())).await;
                let content = asked.unwrap().into_body().collect().await.unwrap().to_bytes();
                assert_eq!(content.len(), 100);
            });
        });
    });
    let kib = Bytes::from_static(&[b'x'; 1024]);
    let post = router(runtime.block_on(endpoint(kib.len())));
    group.bench_function("POST of 1 KiB", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let asked = post.clone().oneshot(request("POST", Full::new(kib.clone()))).await;
                let content = asked.unwrap().into_body().collect().await.unwrap().to_bytes();
                assert_eq!(content.len(), 100);
            });
        });
    });
    group.finish();
}

criterion_group!(benches, round_trips);
criterion_main!(benches);
