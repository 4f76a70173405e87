//! The router as a [`tower::Service`], for embedders.
//!
//! A request comes as `http::Request`, its body as any [`http_body::Body`];
//! the same exchange serves it as serves the listeners. Put a
//! [`ClientAddress`] into the request's extensions to say who asks;
//! without one, the client is unknown and never trusted.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame, SizeHint};

use crate::http1::{FieldLines, Framing, ParsedRequest, Version};
use crate::request::{Arrival, BodyFailure, BodyFrame, BodySource, ClientAddress, RequestBody};
use crate::respond::{Reply, ReplyBody};
use crate::router::{NO_ADDRESS, Router};
use crate::upstream::AnswerFailure;

impl<B> tower::Service<Request<B>> for Router
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The router sheds load by answering, so there is nothing to wait for.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let router = self.clone();
        let head_only = request.method() == Method::HEAD;
        Box::pin(async move {
            let reply = router.serve(arrival(request)).await;
            Ok(response(reply, head_only))
        })
    }
}

fn arrival<B>(request: Request<B>) -> Arrival
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    let (parts, body) = request.into_parts();
    let known = parts.extensions.get::<ClientAddress>().copied();
    let client = known.unwrap_or(ClientAddress {
        peer: NO_ADDRESS,
        local: NO_ADDRESS,
        secure: parts.uri.scheme_str() == Some("https"),
    });
    let mut fields = FieldLines::from(parts.headers);
    let framing = match (body.is_end_stream(), body.size_hint().exact()) {
        // An endpoint may want to be told that a POST has none (RFC 9110 section 8.6).
        (true, _) if fields.contains(&CONTENT_LENGTH) => Framing::Length(0),
        (true, _) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Chunked,
    };
    fields.remove(&CONTENT_LENGTH);
    fields.remove(&TRANSFER_ENCODING);
    // There is no way to hand a tunnel to whoever embeds the router.
    fields.remove(&UPGRADE);
    let expects = fields.contains(&EXPECT);
    let mut target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let whole;
    match (parts.uri.authority(), fields.contains(&HOST)) {
        // HTTP/2 says the host in a pseudo-header (RFC 9113 section 8.3.1).
        (Some(authority), false) => {
            let host = HeaderValue::from_str(authority.as_str()).ok();
            host.into_iter().for_each(|host| fields.append(HOST, host));
        }
        // Said twice, it must be the same: whether it is, is asked of the whole.
        (Some(_), true) if parts.uri.scheme().is_some() && target.starts_with('/') => {
            whole = parts.uri.to_string();
            target = &whole;
        }
        _ => {}
    }
    let request = ParsedRequest {
        method: parts.method,
        target: Bytes::copy_from_slice(target.as_bytes()),
        version: match parts.version {
            http::Version::HTTP_10 => Version::Http10,
            _ => Version::Http11,
        },
        fields,
        framing,
        keep_alive: true,
        expect_continue: expects,
        head_bytes: 0,
    };
    let body = match framing {
        Framing::None | Framing::Length(0) => RequestBody::Empty,
        _ => RequestBody::Source(Box::new(Foreign(body))),
    };
    Arrival { request: Box::new(request), client, tls: None, body, interim: None }
}

fn response(reply: Box<Reply>, head_only: bool) -> Response<ResponseBody> {
    let Reply { status, fields, length, body, .. } = *reply;
    // An answer to HEAD says the length of content that does not come.
    let remaining = if head_only { Some(0) } else { length };
    let body = ResponseBody { body, remaining, ended: false };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::from(fields);
    response
}

/// Somebody else's request body.
struct Foreign<B>(B);

impl<B> BodySource for Foreign<B>
where
    B: Body + Send + Unpin,
    B::Data: Send,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.0).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else {
                return Poll::Ready(Some(Err(BodyFailure::ClientGone)));
            };
            match frame.into_data() {
                Ok(mut data) if data.has_remaining() => {
                    let data = data.copy_to_bytes(data.remaining());
                    return Poll::Ready(Some(Ok(BodyFrame::Data(data))));
                }
                Ok(_) => {}
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    let trailers = BodyFrame::Trailers(FieldLines::from(trailers));
                    return Poll::Ready(Some(Ok(trailers)));
                }
            }
        }
    }
}

/// The content of a response of the router. Dropping it ends the request.
pub struct ResponseBody {
    body: ReplyBody,
    remaining: Option<u64>,
    ended: bool,
}

/// Why a response's content is not whole; its head has been given already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {failure}")]
pub struct ServiceBodyError {
    /// The code of the failure.
    pub code: crate::error::Code,
    failure: AnswerFailure,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ServiceBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ServiceBodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.body.poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(BodyFrame::Data(data))) => {
                self.remaining = self.remaining.map(|left| left.saturating_sub(data.len() as u64));
                Some(Ok(Frame::data(data)))
            }
            Some(Ok(BodyFrame::Trailers(fields))) => Some(Ok(Frame::trailers(fields.into()))),
            Some(Err(failure)) => {
                self.ended = true;
                Some(Err(ServiceBodyError { code: failure.code(), failure }))
            }
            None => {
                self.ended = true;
                self.body.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A server that counts bytes may not ask again after the last one.
        if !self.ended && self.remaining == Some(0) {
            self.body.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::telemetry::metrics::Observed;

    /// Content that a bug of ours would be met in.
    struct Bug;

    impl Body for Bug {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("a bug")
        }
    }

    #[tokio::test]
    async fn a_panic_that_is_caught_is_counted_and_ends_its_connection() {
        let endpoint = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nhost = \"a.test\"\n\
             endpoints = [\"{}\"]\n",
            endpoint.local_addr().unwrap()
        );
        let router = Router::new(crate::config::parse(&text, "test").unwrap()).unwrap();
        let panics = || {
            let text = router.worker().shared.metrics.render(Observed::default());
            let value = text.lines().find_map(|line| line.strip_prefix("pointsman_panics_total "));
            value.unwrap().to_owned()
        };
        assert_eq!(panics(), "0");
        let ask = || Request::post("/").header("host", "a.test").body(Bug).unwrap();
        let response = router.clone().oneshot(ask()).await.unwrap();
        assert_eq!(response.status(), http::StatusCode::INTERNAL_SERVER_ERROR);
        assert!(router.serve(arrival(ask())).await.close);
        assert_eq!(panics(), "2");
    }
}
