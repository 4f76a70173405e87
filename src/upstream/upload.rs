//! Sending a request's content to an endpoint, as far as both sides allow.

use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::attempt::ReplayBody;
use crate::http1::{CHUNK_TAIL, Framing, encode_chunk_head, encode_last_chunk};
use crate::request::{BodyFailure, BodyFrame};
use crate::upstream::connection::EndpointConnection;

/// The upload of one exchange. The head is in the connection's outbox when it
/// starts, so that head and first content leave in one write.
pub(crate) struct Upload {
    framing: Framing,
    /// Content still due under a known length. It is counted here, where the
    /// length was promised: an endpoint that got one byte less would take the
    /// next request's for it.
    left_bytes: u64,
    phase: Phase,
    written_bytes: u64,
    content_came: bool,
    stalled_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Content may still come from the client.
    Content,
    /// All is in the outbox.
    Flush,
    /// All was written.
    Done,
    /// The endpoint takes no more; what it answers still counts.
    Refused,
}

/// Why an upload ended early by our side.
#[derive(Debug)]
pub(crate) enum UploadFailure {
    /// The client's half failed.
    Request(BodyFailure),
    /// The endpoint took nothing for `request_write_idle`.
    Stalled,
}

impl Upload {
    /// An upload of content framed like this, head first.
    pub(crate) fn new(framing: Framing) -> Self {
        let phase = if framing == Framing::None { Phase::Flush } else { Phase::Content };
        let left_bytes = if let Framing::Length(length) = framing { length } else { 0 };
        Self {
            framing,
            left_bytes,
            phase,
            written_bytes: 0,
            content_came: false,
            stalled_since: None,
        }
    }

    /// Whether every byte was written.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Whether any content has come from the client.
    pub(crate) fn content_came(&self) -> bool {
        self.content_came
    }

    /// Whether there is content to come that the client has not sent yet.
    pub(crate) fn lacks_content(&self, connection: &EndpointConnection) -> bool {
        self.phase == Phase::Content && connection.outbox.is_empty()
    }

    /// Whether nothing more will be written: all was, or the endpoint refuses.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Refused)
    }

    /// Bytes the system has taken, head included: with none, the endpoint
    /// cannot have seen any of the request.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Takes from the client and writes to the endpoint until either has no
    /// more for now. Ready when done, or when the endpoint refuses more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut EndpointConnection,
        body: &mut ReplayBody,
        write_idle: Option<Duration>,
    ) -> Poll<Result<(), UploadFailure>> {
        loop {
            if self.is_over() {
                return Poll::Ready(Ok(()));
            }
            self.gather(cx, connection, body)?;
            if connection.outbox.is_empty() {
                if self.phase == Phase::Content {
                    return Poll::Pending;
                }
                self.phase = Phase::Done;
                connection.mid_request = false;
                continue;
            }
            match connection.outbox.poll_write(&mut *connection.stream, cx) {
                Poll::Ready(Ok(written)) => {
                    self.written_bytes += written as u64;
                    self.stalled_since = None;
                }
                Poll::Ready(Err(_)) => {
                    connection.outbox.clear();
                    self.phase = Phase::Refused;
                }
                Poll::Pending => return self.poll_stalled(cx, connection, write_idle),
            }
        }
    }

    /// Moves content from the client into the outbox while it has room.
    fn gather(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut EndpointConnection,
        body: &mut ReplayBody,
    ) -> Result<(), UploadFailure> {
        while self.phase == Phase::Content && connection.outbox.has_room() {
            match body.poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Err(failure))) => return Err(UploadFailure::Request(failure)),
                Poll::Ready(Some(Ok(BodyFrame::Data(data)))) => self.put(connection, data)?,
                Poll::Ready(Some(Ok(BodyFrame::Trailers(_))) | None) if self.left_bytes > 0 => {
                    return Err(UploadFailure::Request(BodyFailure::WrongLength));
                }
                Poll::Ready(Some(Ok(BodyFrame::Trailers(fields)))) => {
                    if self.framing == Framing::Chunked {
                        encode_last_chunk(connection.outbox.head(), Some(&fields));
                    }
                    self.phase = Phase::Flush;
                }
                Poll::Ready(None) => {
                    if self.framing == Framing::Chunked {
                        encode_last_chunk(connection.outbox.head(), None);
                    }
                    self.phase = Phase::Flush;
                }
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        connection: &mut EndpointConnection,
        data: Bytes,
    ) -> Result<(), UploadFailure> {
        let Some(length) = NonZeroUsize::new(data.len()) else { return Ok(()) };
        self.content_came = true;
        if self.framing == Framing::Chunked {
            encode_chunk_head(connection.outbox.head(), length);
            connection.outbox.push(data, CHUNK_TAIL);
            return Ok(());
        }
        let left_bytes = self.left_bytes.checked_sub(data.len() as u64);
        self.left_bytes = left_bytes.ok_or(UploadFailure::Request(BodyFailure::WrongLength))?;
        connection.outbox.push(data, b"");
        Ok(())
    }

    fn poll_stalled(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut EndpointConnection,
        write_idle: Option<Duration>,
    ) -> Poll<Result<(), UploadFailure>> {
        let Some(idle) = write_idle else { return Poll::Pending };
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        connection.clock.poll_until(cx, since + idle).map(|()| Err(UploadFailure::Stalled))
    }
}
