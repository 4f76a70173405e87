//! Who asks for which host, and the router's own answers.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body::{Body, Frame};
use http_body_util::Empty;

use pointsman::error::Code;
use pointsman::request::ClientAddress;

use crate::bodies::Frames;
use crate::site::{Endpoint, call, content, get, request};

#[tokio::test]
async fn the_client_that_is_told_of_is_forwarded() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let mut from = get();
    from.extensions_mut().insert(ClientAddress {
        peer: SocketAddr::from(([192, 0, 2, 107], 40_000)),
        local: SocketAddr::from(([192, 0, 2, 1], 443)),
        secure: true,
    });
    let (_, received) = tokio::join!(call(&router, from), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        received
    });
    assert_eq!(received.field("x-forwarded-for"), Some("192.0.2.107"));
    assert_eq!(received.field("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn a_client_that_nobody_told_of_is_never_trusted() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("[headers]\ntrusted_proxies = [\"0.0.0.0/0\", \"::/0\"]");
    let mut from = get();
    from.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9"));
    from.headers_mut().insert("x-request-id", HeaderValue::from_static("forged"));
    let (response, received) = tokio::join!(call(&router, from), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        received
    });
    assert!(!received.field("x-forwarded-for").unwrap_or_default().contains("203.0.113.9"));
    assert_ne!(received.field("x-request-id"), Some("forged"));
    assert_ne!(response.headers()["x-request-id"], "forged");
}

#[tokio::test]
async fn the_host_is_taken_from_the_uri_where_no_field_says_it() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let asked = Request::builder().version(http::Version::HTTP_2).uri("https://shop.example/a?b");
    let asked = asked.body(Empty::<Bytes>::new()).unwrap();
    let (response, received) = tokio::join!(call(&router, asked), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        received
    });
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(received.field("host"), Some("shop.example"));
    assert_eq!(received.field("x-forwarded-proto"), Some("https"));
    assert_eq!(received.head.target, "/a?b");
}

#[tokio::test]
async fn a_host_that_is_said_twice_must_be_the_same() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let asked = |host: &str| {
        let asked = Request::builder().version(http::Version::HTTP_2);
        let asked = asked.uri("https://shop.example/a?b").header("host", host);
        asked.body(Empty::<Bytes>::new()).unwrap()
    };
    for host in ["other.example", "shop.example:80"] {
        let response = call(&router, asked(host)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{host}");
        let proxy_status = response.headers()["proxy-status"].to_str().unwrap();
        assert!(proxy_status.contains(Code::AmbiguousHost.as_str()), "{proxy_status}");
    }
    let (response, received) = tokio::join!(call(&router, asked("shop.example:443")), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        received
    });
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(received.head.target, "/a?b");
    let mut about_router = asked("shop.example");
    *about_router.method_mut() = Method::OPTIONS;
    *about_router.uri_mut() = Uri::from_parts({
        let mut parts = about_router.uri().clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static("*"));
        parts
    })
    .unwrap();
    assert_eq!(call(&router, about_router).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_error_of_the_routers_own_is_a_response_like_any_other() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    for method in [Method::GET, Method::HEAD] {
        let mut asked = request(method.clone(), Empty::<Bytes>::new());
        asked.headers_mut().insert("host", HeaderValue::from_static("nobody.example"));
        asked.headers_mut().insert("accept", HeaderValue::from_static("application/problem+json"));
        let response = call(&router, asked).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let proxy_status = response.headers()["proxy-status"].to_str().unwrap().to_owned();
        assert!(proxy_status.contains("destination_not_found"), "{proxy_status}");
        let content = content(response).await;
        assert_eq!(content.is_empty(), method == Method::HEAD);
    }
}

#[tokio::test]
async fn an_embedded_router_is_healthy_though_it_listens_nowhere() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let asked = Request::builder().uri("/health").header("host", "127.0.0.1");
    let response = call(&router, asked.body(Empty::<Bytes>::new()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(content(response).await, "ok\n");
}

#[tokio::test]
async fn a_body_without_content_does_not_promise_any() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let mut asked = request(Method::HEAD, Empty::<Bytes>::new());
    asked.headers_mut().insert("host", HeaderValue::from_static("nobody.example"));
    let response = call(&router, asked).await;
    let length: u64 = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 0, "the length a GET would have had");
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

#[tokio::test]
async fn a_panic_in_one_request_is_a_500_for_that_one() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let bug =
        std::iter::from_fn(|| -> Option<Result<Frame<Bytes>, Infallible>> { panic!("a bug") });
    let response = call(&router, request(Method::POST, Frames(bug))).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let proxy_status = response.headers()["proxy-status"].to_str().unwrap().to_owned();
    assert!(proxy_status.contains(Code::Internal.as_str()), "{proxy_status}");
    drop(response);
    let (response, ()) = tokio::join!(call(&router, get()), async {
        // The first connection is that of the request that failed.
        drop(endpoint.listener.accept().await.unwrap());
        endpoint.receive().await.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    assert_eq!(response.status(), StatusCode::NO_CONTENT, "the next one is served");
}

#[tokio::test]
async fn a_request_of_an_older_version_is_forwarded_as_what_it_was() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("[headers]\nnode_id = \"seven\"");
    for (version, via) in [
        (http::Version::HTTP_10, "1.0 pointsman-seven"),
        (http::Version::HTTP_11, "1.1 pointsman-seven"),
    ] {
        let mut asked = get();
        *asked.version_mut() = version;
        let (_, received) = tokio::join!(call(&router, asked), async {
            let mut received = endpoint.receive().await;
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            received.answer(answer).await;
            received
        });
        assert_eq!(received.field("via"), Some(via));
    }
}

#[tokio::test]
async fn nobody_is_asked_to_switch_protocols_where_no_connection_could_be_handed_over() {
    let endpoint = Endpoint::start().await;
    let router = endpoint.router("");
    let mut asked = get();
    asked.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    asked.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
    let (_, received) = tokio::join!(call(&router, asked), async {
        let mut received = endpoint.receive().await;
        received.answer(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        received
    });
    assert_eq!((received.field("upgrade"), received.field("connection")), (None, None));
}
