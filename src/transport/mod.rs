//! The byte streams a connection runs over, and what may be asked of them.
//!
//! The loops in `listen` and `upstream` see only this trait: plain TCP, TLS
//! over it, and an in-memory pair in whole-wire tests. A stream is behind a
//! pointer from its first byte on, so TLS costs connections without it nothing.

mod acknowledged;
mod ahead;
mod departure;
mod frames;
mod inbox;
mod outbox;
mod records;
mod relay;
mod spare;
mod stall;
mod tls;

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) use departure::Departure;
pub(crate) use inbox::Inbox;
pub(crate) use outbox::Outbox;
pub(crate) use records::Records;
pub(crate) use relay::{End, Relay, Side};
pub(crate) use stall::Stall;
pub(crate) use tls::{HandshakeError, TlsStream, Wire};

use crate::listen::tls::TlsFacts;

/// Bytes a connection may hold in the system unsent. By default that grows to
/// megabytes: so much memory for each slow peer, and such a socket is writable
/// again only once a third of it has gone.
pub(crate) const UNSENT_BYTES: u32 = 128 << 10;

/// A bidirectional byte stream with the few extra questions a router asks.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// Ready when a read would find bytes, the end, or an error. Costs no
    /// buffer, so that an idle connection holds none.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether an idle connection was closed, or has bytes nobody asked for:
    /// asked of the system itself, since a cached readiness may be old.
    fn is_disturbed(&mut self) -> bool;

    /// The same as far as the runtime has heard, which costs no system call.
    fn seems_disturbed(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_readable(&mut cx).is_ready()
    }

    /// Whether part of something has come that is no byte of HTTP yet, such as
    /// half a TLS record.
    fn holds_part(&self) -> bool {
        false
    }

    /// A watch for the peer's departure that works behind unread bytes.
    fn departure(&self) -> io::Result<Option<Departure>>;

    /// Bytes that the peer's system has acknowledged since the connection
    /// began, of whatever protocol; `None` where the system does not say. Costs
    /// a system call: for who has waited long already.
    fn acknowledged(&self) -> Option<u64> {
        None
    }

    /// Makes the coming close a reset, so that a cut message cannot be taken
    /// for a whole one.
    fn reset_on_close(&self);

    /// What a client's TLS handshake came to; `None` without TLS.
    fn tls(&self) -> Option<&Arc<TlsFacts>> {
        None
    }
}

impl Transport for TcpStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn is_disturbed(&mut self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        match SockRef::from(&*self).peek(&mut byte) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    fn departure(&self) -> io::Result<Option<Departure>> {
        Departure::watch(SockRef::from(self).try_clone()?).map(Some)
    }

    fn acknowledged(&self) -> Option<u64> {
        acknowledged::of(self)
    }

    fn reset_on_close(&self) {
        // A socket that is gone already needs no reset.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}
