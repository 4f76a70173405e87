//! Some bytes as hyper reads them, through a pipe in memory.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pointsman::http1::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::reading::{Message, Reading, Request, Response};

/// Far above every message, so that no write waits for a reader.
const PIPE_BYTES: usize = 1 << 20;

/// Only a hang takes this long.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

pub(crate) async fn read_requests(bytes: &[u8]) -> Reading<Request> {
    let (mut near, far) = duplex(PIPE_BYTES);
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: http::Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let head = Request {
                method: parts.method,
                target: Some(parts.uri),
                version: version(parts.version),
                fields: parts.headers,
            };
            let message = with_content(head, body).await;
            seen.borrow_mut().push(message);
            Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(far), service);
    // How the connection ended is shown by the messages it gave.
    let _ended = tokio::time::timeout(TIMEOUT, serving).await.unwrap();
    Reading::of(seen.take())
}

pub(crate) async fn read_response(bytes: &[u8], method: &Method) -> Reading<Response> {
    let (mut near, far) = duplex(PIPE_BYTES);
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            // As RFC 9112 section 5.1 wants it of proxies.
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(far))
            .await
            .unwrap();
        let mut request = http::Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method.clone();
        let answer = async {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>();
            let usual = parts.status.canonical_reason().unwrap_or_default().as_bytes();
            let head = Response {
                status: parts.status,
                reason: reason.map_or(usual, |reason| reason.as_bytes()).to_vec(),
                version: version(parts.version),
                fields: parts.headers,
            };
            Some(with_content(head, body).await)
        };
        let (answer, _ended, ()) = tokio::join!(answer, connection, play(&mut near, bytes));
        Reading::of(answer.into_iter().collect())
    };
    tokio::time::timeout(TIMEOUT, exchange).await.unwrap()
}

/// Waits for the request and sends the bytes as its answer.
async fn play(near: &mut DuplexStream, bytes: &[u8]) {
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        let read = near.read_buf(&mut got).await.unwrap();
        assert!(read > 0, "hyper sent no whole request");
    }
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
}

async fn with_content<Head>(head: Head, mut body: Incoming) -> Message<Head> {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    let whole = loop {
        match body.frame().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => data.extend_from_slice(&piece),
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            },
        }
    };
    Message { head, data, trailers, whole, refused_by_hyper: None, content_refused_by_hyper: None }
}

fn version(version: http::Version) -> Version {
    if version == http::Version::HTTP_10 { Version::Http10 } else { Version::Http11 }
}
