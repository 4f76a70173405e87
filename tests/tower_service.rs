//! The router as a tower service, in nobody's process but the test's: the
//! bodies it takes and gives, and what dropping them releases.
#![cfg(feature = "router")]
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::ServiceExt;

use pointsman::error::Code;
use pointsman::http1::{
    BodyDecoder, Decoded, FieldLines, FieldValue, Framing, HeadLimits, HeadReader, ParsedRequest,
};
use pointsman::request::ClientAddress;
use pointsman::router::ResponseBody;
use pointsman::{Router, config};

const LIMITS: HeadLimits = HeadLimits { bytes: 64 << 10, fields: 128 };

/// What takes longer than this never happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint whose every word the test speaks.
struct Endpoint {
    listener: TcpListener,
}

/// One request as the endpoint received it, and the connection it came on.
struct Received {
    head: ParsedRequest,
    content: Vec<u8>,
    trailers: Option<FieldLines>,
    stream: TcpStream,
}

impl Endpoint {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// A router with one route to this endpoint, and `more` configuration.
    fn router(&self, more: &str) -> Router {
        let endpoint = self.listener.local_addr().unwrap();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\n{more}\n\
             [[route]]\nhost = \"shop.example\"\nendpoints = [\"{endpoint}\"]\n"
        );
        Router::new(config::parse(&text, "test").unwrap()).unwrap()
    }

    async fn receive(&self) -> Received {
        self.receive_or_end().await.expect("a whole request")
    }

    /// `None` if the connection ended within a request.
    async fn receive_or_end(&self) -> Option<Received> {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept()).await.unwrap().unwrap();
        let mut bytes = BytesMut::new();
        let mut reader = HeadReader::new();
        let head = loop {
            match reader.request(&mut bytes, &LIMITS).unwrap() {
                Some(head) => break head,
                None => read(&mut stream, &mut bytes).await?,
            }
        };
        let mut decoder = BodyDecoder::new(head.framing, LIMITS);
        let (mut content, mut trailers) = (Vec::new(), None);
        loop {
            match decoder.decode(&mut bytes).unwrap() {
                Decoded::Data(data) => content.extend_from_slice(&data),
                Decoded::Trailers(fields) => trailers = Some(fields),
                Decoded::NeedMore => read(&mut stream, &mut bytes).await?,
                Decoded::End => return Some(Received { head, content, trailers, stream }),
            }
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut BytesMut) -> Option<()> {
    let read = timeout(PATIENCE, stream.read_buf(bytes)).await.unwrap();
    read.is_ok_and(|read| read > 0).then_some(())
}

impl Received {
    async fn answer(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Waits until the router has closed or reset the connection.
    async fn closed(mut self) {
        let mut bytes = BytesMut::new();
        while read(&mut self.stream, &mut bytes).await.is_some() {}
    }

    fn field(&self, name: &'static str) -> Option<&str> {
        self.head.fields.first(&HeaderName::from_static(name)).map(|v| v.to_str().unwrap())
    }
}

fn request<B>(method: Method, body: B) -> Request<B> {
    let builder = Request::builder().method(method).uri("/cart?id=7");
    builder.header("host", "shop.example").body(body).unwrap()
}

fn get() -> Request<Empty<Bytes>> {
    request(Method::GET, Empty::new())
}

async fn call<B>(router: &Router, request: Request<B>) -> Response<ResponseBody>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    match timeout(PATIENCE, router.clone().oneshot(request)).await.unwrap() {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn content(response: Response<ResponseBody>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

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

/// Content that is not as long as it says.
struct Lying {
    says: u64,
    gives: Option<Bytes>,
}

impl Body for Lying {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.gives.take().map(|gives| Ok(Frame::data(gives))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.says)
    }
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

/// A body of frames that are all there from the beginning, and of a length
/// that nobody knows.
struct Frames<I>(I);

impl<I, E> Body for Frames<I>
where
    I: Iterator<Item = Result<Frame<Bytes>, E>> + Unpin,
{
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
