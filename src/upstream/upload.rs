//! Sending a request's content to an endpoint, as far as both sides allow.

use std::num::NonZeroUsize;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::attempt::ReplayBody;
use crate::http1::{CHUNK_TAIL, Framing, encode_chunk_head, encode_last_chunk};
use crate::request::{BodyFailure, BodyFrame};
use crate::transport::Stall;
use crate::upstream::connection::EndpointConnection;

/// Writes in one turn. A client and an endpoint that are both quicker than the
/// router would else keep it in the upload for ever, and an answer that comes
/// meanwhile would never be looked at.
const WRITES: usize = 16;

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
    stall: Stall,
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
    /// The endpoint took nothing for `request_write_idle`, not even into its
    /// system's buffers.
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
            stall: Stall::default(),
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
        for _ in 0..WRITES {
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
                // The wait for the answer needs none of it.
                connection.outbox.clear();
                continue;
            }
            match connection.outbox.poll_write(&mut *connection.stream, cx) {
                Poll::Ready(Ok(written)) => {
                    self.written_bytes += written as u64;
                    self.stall.end();
                }
                Poll::Ready(Err(_)) => {
                    connection.outbox.clear();
                    self.phase = Phase::Refused;
                }
                Poll::Pending => return self.poll_stalled(cx, connection, write_idle),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
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
        loop {
            let now = Instant::now();
            ready!(connection.clock.poll_until_from(cx, now, self.stall.look_due(now, idle)));
            let acknowledged = connection.stream.acknowledged();
            if self.stall.is_over(Instant::now(), idle, acknowledged) {
                return Poll::Ready(Err(UploadFailure::Stalled));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::{Wake, Waker};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;
    use crate::descriptors::Seats;
    use crate::request::{BodySource, RequestBody};
    use crate::telemetry::metrics::Metrics;
    use crate::transport::{Departure, Transport};
    use crate::upstream::{Hop, Pool};

    /// An endpoint that takes whatever it is given, at once, or as much as it
    /// may and then nothing.
    struct Taker(Option<Arc<AtomicUsize>>);

    impl AsyncRead for Taker {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Taker {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let Some(room) = &self.0 else { return Poll::Ready(Ok(bytes.len())) };
            match room.load(Relaxed).min(bytes.len()) {
                0 => Poll::Pending,
                taken => {
                    room.fetch_sub(taken, Relaxed);
                    Poll::Ready(Ok(taken))
                }
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Transport for Taker {
        fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn is_disturbed(&mut self) -> bool {
            false
        }

        fn departure(&self) -> io::Result<Option<Departure>> {
            Ok(None)
        }

        fn reset_on_close(&self) {}
    }

    /// Content that is always there and has no end; counts its pieces.
    struct Endless(Arc<AtomicUsize>);

    impl BodySource for Endless {
        fn poll_frame(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
            assert!(self.0.fetch_add(1, Relaxed) < 10_000, "it is asked for more and more");
            Poll::Ready(Some(Ok(BodyFrame::Data(Bytes::from_static(&[b'x'; 8192])))))
        }

        fn set_pace(&mut self, _: Option<Duration>, _: Option<u64>) {}
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_takes_a_little_in_time_may_take_as_long_as_it_likes() {
        const IDLE: Duration = Duration::from_secs(10);
        let room = Arc::new(AtomicUsize::new(0));
        let (address, metrics) = (([127, 0, 0, 1], 80).into(), Metrics::new(1).worker(0));
        let taker = Box::new(Taker(Some(room.clone())));
        let seat = Pool::new(Seats::plenty()).make_room().unwrap();
        let mut connection = EndpointConnection::new(taker, address, &Hop::PLAIN, metrics, seat);
        let endless = Endless(Arc::default());
        let mut body = ReplayBody::new(RequestBody::Source(Box::new(endless)), 0);
        let mut upload = Upload::new(Framing::Chunked);
        let mut poll = async || {
            poll_fn(|cx| Poll::Ready(upload.poll(cx, &mut connection, &mut body, Some(IDLE)))).await
        };
        for _ in 0..5 {
            assert!(poll().await.is_pending());
            tokio::time::advance(IDLE - Duration::from_secs(1)).await;
            room.store(100, Relaxed);
        }
        assert!(poll().await.is_pending(), "it has just taken some");
        tokio::time::advance(IDLE).await;
        assert!(poll().await.is_pending(), "the system is asked once more");
        tokio::task::yield_now().await;
        assert!(matches!(poll().await, Poll::Ready(Err(UploadFailure::Stalled))));
    }

    #[test]
    fn content_without_end_leaves_the_answer_its_turn() {
        let address = ([127, 0, 0, 1], 80).into();
        let metrics = Metrics::new(1).worker(0);
        let seat = Pool::new(Seats::plenty()).make_room().unwrap();
        let mut connection =
            EndpointConnection::new(Box::new(Taker(None)), address, &Hop::PLAIN, metrics, seat);
        let pieces = Arc::new(AtomicUsize::new(0));
        let mut body = ReplayBody::new(RequestBody::Source(Box::new(Endless(pieces.clone()))), 0);
        let mut upload = Upload::new(Framing::Chunked);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        for turn in 1..4 {
            let mut cx = Context::from_waker(&waker);
            assert!(upload.poll(&mut cx, &mut connection, &mut body, None).is_pending());
            assert_eq!(woken.0.load(Relaxed), turn, "it goes on");
            assert!(pieces.load(Relaxed) >= turn, "a turn is not in vain");
        }
    }
}
