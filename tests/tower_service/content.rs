//! Content both ways, and what dropping it releases.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::ServiceExt;

use pointsman::error::Code;
use pointsman::http1::{FieldValue, Framing};

use crate::bodies::{Frames, Lying};
use crate::site::{Endpoint, call, content, get, read, request};

#[tokio::test]
async fn a_get_comes_back_with_the_endpoints_status_fields_and_content() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let (response, received) = tokio::join!(call(&router, get()), async {
        let mut received = endpoint.receive().await;
        let head = b"HTTP/1.1 203 Fine\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n";
        received.answer(head).await;
        received.answer(b"content-length: 5\r\n\r\nhello").await;
        received
    });
    assert_eq!(received.head.method, Method::GET);
    assert_eq!(received.head.target, "/cart?id=7");
    assert_eq!(received.field("host"), Some("shop.example"));
    assert_eq!(received.head.framing, Framing::None);
    assert_eq!(response.status(), 203);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert_eq!(content(response).await, "hello");
}

#[tokio::test]
async fn content_of_known_length_is_sent_with_that_length() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let mut post = request(Method::POST, Full::new(Bytes::from_static(b"three words long")));
    // Whatever the request says of its framing, the body's own length counts.
    post.headers_mut().insert("content-length", HeaderValue::from_static("3"));
    post.headers_mut().insert("transfer-encoding", HeaderValue::from_static("chunked"));
    let (response, received) = tokio::join!(call(&router, post), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
        received
    });
    assert_eq!(received.head.framing, Framing::Length(16));
    assert_eq!(received.content, b"three words long");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(content(response).await, "");
}

#[tokio::test]
async fn a_post_that_says_it_has_no_content_says_so_to_the_endpoint() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    for (said, framing) in [(Some("0"), Framing::Length(0)), (None, Framing::None)] {
        let mut post = request(Method::POST, Empty::<Bytes>::new());
        let said = said.map(HeaderValue::from_static);
        post.headers_mut().extend(said.map(|length| (http::header::CONTENT_LENGTH, length)));
        let (_, received) = tokio::join!(call(&router, post), async {
            let mut received = endpoint.receive().await;
            received.answer(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            received
        });
        assert_eq!(received.head.framing, framing);
    }
}

#[tokio::test]
async fn streamed_content_and_trailers_pass_both_ways() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let sum: HeaderMap =
        [(HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))].into_iter().collect();
    let frames = [
        Frame::data(Bytes::from_static(b"one ")),
        Frame::data(Bytes::new()),
        Frame::data(Bytes::from_static(b"two")),
        Frame::trailers(sum),
    ];
    let body = Frames(frames.map(Ok::<_, Infallible>).into_iter());
    let mut post = request(Method::POST, body);
    post.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let (response, received) = tokio::join!(call(&router, post), async {
        let mut received = endpoint.receive().await;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n";
        received.answer(head).await;
        received.answer(b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-end: yes\r\n\r\n").await;
        received
    });
    assert_eq!(received.head.framing, Framing::Chunked);
    assert_eq!(received.content, b"one two");
    let sum = received
        .trailers
        .unwrap()
        .first(&HeaderName::from_static("x-sum"))
        .map(FieldValue::to_value);
    assert_eq!(sum.unwrap(), "42");
    assert_eq!(response.body().size_hint().exact(), None);
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-end"], "yes");
    assert_eq!(collected.to_bytes(), "abcde");
}

#[tokio::test]
async fn dropping_the_content_early_closes_the_connection_and_frees_the_place() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("[limits]\nrequests_in_flight = 1");
    let (response, mut received) = tokio::join!(call(&router, get()), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegun").await;
        received
    });
    received.answer(b" and going on").await;
    let second = call(&router, get()).await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE, "the first holds the one place");
    drop(second);
    drop(response);
    received.closed().await;
    let (third, _) = tokio::join!(call(&router, get()), async {
        endpoint.receive().await.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    assert_eq!(third.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn dropping_the_call_before_the_answer_closes_the_connection() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("[limits]\nrequests_in_flight = 1");
    let mut calling = Box::pin(router.clone().oneshot(get()));
    let received = tokio::select! {
        _ = &mut calling => panic!("nobody has answered"),
        received = endpoint.receive() => received,
    };
    drop(calling);
    received.closed().await;
    let (next, _) = tokio::join!(call(&router, get()), async {
        endpoint.receive().await.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    assert_eq!(next.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn content_read_to_its_end_gives_the_connection_back() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let (response, mut received) = tokio::join!(call(&router, get()), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst").await;
        received
    });
    assert_eq!(content(response).await, "first");
    let (response, ()) = tokio::join!(call(&router, get()), async {
        // The same connection: nobody accepts another.
        read(&mut received.stream, &mut BytesMut::new()).await.unwrap();
        received.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond").await;
    });
    assert_eq!(content(response).await, "second");
}

#[tokio::test]
async fn content_cut_by_the_endpoint_ends_in_an_error_with_its_code() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let (response, ()) = tokio::join!(call(&router, get()), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    });
    let mut body = response.into_body();
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(data, "half");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::UpstreamTruncated);
    assert!(body.frame().await.is_none(), "nothing follows an error");
}

#[tokio::test]
async fn content_that_fails_on_the_way_in_never_looks_whole_to_the_endpoint() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err("the sender left")];
    let post = request(Method::POST, Frames(frames.into_iter()));
    let (_, received) = tokio::join!(call(&router, post), endpoint.receive_or_end());
    assert!(received.is_none());
}

#[tokio::test]
async fn content_of_another_length_than_it_says_never_reaches_the_endpoint_as_a_request() {
    for says in [3, 5] {
        let endpoint = Endpoint::start().await;
        let router = endpoint.router("");
        let lying = Lying { says, gives: Some(Bytes::from_static(b"four")) };
        let response = call(&router, request(Method::PUT, lying)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(endpoint.receive_or_end().await.is_none(), "{says}");
    }
}
