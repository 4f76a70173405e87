//! Noticing that a peer has left while its bytes lie unread.
//!
//! Once a connection's readiness was cleared, the runtime's own `try_read` can
//! say "would block" with bytes waiting, and with the read buffer full nobody
//! reads at all: a FIN behind unread bytes then shows only as an edge that the
//! first registration has spent. A duplicated descriptor has a registration,
//! and so edges, of its own.

use std::io;
use std::task::{Context, Poll, ready};

use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

/// A second registration of a connection's descriptor; it never reads.
pub(crate) struct Departure {
    descriptor: AsyncFd<Socket>,
}

impl Departure {
    /// Watches a duplicate of the connection's descriptor.
    pub(crate) fn watch(duplicate: Socket) -> io::Result<Self> {
        Ok(Self { descriptor: AsyncFd::with_interest(duplicate, Interest::READABLE)? })
    }

    /// Ready when the peer has shut its side or the connection was reset.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.descriptor.poll_read_ready(cx))?;
            if guard.ready().is_read_closed() {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }
}
