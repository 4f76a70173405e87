//! One attempt on one connection: the head goes out, then content as it
//! comes, and the first whole final response head comes back.
//!
//! The attempt's head arrives by value and is gone once it is encoded; what
//! comes back is owned by the caller. A write that fails does not end the
//! attempt: an endpoint that refuses an upload answers before it closes, and
//! that answer is worth more than the error.

use std::task::{Context, Poll};

use http::header::{EXPECT, HeaderValue, UPGRADE};
use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::attempt::{AttemptHead, AttemptParts, Exchange, Failure, ReplayBody, upgrade};
use crate::clock::earliest;
use crate::config::Timeouts;
use crate::error::{Code, RouterError};
use crate::http1::{Framing, HeadLimits, HeadReader, ParsedResponse, Refusal, encode_request_head};
use crate::request::BodyFailure;
use crate::telemetry::metrics::{InformationalDrop, WorkerMetrics};
use crate::upstream::connection::EndpointConnection;
use crate::upstream::hints::Hints;
use crate::upstream::tls;
use crate::upstream::upload::{Upload, UploadFailure};
use crate::upstream::watch::Watch;

/// What an attempt must keep to.
pub(crate) struct Terms<'a> {
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) head: HeadLimits,
    /// Informational responses taken from one endpoint, and passed on in all, at
    /// most.
    pub(crate) informational: usize,
    /// When the whole request must be over.
    pub(crate) deadline: Option<Instant>,
    pub(crate) metrics: &'a WorkerMetrics,
}

/// A final response head, and the connection its content comes on. It goes
/// through many hands, as a pointer.
pub(crate) struct Answered {
    pub(crate) head: ParsedResponse,
    /// When it had come.
    pub(crate) at: Instant,
    pub(crate) connection: Box<EndpointConnection>,
    pub(crate) upload: Upload,
}

/// Why there is no response head.
#[derive(Debug)]
pub(crate) enum RoundTripError {
    /// The endpoint's doing; another may do better.
    Attempt(Failure),
    /// The client's half failed; no attempt can help.
    Request(BodyFailure),
    /// The request's own deadline passed, behind this status line if one came.
    Deadline(Option<StatusCode>),
}

impl RoundTripError {
    /// The code of its attempt in the request's record.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Attempt(failure) => failure.code(),
            Self::Request(failure) => BodyFailure::code(failure),
            Self::Deadline(_) => Code::DeadlineExceeded,
        }
    }
}

/// What a request that is over by it is answered with.
impl From<RoundTripError> for RouterError {
    fn from(error: RoundTripError) -> Self {
        match error {
            RoundTripError::Attempt(failure) => failure.told(failure.code()),
            RoundTripError::Request(failure) => Self::new(failure.code(), failure.to_string()),
            RoundTripError::Deadline(status) => {
                let mut error = Self::from(Code::DeadlineExceeded);
                error.received_status = status.map(|status| status.as_u16());
                error
            }
        }
    }
}

/// One attempt's way to its endpoint and back. Many wait at once, so that it
/// is kept small: what is rare in it is boxed.
pub(crate) struct Trip {
    /// The client sends no content before a 100, so that the endpoint is the
    /// one to be waited for.
    awaits_continue: bool,
    /// The protocols the endpoint is asked to switch to.
    upgrade: Option<Box<HeaderValue>>,
    /// The 101 that came before the request was written whole: the tunnel
    /// begins behind its content (RFC 9110 section 7.8).
    switched: Option<Box<ParsedResponse>>,
    connection: Box<EndpointConnection>,
    upload: Upload,
    method: Method,
    reader: HeadReader,
    received_bytes: u64,
    /// Informational responses of this endpoint so far.
    informational: usize,
    /// Whether the others that are ready have had their turn first. What goes to
    /// endpoints so goes in one row, and what goes to clients in another: a peer
    /// is woken for many at a time, and not in turns with the other side for each,
    /// which costs whoever wakes it more than standing back does.
    stood_back: bool,
    /// Whether the request was written whole, or refused.
    sent: bool,
    /// What time it was a moment ago, until the first wait.
    just_now: Option<Instant>,
    /// Since when nothing is left to do but to wait for the head.
    waiting_since: Option<Instant>,
}

impl Trip {
    /// Begins with `head`, which is gone when this returns. Beside the connection
    /// stands what time it is.
    pub(crate) fn new(
        (mut connection, now): (Box<EndpointConnection>, Instant),
        head: AttemptHead,
    ) -> Self {
        let AttemptParts { method, target, fields, framing } = head.into_parts();
        connection.mid_request = true;
        encode_request_head(connection.outbox.head(), &method, &target, &fields, framing);
        Self {
            awaits_continue: framing != Framing::None && fields.contains(&EXPECT),
            upgrade: fields.first(&UPGRADE).map(|protocols| Box::new(protocols.to_value())),
            switched: None,
            upload: Upload::new(framing),
            method,
            connection,
            reader: HeadReader::new(),
            received_bytes: 0,
            informational: 0,
            stood_back: false,
            sent: false,
            just_now: Some(now),
            waiting_since: None,
        }
    }

    /// Ends with the final response `head`.
    pub(crate) fn answered(self, head: ParsedResponse) -> Box<Answered> {
        let Self { connection, upload, .. } = self;
        Box::new(Answered { head, at: Instant::now(), connection, upload })
    }

    /// Sends head and content, and waits for the final response head.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut ReplayBody,
        hints: &mut Hints<'_>,
        terms: &Terms<'_>,
        watch: &mut Watch<'_, '_>,
    ) -> Poll<Result<ParsedResponse, RoundTripError>> {
        if !self.stood_back {
            self.stood_back = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.sent {
            let idle = terms.timeouts.request_write_idle;
            match self.upload.poll(cx, &mut self.connection, body, idle) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.sent = true,
                Poll::Ready(Err(UploadFailure::Request(failure))) => {
                    return Poll::Ready(Err(RoundTripError::Request(failure)));
                }
                Poll::Ready(Err(UploadFailure::Stalled)) => {
                    return self.fail(Failure::write_timeout);
                }
            }
        }
        loop {
            let held_back = self.awaits_continue;
            if self.switched.is_some() {
                return self.poll_switched(cx, terms, watch);
            }
            match self.read_head(hints, terms)? {
                Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    self.switched = Some(Box::new(head));
                    continue;
                }
                Some(head) => return Poll::Ready(Ok(head)),
                None => {}
            }
            if held_back && !self.awaits_continue {
                // From now on the client's own clock runs, and it starts when
                // its content is asked for again.
                cx.waker().wake_by_ref();
            }
            let connection = &mut *self.connection;
            match connection.inbox.poll_fill(&mut *connection.stream, cx) {
                Poll::Ready(Ok(0)) => return self.fail(Failure::reset),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(&error))),
                Poll::Ready(Ok(bytes)) => self.received_bytes += bytes as u64,
                Poll::Pending => return self.poll_clocks(cx, terms, watch),
            }
        }
    }

    /// The final head, if it is whole; informational ones are passed on.
    fn read_head(
        &mut self,
        hints: &mut Hints<'_>,
        terms: &Terms<'_>,
    ) -> Result<Option<ParsedResponse>, RoundTripError> {
        loop {
            if self.connection.inbox.bytes.is_empty() {
                return Ok(None);
            }
            let bytes = &mut self.connection.inbox.bytes;
            let head = match self.reader.response(bytes, &terms.head, &self.method) {
                Ok(Some(head)) => head,
                Ok(None) => return Ok(None),
                Err(refusal) => {
                    return Err(self.refused(&refusal));
                }
            };
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return self.switch(head).map(Some);
            }
            if !head.status.is_informational() {
                return Ok(Some(head));
            }
            self.reader = HeadReader::new();
            self.informational += 1;
            self.awaits_continue &= head.status != StatusCode::CONTINUE;
            if self.informational > terms.informational {
                terms.metrics.informational_dropped(InformationalDrop::Limit);
                return Err(self.broke("the endpoint sent too many informational responses"));
            }
            if let Err(why) = hints.pass(head.status, head.fields, terms.informational) {
                terms.metrics.informational_dropped(why);
            }
        }
    }

    /// A 101 that was asked for, with the protocols it names as its `Upgrade`.
    fn switch(&self, mut head: ParsedResponse) -> Result<ParsedResponse, RoundTripError> {
        let failed = |detail| RoundTripError::Attempt(Failure::upgrade_failed(detail));
        let protocols = upgrade::granted(self.upgrade.as_deref(), &head.fields).map_err(failed)?;
        let unasked = self.upload.content_came() || self.upload.is_done();
        if self.awaits_continue && !unasked {
            // RFC 9110 section 7.8: a 100 goes first. A client that did not
            // wait for it needs none (section 10.1.1).
            return Err(failed("the endpoint switched protocols before it asked for the content"));
        }
        head.fields.set(UPGRADE, protocols);
        Ok(head)
    }

    /// The 101, once the request was written whole.
    fn poll_switched(
        &mut self,
        cx: &mut Context<'_>,
        terms: &Terms<'_>,
        watch: &mut Watch<'_, '_>,
    ) -> Poll<Result<ParsedResponse, RoundTripError>> {
        if !self.sent {
            return self.poll_clocks(cx, terms, watch);
        }
        let detail = "the endpoint switched protocols but took no more of the request";
        let failed = RoundTripError::Attempt(Failure::upgrade_failed(detail));
        let head = self.switched.take().filter(|_| self.upload.is_done());
        Poll::Ready(head.map(|head| *head).ok_or(failed))
    }

    fn exchange(&self) -> Exchange {
        Exchange {
            reused: self.connection.exchanges > 0,
            bytes_sent: self.upload.written_bytes(),
            bytes_received: self.received_bytes,
            status: self.reader.status(),
        }
    }

    /// The connection failed; an alert says why.
    fn failed(&self, error: &std::io::Error) -> RoundTripError {
        let exchange = self.exchange();
        RoundTripError::Attempt(match tls::alert(error) {
            None => Failure::reset(exchange),
            Some((alert, of_handshake)) => {
                let detail = format!("the endpoint ended the connection with an alert: {alert:?}");
                Failure::alert(exchange, of_handshake, detail)
            }
        })
    }

    fn refused(&self, refusal: &Refusal) -> RoundTripError {
        let failure = if refusal.kind.response_code() == Code::UpstreamHeadTooLarge {
            Failure::head_too_large(self.exchange())
        } else {
            Failure::protocol_error(self.exchange(), refusal.kind.to_string())
        };
        RoundTripError::Attempt(failure)
    }

    fn broke(&self, detail: &'static str) -> RoundTripError {
        RoundTripError::Attempt(Failure::protocol_error(self.exchange(), detail))
    }

    fn poll_clocks(
        &mut self,
        cx: &mut Context<'_>,
        terms: &Terms<'_>,
        watch: &mut Watch<'_, '_>,
    ) -> Poll<Result<ParsedResponse, RoundTripError>> {
        let now = self.just_now.take().unwrap_or_else(Instant::now);
        if self.sent || self.awaits_continue && !self.upload.content_came() {
            self.waiting_since.get_or_insert(now);
        } else {
            self.waiting_since = None;
        }
        if self.upload.is_done() {
            watch.for_endpoint(now);
        } else if self.waiting_since.is_none() && self.upload.lacks_content(&self.connection) {
            watch.for_client();
        }
        watch.note_silence(self.waiting_since.filter(|_| self.received_bytes == 0));
        let head_due = self.waiting_since.map(|since| since + terms.timeouts.attempt_head);
        let Some(due) = earliest(head_due, terms.deadline) else { return Poll::Pending };
        if self.connection.clock.poll_until_from(cx, now, due).is_pending() {
            return Poll::Pending;
        }
        if terms.deadline.is_some_and(|deadline| deadline <= due) {
            return Poll::Ready(Err(RoundTripError::Deadline(self.reader.status())));
        }
        self.fail(Failure::head_timeout)
    }

    fn fail<T>(&self, failure: fn(Exchange) -> Failure) -> Poll<Result<T, RoundTripError>> {
        Poll::Ready(Err(RoundTripError::Attempt(failure(self.exchange()))))
    }
}
