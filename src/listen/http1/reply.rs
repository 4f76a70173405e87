//! Writing one reply to an HTTP/1 client: head and content under one framing,
//! with back-pressure and the client's clock.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::clock::earliest;
use crate::error::Code;
use crate::http1::{
    CHUNK_TAIL, Framing, Version, encode_chunk_head, encode_last_chunk, encode_response_head,
};
use crate::listen::http1::connection::ClientConnection;
use crate::request::BodyFrame;
use crate::respond::Reply;
use crate::sync::Mutex;

/// What the request said about how its reply may be written.
#[derive(Clone)]
pub(crate) struct ReplyTerms {
    pub(crate) version: Version,
    pub(crate) head_only: bool,
    pub(crate) keep_alive: bool,
}

impl ReplyTerms {
    pub(crate) fn new(method: &Method, version: Version, keep_alive: bool) -> Self {
        Self { version, head_only: *method == Method::HEAD, keep_alive }
    }

    /// The framing towards the client (RFC 9112 section 6.3). What has no
    /// length is chunked, or ends with the connection for HTTP/1.0.
    fn framing(&self, status: StatusCode, length: Option<u64>) -> Framing {
        let bodiless = self.head_only
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        match (bodiless, length, self.version) {
            (true, ..) => Framing::None,
            (_, Some(length), _) => Framing::Length(length),
            (_, None, Version::Http11) => Framing::Chunked,
            (_, None, Version::Http10) => Framing::UntilClose,
        }
    }
}

/// Writes `reply` whole. `Ok(true)` if the connection can carry another
/// request, `Ok(false)` if it is to be closed in order, the code of the
/// failure if it must be cut.
pub(crate) async fn write_reply(
    connection: &Mutex<ClientConnection>,
    reply: &mut Reply,
    terms: &ReplyTerms,
) -> Result<bool, Code> {
    let framing = terms.framing(reply.status, reply.length);
    let keep_alive = terms.keep_alive && framing != Framing::UntilClose;
    {
        let mut connection = connection.lock();
        connection.commit();
        let reason = reply.reason.as_deref();
        // A hint still unwritten goes first, in the same write.
        encode_response_head(
            connection.outbox.head(),
            terms.version,
            reply.status,
            reason,
            &reply.fields,
            framing,
            keep_alive,
        );
    }
    let mut writer = Writer {
        framing,
        ended: framing == Framing::None,
        failed: None,
        write_idle: reply.write_idle,
        deadline: reply.deadline,
        stalled_since: None,
    };
    poll_fn(|cx| writer.poll(cx, connection, reply)).await?;
    connection.lock().reply_ended();
    reply.body.finish();
    Ok(keep_alive)
}

struct Writer {
    framing: Framing,
    /// Whether all content is in the outbox.
    ended: bool,
    /// Why the content will not be whole. What came before is written first:
    /// how much a client gets must not hang on how the endpoint's bytes and
    /// its failure fell into reads.
    failed: Option<Code>,
    write_idle: Option<Duration>,
    deadline: Option<Instant>,
    stalled_since: Option<Instant>,
}

impl Writer {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Mutex<ClientConnection>,
        reply: &mut Reply,
    ) -> Poll<Result<(), Code>> {
        loop {
            self.gather(cx, connection, reply);
            let mut client = connection.lock();
            if client.outbox.is_empty() {
                if let Some(code) = self.failed {
                    return Poll::Ready(Err(code));
                }
                if self.ended {
                    return Poll::Ready(Ok(()));
                }
                return client.poll_departure(cx).map(|()| Err(Code::ClientClosed));
            }
            let client = &mut *client;
            match client.outbox.poll_write(&mut *client.stream, cx) {
                Poll::Ready(Ok(_)) => self.stalled_since = None,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Code::ClientClosed)),
                Poll::Pending => {
                    if client.poll_departure(cx).is_ready() {
                        return Poll::Ready(Err(Code::ClientClosed));
                    }
                    break;
                }
            }
        }
        // The client takes nothing for now; what it still sends goes on. The
        // lock is not held here: the upload reads through it.
        reply.body.poll_upload(cx).map_err(|failure| failure.code())?;
        self.poll_stalled(cx, connection)
    }

    /// Moves content into the outbox while it has room. The connection is not
    /// locked while content is asked for: the rest of an upload reads from it.
    fn gather(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Mutex<ClientConnection>,
        reply: &mut Reply,
    ) {
        while !self.ended && self.failed.is_none() && connection.lock().outbox.has_room() {
            let frame = match reply.body.poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => None,
                Poll::Ready(Some(Ok(frame))) => Some(frame),
                Poll::Ready(Some(Err(failure))) => {
                    self.failed = Some(failure.code());
                    return;
                }
            };
            let outbox = &mut connection.lock().outbox;
            let chunked = self.framing == Framing::Chunked;
            match frame {
                Some(BodyFrame::Data(data)) if chunked => {
                    // An empty chunk would be the last one.
                    let Some(length) = NonZeroUsize::new(data.len()) else { continue };
                    encode_chunk_head(outbox.head(), length);
                    outbox.push(data, CHUNK_TAIL);
                }
                Some(BodyFrame::Data(data)) => outbox.push(data, b""),
                Some(BodyFrame::Trailers(fields)) => {
                    if chunked {
                        encode_last_chunk(outbox.head(), Some(&fields));
                    }
                    self.ended = true;
                }
                None => {
                    if chunked {
                        encode_last_chunk(outbox.head(), None);
                    }
                    self.ended = true;
                }
            }
        }
    }

    fn poll_stalled(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Mutex<ClientConnection>,
    ) -> Poll<Result<(), Code>> {
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        let idle_due = self.write_idle.map(|idle| since + idle);
        let Some(due) = earliest(idle_due, self.deadline) else { return Poll::Pending };
        if connection.lock().clock.poll_until(cx, due).is_pending() {
            return Poll::Pending;
        }
        let over = self.deadline.is_some_and(|deadline| deadline <= due);
        Poll::Ready(Err(if over { Code::DeadlineExceeded } else { Code::ClientStalled }))
    }
}
