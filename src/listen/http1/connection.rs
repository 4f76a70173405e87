//! One HTTP/1 client connection: its bytes, its clock, and the request body
//! being read from it.
//!
//! The connection's loop, the request's body and the way back for
//! informational responses all reach it, from within one task; the lock
//! between them is never contended.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::descriptors::Seats;
use crate::guard::{self, Guard};
use crate::http1::{
    BodyDecoder, Decoded, FieldLines, Framing, HeadLimits, Version, encode_informational,
};
use crate::request::{BodyFailure, BodyFrame, BodySource, InterimDropped, InterimSink, Pace};
use crate::respond::commit::{Content, Fresh, InterimGate};
use crate::sync::Mutex;
use crate::transport::{Departure, End, Inbox, Outbox, Transport};

/// Unread input kept while a request is being served; past it the client is
/// only watched for leaving.
const READ_AHEAD_BYTES: usize = 64 << 10;

/// A client connection, shared by what one request touches.
pub(crate) struct ClientConnection {
    pub(crate) stream: Box<dyn Transport>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Clock,
    departure: Option<Departure>,
    seats: Arc<Seats>,
    half_close_allowed: bool,
    /// Input thrown away because nobody will read it any more.
    discarded_bytes: u64,
    exchange: Exchange,
    /// A final head was committed and its content is not yet written whole.
    mid_reply: bool,
}

/// The request in progress.
struct Exchange {
    body: BodyDecoder,
    pace: Pace,
    /// When its content was first asked for: the start of the pace's time.
    pace_start: Option<Instant>,
    body_bytes: u64,
    body_limit_bytes: u64,
    failure: Option<BodyFailure>,
    awaits_continue: bool,
    interim: InterimGate,
}

/// What bounds the reading of one request's content.
pub(crate) struct BodyTerms {
    pub(crate) framing: Framing,
    pub(crate) trailers: HeadLimits,
    pub(crate) limit_bytes: u64,
    pub(crate) idle: Option<Duration>,
    pub(crate) min_rate: Option<u64>,
    /// Whether the client holds its content back for a 100 (RFC 9110 section
    /// 10.1.1): until then it is not slow.
    pub(crate) awaits_continue: bool,
}

impl BodyTerms {
    /// For no content at all.
    const NONE: Self = Self {
        framing: Framing::None,
        trailers: HeadLimits { bytes: 0, fields: 0 },
        limit_bytes: 0,
        idle: None,
        min_rate: None,
        awaits_continue: false,
    };
}

impl ClientConnection {
    /// A connection just accepted.
    pub(crate) fn new(
        stream: Box<dyn Transport>,
        half_close_allowed: bool,
        seats: Arc<Seats>,
    ) -> Self {
        Self {
            stream,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            clock: Clock::default(),
            departure: None,
            seats,
            half_close_allowed,
            discarded_bytes: 0,
            exchange: Exchange::new(&BodyTerms::NONE),
            mid_reply: false,
        }
    }

    /// Nothing is in progress and nothing lies unread: what was held for a
    /// request is given back.
    pub(crate) fn rest(&mut self) {
        self.inbox.release();
        self.outbox.clear();
        self.departure = None;
    }

    /// A request head was read: its content follows under these terms. The
    /// answer is whatever is committed with what this returns.
    pub(crate) fn begin_exchange(&mut self, terms: &BodyTerms, version: Version) -> Fresh {
        self.exchange = Exchange::new(terms);
        self.exchange.interim.open(version)
    }

    /// No request could be read, and is answered all the same.
    pub(crate) fn begin_refusal(&mut self) -> Fresh {
        self.begin_exchange(&BodyTerms::NONE, Version::Http10)
    }

    /// Changes the clocks of the content to those of the route.
    pub(crate) fn set_pace(&mut self, idle: Option<Duration>, min_rate: Option<u64>) {
        self.exchange.pace = Pace::new(idle, min_rate);
    }

    /// Commits the final head; a hint still unwritten goes first, in the same
    /// write.
    pub(crate) fn commit(&mut self, fresh: Fresh, write: impl FnOnce(&mut BytesMut)) -> Content {
        self.mid_reply = true;
        write(self.outbox.head());
        fresh.commit(&mut self.exchange.interim)
    }

    /// This end of a tunnel.
    pub(crate) fn end(&mut self) -> End<'_> {
        End {
            stream: &mut *self.stream,
            inbox: &mut self.inbox,
            outbox: &mut self.outbox,
            departure: &mut self.departure,
            seats: &self.seats,
        }
    }

    /// The reply was written whole.
    pub(crate) fn reply_ended(&mut self) {
        self.mid_reply = false;
    }

    /// Whether the request's content was read to its end.
    pub(crate) fn body_is_read(&self) -> bool {
        self.exchange.body.is_done()
    }

    /// Whether the client left within the request's content.
    pub(crate) fn client_left(&self) -> bool {
        self.exchange.failure == Some(BodyFailure::ClientGone)
    }

    /// Reads on through content that nobody wants, as far as it has come;
    /// never waits.
    pub(crate) fn skip_body(&mut self) {
        let mut skipped = 0;
        while !self.exchange.body.is_done() && skipped < READ_AHEAD_BYTES {
            match self.exchange.body.decode(&mut self.inbox.bytes) {
                Ok(Decoded::Data(data)) => skipped += data.len(),
                Ok(Decoded::Trailers(_) | Decoded::End) => {}
                Ok(Decoded::NeedMore) | Err(_) => return,
            }
        }
    }

    /// Throws away what the client sends, so that one that sends all before
    /// it reads gets to reading; `most_bytes` over the connection's life, after
    /// which its input is left where it is. For a connection about to close.
    /// Ready when the client has left.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>, most_bytes: u64) -> Poll<()> {
        loop {
            if self.inbox.ended() || self.discarded_bytes >= most_bytes {
                return self.poll_departure(cx);
            }
            self.discarded_bytes += self.inbox.bytes.len() as u64;
            self.inbox.bytes.clear();
            if ready!(self.inbox.poll_fill(&mut *self.stream, cx)).is_err() {
                return Poll::Ready(());
            }
        }
    }

    /// Writes informational responses that wait, then looks whether the
    /// client is still there. Ready only when it is not.
    pub(crate) fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.outbox.is_empty() {
            match self.outbox.poll_write(&mut *self.stream, cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.poll_departure(cx)
    }

    /// Ready when the client has left. Reads ahead a little, since a FIN
    /// shows only behind the bytes before it; past that, and past a FIN that
    /// is allowed, a second registration of the descriptor watches.
    pub(crate) fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !guard::is_on(Guard::Departure) {
            return Poll::Pending;
        }
        while self.inbox.bytes.len() < READ_AHEAD_BYTES && !self.inbox.ended() {
            if ready!(self.inbox.poll_fill(&mut *self.stream, cx)).is_err() {
                return Poll::Ready(());
            }
        }
        if self.inbox.ended() && !self.half_close_allowed {
            return Poll::Ready(());
        }
        if self.departure.is_none() {
            // Without a descriptor to spare, the write side will notice later.
            self.departure = Departure::of(&*self.stream, &self.seats);
        }
        match &mut self.departure {
            Some(departure) if self.half_close_allowed => departure.poll_reset(cx, false),
            Some(departure) => departure.poll(cx),
            None => Poll::Pending,
        }
    }

    /// The next piece of the request's content.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        if let Some(failure) = self.exchange.failure {
            return Poll::Ready(Some(Err(failure)));
        }
        loop {
            match self.exchange.body.decode(&mut self.inbox.bytes) {
                Ok(Decoded::Data(data)) => return self.count(data),
                Ok(Decoded::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(BodyFrame::Trailers(fields))));
                }
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::NeedMore) => {}
                Err(refusal) => return self.fail(BodyFailure::Framing(refusal.kind)),
            }
            match self.inbox.poll_fill(&mut *self.stream, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return self.fail(BodyFailure::ClientGone),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return self.poll_pace(cx),
            }
        }
    }

    fn count(&mut self, data: bytes::Bytes) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        let exchange = &mut self.exchange;
        exchange.awaits_continue = false;
        exchange.body_bytes += data.len() as u64;
        if exchange.body_limit_bytes > 0 && exchange.body_bytes > exchange.body_limit_bytes {
            return self.fail(BodyFailure::TooLarge);
        }
        // Counted here and not at the read: a look for the client's departure
        // reads ahead too.
        let now = exchange.pace_now();
        if !exchange.pace.received(data.len() as u64, now) {
            return self.fail(BodyFailure::TooSlow);
        }
        Poll::Ready(Some(Ok(BodyFrame::Data(data))))
    }

    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        if self.exchange.awaits_continue {
            // The endpoint's clock runs: it is asked to say something.
            return Poll::Pending;
        }
        let now = self.exchange.pace_now();
        let Some(due) = self.exchange.pace.waiting(now) else { return Poll::Pending };
        ready!(self.clock.poll_until(cx, Instant::now() + due.saturating_sub(now)));
        self.fail(BodyFailure::TooSlow)
    }

    fn fail(&mut self, failure: BodyFailure) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        self.exchange.failure = Some(failure);
        Poll::Ready(Some(Err(failure)))
    }
}

impl Drop for ClientConnection {
    /// A reply cut in its content ends in a reset, whatever ended it: after a
    /// clean close the client could take what it has for the whole.
    fn drop(&mut self) {
        if self.mid_reply {
            self.stream.reset_on_close();
        }
    }
}

impl Exchange {
    fn new(terms: &BodyTerms) -> Self {
        Self {
            body: BodyDecoder::new(terms.framing, terms.trailers),
            pace: Pace::new(terms.idle, terms.min_rate),
            pace_start: None,
            body_bytes: 0,
            body_limit_bytes: terms.limit_bytes,
            failure: None,
            awaits_continue: terms.awaits_continue,
            interim: InterimGate::closed(),
        }
    }

    fn pace_now(&mut self) -> Duration {
        self.pace_start.get_or_insert_with(Instant::now).elapsed()
    }
}

/// The content of the request in progress on a connection.
pub(crate) struct ClientBody(pub(crate) Arc<Mutex<ClientConnection>>);

impl BodySource for ClientBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        self.0.lock().poll_body(cx)
    }

    fn set_pace(&mut self, idle: Option<Duration>, min_rate: Option<u64>) {
        self.0.lock().set_pace(idle, min_rate);
    }
}

impl InterimSink for Mutex<ClientConnection> {
    fn send(&self, status: StatusCode, fields: FieldLines) -> Result<(), InterimDropped> {
        let mut connection = self.lock();
        connection.exchange.interim.admit()?;
        if status == StatusCode::CONTINUE {
            // Never dropped for room: the client waits for it.
            connection.exchange.awaits_continue = false;
        } else if !connection.outbox.has_room() {
            return Err(InterimDropped::Backlog);
        }
        encode_informational(connection.outbox.head(), status, &fields);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
