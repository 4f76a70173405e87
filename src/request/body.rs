//! The content of a request, as it comes in.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::error::Code;
use crate::http1::{FieldLines, RefusalKind};

/// A piece of a message body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyFrame {
    /// Content (RFC 9110 section 6.4); never empty.
    Data(Bytes),
    /// The trailer section; nothing follows it.
    Trailers(FieldLines),
}

/// Why a request's content will not be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFailure {
    /// The client closed or reset its connection.
    #[error("the client left before its request was whole")]
    ClientGone,
    /// The framing is wrong.
    #[error("{0}")]
    Framing(RefusalKind),
    /// `request_body_idle` or `request_body_min_rate` ran out.
    #[error("the request's content came too slowly")]
    TooSlow,
    /// More than `request_body_bytes`.
    #[error("the request's content is larger than allowed")]
    TooLarge,
    /// More or fewer bytes than the head said, from a source that is not this
    /// crate's own reader.
    #[error("the request's content is not as long as its head says")]
    WrongLength,
}

impl BodyFailure {
    /// The code this failure is reported under.
    pub fn code(&self) -> Code {
        match self {
            Self::ClientGone => Code::ClientClosed,
            Self::Framing(kind) => kind.code(),
            Self::TooSlow => Code::RequestBodyTimeout,
            Self::TooLarge => Code::RequestBodyTooLarge,
            Self::WrongLength => Code::BadFraming,
        }
    }
}

/// Where content comes from; dropping it stops the reading.
pub trait BodySource: Send {
    /// The next piece, `None` at the end. Only what the transport has is
    /// read, so that an endpoint that takes nothing stops the client.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>>;

    /// The route's own clocks, once it is known; see [`Pace::new`]. Sources
    /// without clocks have nothing to change.
    ///
    /// [`Pace::new`]: crate::request::Pace::new
    fn set_pace(&mut self, _idle: Option<Duration>, _min_rate: Option<u64>) {}
}

/// The content of one request.
pub enum RequestBody {
    /// There is none.
    Empty,
    /// It comes from here.
    Source(Box<dyn BodySource>),
}

impl RequestBody {
    /// See [`BodySource::poll_frame`].
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Source(source) => source.poll_frame(cx),
        }
    }

    /// See [`BodySource::set_pace`].
    pub fn set_pace(&mut self, idle: Option<Duration>, min_rate: Option<u64>) {
        if let Self::Source(source) = self {
            source.set_pace(idle, min_rate);
        }
    }
}
