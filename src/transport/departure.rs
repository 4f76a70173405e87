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
use std::task::{Context, Poll, Waker, ready};

use socket2::Socket;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

/// A second registration of a connection's descriptor; it never reads.
pub(crate) struct Departure {
    duplicate: TcpStream,
}

impl Departure {
    /// Watches a duplicate of the connection's descriptor.
    pub(crate) fn watch(duplicate: Socket) -> io::Result<Self> {
        Ok(Self { duplicate: TcpStream::from_std(duplicate.into())? })
    }

    /// Ready when the peer has shut its side or the connection was reset.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let edge = ready!(self.duplicate.poll_read_ready(cx));
            if edge.is_err() || self.readiness(Interest::READABLE).is_read_closed() {
                return Poll::Ready(());
            }
            // Only bytes: the edge is spent without reading them.
            self.spend(Interest::READABLE);
        }
    }

    /// Ready when the connection was reset; a peer that only shut its side is
    /// still there.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let edge = ready!(self.duplicate.poll_write_ready(cx));
            if edge.is_err() || self.readiness(Interest::WRITABLE).is_write_closed() {
                return Poll::Ready(());
            }
            // Only room to write.
            self.spend(Interest::WRITABLE);
        }
    }

    fn spend(&self, edge: Interest) {
        let spent = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = self.duplicate.try_io(edge, spent);
    }

    /// What the registration knows now; what cannot be known is no departure.
    fn readiness(&self, interest: Interest) -> Ready {
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(self.duplicate.ready(interest)).poll(&mut cx) {
            Poll::Ready(readiness) => readiness.unwrap_or(Ready::EMPTY),
            Poll::Pending => Ready::EMPTY,
        }
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
        let polled = poll_fn(|cx| Poll::Ready(reset.poll_reset(cx))).await;
        assert!(polled.is_pending());
        SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        poll_fn(|cx| reset.poll_reset(cx)).await;
    }
}
