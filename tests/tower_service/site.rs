//! A router in the test's own process, and an endpoint whose every word the
//! test speaks.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::ServiceExt;

use pointsman::http1::{BodyDecoder, Decoded, FieldLines, HeadLimits, HeadReader, ParsedRequest};
use pointsman::router::ResponseBody;
use pointsman::{Router, config};

const LIMITS: HeadLimits = HeadLimits { bytes: 64 << 10, fields: 128 };

/// What takes longer than this never happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint whose every word the test speaks.
pub(crate) struct Endpoint {
    pub(crate) listener: TcpListener,
}

/// One request as the endpoint received it, and the connection it came on.
pub(crate) struct Received {
    pub(crate) head: ParsedRequest,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Option<FieldLines>,
    pub(crate) stream: TcpStream,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// A router with one route to this endpoint, and `more` configuration.
    pub(crate) fn router(&self, more: &str) -> Router {
        let endpoint = self.listener.local_addr().unwrap();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\n{more}\n\
             [[route]]\nhost = \"shop.example\"\nendpoints = [\"{endpoint}\"]\n"
        );
        Router::new(config::parse(&text, "test").unwrap()).unwrap()
    }

    pub(crate) async fn receive(&self) -> Received {
        self.receive_or_end().await.expect("a whole request")
    }

    /// `None` if the connection ended within a request.
    pub(crate) async fn receive_or_end(&self) -> Option<Received> {
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

pub(crate) async fn read(stream: &mut TcpStream, bytes: &mut BytesMut) -> Option<()> {
    let read = timeout(PATIENCE, stream.read_buf(bytes)).await.unwrap();
    read.is_ok_and(|read| read > 0).then_some(())
}

impl Received {
    pub(crate) async fn answer(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Waits until the router has closed or reset the connection.
    pub(crate) async fn closed(mut self) {
        let mut bytes = BytesMut::new();
        while read(&mut self.stream, &mut bytes).await.is_some() {}
    }

    pub(crate) fn field(&self, name: &'static str) -> Option<&str> {
        self.head.fields.first(&HeaderName::from_static(name)).map(|v| v.to_str().unwrap())
    }
}

pub(crate) fn request<B>(method: Method, body: B) -> Request<B> {
    let builder = Request::builder().method(method).uri("/cart?id=7");
    builder.header("host", "shop.example").body(body).unwrap()
}

pub(crate) fn get() -> Request<Empty<Bytes>> {
    request(Method::GET, Empty::new())
}

pub(crate) async fn call<B>(router: &Router, request: Request<B>) -> Response<ResponseBody>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    match timeout(PATIENCE, router.clone().oneshot(request)).await.unwrap() {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

pub(crate) async fn content(response: Response<ResponseBody>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}
