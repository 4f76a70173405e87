//! Writing one reply to an HTTP/1 client: head and content under one framing,
//! with back-pressure and the client's clock.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use crate::clock::earliest;
use crate::error::Code;
use crate::http1::{
    CHUNK_TAIL, Framing, Version, encode_chunk_head, encode_last_chunk, encode_response_head,
};
use crate::listen::http1::connection::ClientConnection;
use crate::request::BodyFrame;
use crate::respond::Reply;
use crate::respond::commit::{Content, Fresh};
use crate::sync::Mutex;
use crate::transport::Stall;

/// What the request said about how its reply may be written.
#[derive(Clone)]
pub(crate) struct ReplyTerms {
    pub(crate) version: Version,
    pub(crate) head_only: bool,
    pub(crate) keep_alive: bool,
    /// Input thrown away at most while the client takes no output, if the
    /// connection is to close anyway.
    pub(crate) discard_bytes: u64,
}

impl ReplyTerms {
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
    fresh: Fresh,
    reply: &mut Reply,
    terms: &ReplyTerms,
) -> Result<bool, Code> {
    let framing = terms.framing(reply.status, reply.length);
    let keep_alive = terms.keep_alive && framing != Framing::UntilClose;
    let mut content = connection.lock().commit(fresh, |out| {
        let reason = reply.reason.as_deref();
        encode_response_head(
            out,
            terms.version,
            reply.status,
            reason,
            &reply.fields,
            framing,
            keep_alive,
        );
    });
    if framing == Framing::None {
        content.finish();
    }
    let mut writer = Writer {
        framing,
        content,
        discard_bytes: (!keep_alive).then_some(terms.discard_bytes),
        write_idle: reply.write_idle,
        deadline: reply.deadline,
        stall: Stall::default(),
    };
    poll_fn(|cx| writer.poll(cx, connection, reply)).await?;
    connection.lock().reply_ended();
    reply.body.finish();
    Ok(keep_alive)
}

struct Writer {
    framing: Framing,
    /// Ended when all of it is in the outbox. When it will not be whole, what
    /// came before is written first: how much a client gets must not hang on
    /// how the endpoint's bytes and its failure fell into reads.
    content: Content,
    discard_bytes: Option<u64>,
    write_idle: Option<Duration>,
    deadline: Option<Instant>,
    stall: Stall,
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
                if let Some(end) = self.content.end() {
                    return Poll::Ready(end);
                }
                return client.poll_departure(cx).map(|()| Err(Code::ClientClosed));
            }
            let client = &mut *client;
            match client.outbox.poll_write(&mut *client.stream, cx) {
                Poll::Ready(Ok(_)) => self.stall.end(),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Code::ClientClosed)),
                Poll::Pending => break,
            }
        }
        // The client takes nothing for now; what it still sends goes on, or
        // away.
        let discard_bytes = self.discard_bytes.filter(|_| !reply.body.takes_upload());
        let left = match discard_bytes {
            Some(most_bytes) => connection.lock().poll_discard(cx, most_bytes),
            None => connection.lock().poll_departure(cx),
        };
        if left.is_ready() {
            return Poll::Ready(Err(Code::ClientClosed));
        }
        // The lock is not held here: the upload reads through it.
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
        while self.content.flows() && connection.lock().outbox.has_room() {
            let frame = match reply.body.poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => None,
                Poll::Ready(Some(Ok(frame))) => Some(frame),
                Poll::Ready(Some(Err(failure))) => {
                    self.content.fail(failure.code());
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
                    self.content.finish();
                }
                None => {
                    if chunked {
                        encode_last_chunk(outbox.head(), None);
                    }
                    self.content.finish();
                }
            }
        }
    }

    fn poll_stalled(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Mutex<ClientConnection>,
    ) -> Poll<Result<(), Code>> {
        let mut client = connection.lock();
        loop {
            let now = Instant::now();
            let look_due = self.write_idle.map(|idle| self.stall.look_due(now, idle));
            let Some(due) = earliest(look_due, self.deadline) else { return Poll::Pending };
            ready!(client.clock.poll_until_from(cx, now, due));
            if self.deadline.is_some_and(|deadline| deadline <= due) {
                return Poll::Ready(Err(Code::DeadlineExceeded));
            }
            let Some(idle) = self.write_idle else { continue };
            if self.stall.is_over(Instant::now(), idle, client.stream.acknowledged()) {
                return Poll::Ready(Err(Code::ClientStalled));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::descriptors::Seats;
    use crate::request::ClientAddress;
    use crate::router::{NO_ADDRESS, Router};
    use crate::transport::{Departure, Transport};

    impl Transport for DuplexStream {
        fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            // It cannot say; the read that follows can.
            Poll::Ready(Ok(()))
        }

        fn is_disturbed(&mut self) -> bool {
            false
        }

        fn departure(&self) -> io::Result<Option<Departure>> {
            Ok(None)
        }

        fn reset_on_close(&self) {}
    }

    /// Writes a refusal through a pipe that holds 64 bytes each way, to a
    /// client that sends `sent_bytes`, and perhaps that this was all, before it
    /// reads.
    async fn refuse(sent_bytes: usize, ends: bool, discard_bytes: u64) -> Result<bool, Code> {
        let (ours, mut client) = duplex(64);
        let connection = Mutex::new(ClientConnection::new(Box::new(ours), true, Seats::plenty()));
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"";
        let router = Router::new(crate::config::parse(text, "test.toml").unwrap()).unwrap();
        let address = ClientAddress { peer: NO_ADDRESS, local: NO_ADDRESS, secure: false };
        let mut reply = router.refuse_crowded(None, &address, None);
        let terms = ReplyTerms {
            version: Version::Http11,
            head_only: false,
            keep_alive: false,
            discard_bytes,
        };
        let fresh = connection.lock().begin_refusal();
        let recent = router.worker().shared.recent_errors.clone();
        let sending = async {
            client.write_all(&vec![b'x'; sent_bytes]).await?;
            if ends {
                client.shutdown().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            client.read_to_end(&mut Vec::new()).await
        };
        let written = tokio::select! {
            written = write_reply(&connection, fresh, &mut reply, &terms) => written,
            _ = sending => unreachable!("the router's end is open"),
        };
        if let Err(code) = written {
            reply.body.fail(code);
        }
        drop(reply);
        // What it was refused for is not hidden by how its answer ended.
        assert_eq!(recent.newest_first()[0].1.code, Code::Overloaded);
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_written_to_a_client_that_sends_before_it_reads() {
        assert_eq!(refuse(1_000_000, false, 1 << 20).await, Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_thrown_away_meanwhile_than_may_be() {
        assert_eq!(refuse(1_000_000, false, 1 << 10).await, Err(Code::ClientStalled));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_may_half_close_gets_its_refusal_after_that() {
        assert_eq!(refuse(1_000_000, true, 1 << 20).await, Ok(false));
    }
}
