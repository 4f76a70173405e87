//! Noticing that a peer has left while its bytes lie unread.
//!
//! Once a connection's readiness was cleared, the runtime's own `try_read` can
//! say "would block" with bytes waiting, and with the read buffer full nobody
//! reads at all: a FIN behind unread bytes then shows only as an edge that the
//! first registration has spent. A duplicated descriptor has a registration,
//! and so edges, of its own.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use socket2::Socket;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

use crate::descriptors::{Seat, Seats};
use crate::transport::Transport;

/// A second registration of a connection's descriptor; it never reads.
pub(crate) struct Departure {
    watched: Watched,
    /// Given back with the duplicate.
    _seat: Option<Seat>,
}

enum Watched {
    Duplicate(TcpStream),
    /// A reset that a test plays.
    #[cfg(test)]
    Played(PlayedReset),
}

#[cfg(test)]
pub(crate) type PlayedReset = Box<dyn FnMut(&mut Context<'_>) -> Poll<()> + Send>;

#[cfg_attr(
    not(test),
    allow(clippy::infallible_destructuring_match, reason = "tests have another to watch")
)]
impl Departure {
    /// Watches a duplicate of the connection's descriptor.
    pub(crate) fn watch(duplicate: Socket) -> io::Result<Self> {
        let watched = Watched::Duplicate(TcpStream::from_std(duplicate.into())?);
        Ok(Self { watched, _seat: None })
    }

    /// Watches `stream`; `None` if it cannot be, or if there is no descriptor to
    /// spare for it.
    pub(crate) fn of(stream: &dyn Transport, seats: &Arc<Seats>) -> Option<Self> {
        let seat = seats.for_watch()?;
        let departure = stream.departure().unwrap_or_default()?;
        Some(Self { _seat: Some(seat), ..departure })
    }

    /// Says what `reset` says.
    #[cfg(test)]
    pub(crate) fn played(reset: PlayedReset) -> Self {
        Self { watched: Watched::Played(reset), _seat: None }
    }

    /// Ready when the peer has shut its side or the connection was reset.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let duplicate = match &mut self.watched {
            Watched::Duplicate(duplicate) => duplicate,
            #[cfg(test)]
            Watched::Played(reset) => return reset(cx),
        };
        loop {
            let edge = ready!(duplicate.poll_read_ready(cx));
            if edge.is_err() || readiness(duplicate, Interest::READABLE).is_read_closed() {
                return Poll::Ready(());
            }
            // Only bytes: the edge is spent without reading them.
            spend(duplicate, Interest::READABLE);
        }
    }

    /// Ready when the connection was reset; a peer that only shut its side is
    /// still there. With `shut`, our own side is: the peer's end then closes the
    /// connection for writing as a reset does, and only an error tells.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>, shut: bool) -> Poll<()> {
        let duplicate = match &mut self.watched {
            Watched::Duplicate(duplicate) => duplicate,
            #[cfg(test)]
            Watched::Played(reset) => return reset(cx),
        };
        loop {
            let edge = ready!(duplicate.poll_write_ready(cx));
            if edge.is_err() {
                return Poll::Ready(());
            }
            if readiness(duplicate, Interest::WRITABLE).is_write_closed() {
                // Nothing more can be heard of who has ended and was told all.
                let ended = shut && matches!(duplicate.take_error(), Ok(None));
                return if ended { Poll::Pending } else { Poll::Ready(()) };
            }
            // Only room to write.
            spend(duplicate, Interest::WRITABLE);
        }
    }
}

fn spend(watched: &TcpStream, edge: Interest) {
    let spent = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    let _ = watched.try_io(edge, spent);
}

/// What the registration knows now; what cannot be known is no departure.
fn readiness(watched: &TcpStream, interest: Interest) -> Ready {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(watched.ready(interest)).poll(&mut cx) {
        Poll::Ready(readiness) => readiness.unwrap_or(Ready::EMPTY),
        Poll::Pending => Ready::EMPTY,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_departure_shows_behind_unread_bytes_and_bytes_alone_are_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        let mut departure = Departure::watch(SockRef::from(&ours).try_clone().unwrap()).unwrap();
        for _ in 0..3 {
            client.write_all(b"unread").await.unwrap();
            ours.readable().await.unwrap();
            let polled = poll_fn(|cx| Poll::Ready(departure.poll(cx))).await;
            assert!(polled.is_pending());
        }
        drop(client);
        poll_fn(|cx| departure.poll(cx)).await;
    }

    #[tokio::test]
    async fn a_reset_shows_after_a_half_close_that_alone_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        let mut reset = Departure::watch(SockRef::from(&ours).try_clone().unwrap()).unwrap();
        let mut half_close = Departure::watch(SockRef::from(&ours).try_clone().unwrap()).unwrap();
        client.write_all(b"unread").await.unwrap();
        client.shutdown().await.unwrap();
        poll_fn(|cx| half_close.poll(cx)).await;
        let polled = poll_fn(|cx| Poll::Ready(reset.poll_reset(cx, false))).await;
        assert!(polled.is_pending());
        SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        poll_fn(|cx| reset.poll_reset(cx, false)).await;
    }

    #[tokio::test]
    async fn once_our_side_is_shut_a_reset_shows_and_an_end_is_none() {
        for resets in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut ours, _) = listener.accept().await.unwrap();
            let mut reset = Departure::watch(SockRef::from(&ours).try_clone().unwrap()).unwrap();
            let mut end = Departure::watch(SockRef::from(&ours).try_clone().unwrap()).unwrap();
            client.write_all(b"unread").await.unwrap();
            ours.shutdown().await.unwrap();
            let polled = poll_fn(|cx| Poll::Ready(reset.poll_reset(cx, true))).await;
            assert!(polled.is_pending());
            if resets {
                SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
            drop(client);
            poll_fn(|cx| end.poll(cx)).await;
            // By now this registration has heard of it too.
            tokio::task::yield_now().await;
            let polled = poll_fn(|cx| Poll::Ready(reset.poll_reset(cx, true))).await;
            assert_eq!(polled.is_ready(), resets);
        }
    }
}
