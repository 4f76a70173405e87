//! A connection that nobody waits for: what the system takes and gives now is
//! all there is.
//!
//! The runtime hears of a new connection's readiness at its next turn. One that
//! must not be held until then is spoken to past the runtime.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::transport::{Departure, Transport};

/// A stream that the system is asked about each time. Nothing wakes who is told
/// to wait.
pub(super) struct AtOnce(pub(super) TcpStream);

fn now<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl AsyncRead for AtOnce {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = SockRef::from(&self.0);
        let read = (&*socket).read(into.initialize_unfilled());
        now(read.map(|bytes| into.advance(bytes)))
    }
}

impl AsyncWrite for AtOnce {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = SockRef::from(&self.0);
        now((&*socket).write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0).shutdown(Shutdown::Write))
    }
}

impl Transport for AtOnce {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The read that follows can say.
        Poll::Ready(Ok(()))
    }

    fn is_disturbed(&mut self) -> bool {
        self.0.is_disturbed()
    }

    fn departure(&self) -> io::Result<Option<Departure>> {
        Ok(None)
    }

    fn reset_on_close(&self) {
        self.0.reset_on_close();
    }
}
