//! The content of a response, as it comes from an endpoint.
//!
//! It owns all that an exchange still holds after the head: the connection,
//! the rest of the upload, the endpoint's lease. Dropping it at any point
//! closes the connection and releases the lease; reading it to its end hands
//! the connection back to the pool.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::attempt::ReplayBody;
use crate::clock::earliest;
use crate::endpoint::Lease;
use crate::error::Code;
use crate::http1::{BodyDecoder, Decoded, Framing, HeadLimits, ParsedResponse};
use crate::request::{BodyFailure, BodyFrame};
use crate::respond::fields::NamedFields;
use crate::upstream::connection::EndpointConnection;
use crate::upstream::pool::Pool;
use crate::upstream::round_trip::Terms;
use crate::upstream::upload::{Upload, UploadFailure};

/// Why a response's content is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFailure {
    /// The endpoint closed or reset before the end.
    #[error("the endpoint ended its answer before it was whole")]
    Truncated,
    /// Its framing went wrong on the way.
    #[error("the endpoint's answer lost its framing")]
    Malformed,
    /// `response_body_idle` ran out.
    #[error("the endpoint stopped in the middle of its answer")]
    Idle,
    /// `timeouts.request` ran out.
    #[error("the request took longer than allowed")]
    Deadline,
    /// The client's half failed while both were flowing.
    #[error("{0}")]
    Request(BodyFailure),
    /// A bug: a caught panic.
    #[error("the router failed")]
    Internal,
}

impl AnswerFailure {
    /// The code this failure is reported under.
    pub fn code(&self) -> Code {
        match self {
            Self::Truncated => Code::UpstreamTruncated,
            Self::Malformed => Code::UpstreamProtocolError,
            Self::Idle => Code::UpstreamBodyTimeout,
            Self::Deadline => Code::DeadlineExceeded,
            Self::Request(failure) => failure.code(),
            Self::Internal => Code::Internal,
        }
    }
}

/// The content of an endpoint's response.
pub(crate) struct Answer {
    connection: Option<Box<EndpointConnection>>,
    decoder: BodyDecoder,
    keep_alive: bool,
    upload: Upload,
    body: ReplayBody,
    lease: Option<Lease>,
    pool: Arc<Pool>,
    write_idle: Option<Duration>,
    read_idle: Option<Duration>,
    deadline: Option<Instant>,
    /// When the head had come, until there is a wait.
    just_now: Option<Instant>,
    waiting_since: Option<Instant>,
    /// Whether the endpoint said how much it would send.
    has_length: bool,
    /// What its head's `Connection` named, if a trailer section may come.
    named: NamedFields,
}

impl Answer {
    /// The content that follows an answer's head, which came `at`; `None` if
    /// there is none, in which case the connection and the lease are free at
    /// once.
    pub(crate) fn follow(
        head: &ParsedResponse,
        at: Instant,
        (connection, upload, mut body, lease): (Box<EndpointConnection>, Upload, ReplayBody, Lease),
        pool: Arc<Pool>,
        terms: &Terms<'_>,
    ) -> Option<Box<Self>> {
        body.settle();
        let framing = head.framing;
        let trailers = HeadLimits { bytes: terms.head.bytes, fields: terms.head.fields };
        let mut answer = Self {
            connection: Some(connection),
            decoder: BodyDecoder::of_response(framing, trailers),
            keep_alive: head.keep_alive,
            upload,
            body,
            lease: Some(lease),
            pool,
            write_idle: terms.timeouts.request_write_idle,
            read_idle: terms.timeouts.response_body_idle,
            deadline: terms.deadline,
            just_now: Some(at),
            waiting_since: None,
            has_length: matches!(framing, Framing::Length(_)),
            named: match framing {
                Framing::Chunked => NamedFields::of(&head.fields),
                _ => NamedFields::default(),
            },
        };
        if matches!(framing, Framing::None | Framing::Length(0)) {
            answer.finish();
            return None;
        }
        Some(Box::new(answer))
    }

    /// The next piece, `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame, AnswerFailure>>> {
        if let Err(failure) = self.drive_upload(cx) {
            return self.fail(AnswerFailure::Request(failure));
        }
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            match self.decoder.decode(&mut connection.inbox.bytes) {
                Ok(Decoded::Data(data)) => {
                    self.waiting_since = None;
                    self.finish_if_done();
                    return Poll::Ready(Some(Ok(BodyFrame::Data(data))));
                }
                Ok(Decoded::Trailers(fields)) => {
                    self.finish_if_done();
                    return Poll::Ready(Some(Ok(BodyFrame::Trailers(fields))));
                }
                Ok(Decoded::End) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Ok(Decoded::NeedMore) => {}
                Err(_) => return self.fail(AnswerFailure::Malformed),
            }
            match connection.inbox.poll_fill(&mut *connection.stream, cx) {
                Poll::Ready(Ok(0)) => {
                    if self.decoder.eof().is_err() {
                        return self.fail(AnswerFailure::Truncated);
                    }
                }
                Poll::Ready(Ok(_)) => self.waiting_since = None,
                Poll::Ready(Err(_)) => return self.fail(AnswerFailure::Truncated),
                Poll::Pending => return self.poll_clocks(cx),
            }
        }
    }

    /// The fields that may not pass in its trailer section either.
    pub(crate) fn named(&self) -> &NamedFields {
        &self.named
    }

    /// Whether all of it has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.connection.is_none() && self.decoder.is_done()
    }

    /// Whether this failure is the endpoint's. Silence is where it owes more;
    /// a stream that has no length may have nothing to say.
    pub(crate) fn blames_endpoint(&self, failure: AnswerFailure) -> bool {
        match failure {
            AnswerFailure::Truncated | AnswerFailure::Malformed => true,
            AnswerFailure::Idle => self.has_length,
            AnswerFailure::Deadline | AnswerFailure::Request(_) | AnswerFailure::Internal => false,
        }
    }

    /// Whether the endpoint may still take content from the client.
    pub(crate) fn takes_upload(&self) -> bool {
        self.connection.is_some() && !self.upload.is_over()
    }

    /// Keeps the upload going while the client is slow to take the answer:
    /// a client that sends all before it reads would else wait for ever.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), AnswerFailure> {
        self.drive_upload(cx).map_err(AnswerFailure::Request)
    }

    fn drive_upload(&mut self, cx: &mut Context<'_>) -> Result<(), BodyFailure> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if self.upload.is_over() {
            return Ok(());
        }
        match self.upload.poll(cx, connection, &mut self.body, self.write_idle) {
            // An endpoint that takes no more may still finish its answer.
            Poll::Pending | Poll::Ready(Ok(()) | Err(UploadFailure::Stalled)) => Ok(()),
            Poll::Ready(Err(UploadFailure::Request(failure))) => Err(failure),
        }
    }

    fn poll_clocks(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame, AnswerFailure>>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
        let now = Instant::now();
        self.just_now = None;
        let since = *self.waiting_since.get_or_insert(now);
        let idle_due = self.read_idle.map(|idle| since + idle);
        let Some(due) = earliest(idle_due, self.deadline) else { return Poll::Pending };
        ready!(connection.clock.poll_until_from(cx, now, due));
        let over = self.deadline.is_some_and(|deadline| deadline <= due);
        self.fail(if over { AnswerFailure::Deadline } else { AnswerFailure::Idle })
    }

    fn finish_if_done(&mut self) {
        if self.decoder.is_done() {
            self.finish();
        }
    }

    /// The content is whole: the connection goes back if it can serve again,
    /// and the endpoint's slot is free.
    fn finish(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.keep_alive && self.upload.is_done() && connection.is_clean() {
            self.pool.put(connection, self.just_now.unwrap_or_else(Instant::now));
        }
        self.lease = None;
    }

    fn fail(&mut self, failure: AnswerFailure) -> Poll<Option<Result<BodyFrame, AnswerFailure>>> {
        self.connection = None;
        self.lease = None;
        Poll::Ready(Some(Err(failure)))
    }
}
