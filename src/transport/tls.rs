//! TLS over another transport.
//!
//! rustls is driven here directly, since the loops ask more of a stream than
//! bytes: whether a read would find something without holding a buffer for it,
//! whether an idle connection was disturbed, and that a write says how much is
//! really on its way. So:
//!
//! - A write to an endpoint takes at most one record and counts only when the
//!   transport has taken all of it. What is not counted, the endpoint cannot
//!   have read: a record opens as a whole or not at all. So the rule that
//!   nothing was sent holds as it does without TLS. For a client only its clock
//!   counts, and a write takes two records.
//! - A `close_notify` is the end of the stream, and so is, from a client, a bare
//!   FIN. From an endpoint a bare FIN is an error: an answer that only the end
//!   of the connection delimits could have been cut (RFC 9112 section 9.8).
//! - A connection that is dropped says `close_notify` if it can do so at once,
//!   unless it is to be reset.

use std::cell::Cell;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::{Connection, Error, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listen::tls::TlsFacts;
use crate::transport::ahead::Ahead;
use crate::transport::{Departure, Records, Transport};

/// Plaintext in one record (RFC 8446 section 5.1).
const RECORD_BYTES: usize = 16 << 10;
/// Records in one write to a client: a file of 16 KiB and its head.
const CLIENT_RECORDS: usize = 2;

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The peer left.
    #[error("the peer closed the connection within the handshake")]
    Closed,
    /// The peer left without a byte.
    #[error("the peer closed the connection before the handshake")]
    Silent,
    /// The transport failed.
    #[error("the connection failed within the handshake: {0}")]
    Io(#[from] io::Error),
    /// One of the two sides refused.
    #[error("{0}")]
    Tls(#[from] Error),
}

/// A TLS connection, of either role.
pub(crate) struct TlsStream {
    io: Box<dyn Transport>,
    tls: Connection,
    /// What was read and TLS has not taken.
    ahead: Ahead,
    /// Where the records end that it has taken.
    received: Records,
    /// Plaintext that a write has handed to TLS and that is not all written.
    taken: usize,
    /// Whether our `close_notify` has been made.
    closed: bool,
    /// Whether the coming close is a reset.
    aborted: Cell<bool>,
    facts: Option<Arc<TlsFacts>>,
}

impl TlsStream {
    /// TLS to be spoken over `io`, of which `received` has been read already;
    /// [`poll_handshake`](Self::poll_handshake) comes first.
    pub(crate) fn new(io: Box<dyn Transport>, tls: Connection, received: Records) -> Self {
        let (taken, closed, aborted) = (0, false, Cell::new(false));
        let ahead = Ahead::default();
        Self { io, tls, ahead, received, taken, closed, aborted, facts: None }
    }

    /// The TLS side.
    pub(crate) fn tls(&self) -> &Connection {
        &self.tls
    }

    /// Notes what the handshake came to.
    pub(crate) fn set_facts(&mut self, facts: Arc<TlsFacts>) {
        self.facts = Some(facts);
    }

    /// Drives the handshake. An alert is sent for what we refuse.
    pub(crate) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), HandshakeError>> {
        loop {
            let written = ready!(self.poll_write_records(cx));
            if !self.tls.is_handshaking() && (written.is_ok() || self.owes_tickets_only()) {
                return Poll::Ready(Ok(()));
            }
            written?;
            match ready!(self.poll_read_records(cx)) {
                Ok(0) => return Poll::Ready(Err(HandshakeError::Closed)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            if let Err(error) = self.tls.process_new_packets() {
                // The alert; a peer that does not take it at once goes without.
                let _ = self.poll_write_records(cx);
                return Poll::Ready(Err(error.into()));
            }
        }
    }

    /// Whether the handshake ended with the peer's last word, so that only
    /// session tickets are left to be written (RFC 8446 section 4.6.1): a client
    /// that leaves without them was through, and its end shows as any other.
    fn owes_tickets_only(&self) -> bool {
        matches!(self.tls, Connection::Server(_))
            && self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// Writes what TLS has made.
    fn poll_write_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire { io: &mut *self.io, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; what came is not processed yet.
    fn poll_read_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (io, ahead, received) = (&mut *self.io, &mut self.ahead, &mut self.received);
        match self.tls.read_tls(&mut Following { io, cx, ahead, received }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    /// What has been decrypted and not been taken; `None` if nothing is there
    /// yet, and empty at the end.
    fn decrypted(&mut self) -> io::Result<Option<usize>> {
        let is_server = matches!(self.tls, Connection::Server(_));
        match self.tls.reader().fill_buf() {
            Ok(chunk) => Ok(Some(chunk.len())),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                io::ErrorKind::UnexpectedEof if is_server => Ok(Some(0)),
                _ => Err(error),
            },
        }
    }

    /// Ready when there is plaintext to take, or none will come any more.
    fn poll_decrypted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if let Some(bytes) = self.decrypted()? {
                return Poll::Ready(Ok(bytes));
            }
            ready!(self.poll_read_records(cx))?;
            let processed = self.tls.process_new_packets();
            // A key update is answered, and a violation has its alert; a peer
            // that does not take it now gets it with the next write.
            let _ = self.poll_write_records(cx);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            // What was owed before has the room of these records.
            ready!(self.poll_write_records(cx))?;
            let mut record = [IoSlice::new(&[]); 4];
            let mut room = match self.tls {
                Connection::Client(_) => RECORD_BYTES,
                Connection::Server(_) => CLIENT_RECORDS * RECORD_BYTES,
            };
            for (part, slice) in record.iter_mut().zip(slices) {
                let bytes = slice.len().min(room);
                *part = IoSlice::new(&slice[..bytes]);
                room -= bytes;
            }
            self.taken = self.tls.writer().write_vectored(&record)?;
        }
        ready!(self.poll_write_records(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.taken)))
    }

    fn say_goodbye(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.tls.send_close_notify();
        }
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        if !self.aborted.get() && !self.tls.is_handshaking() {
            self.say_goodbye();
            let mut cx = Context::from_waker(Waker::noop());
            let _ = self.poll_write_records(&mut cx);
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut ready = ready!(self.poll_decrypted(cx))?;
        // As many pieces as are there; asking for more would have to wait.
        while ready > 0 && buffer.remaining() > 0 {
            let mut reader = self.tls.reader();
            let bytes = ready.min(buffer.remaining());
            buffer.put_slice(&reader.fill_buf()?[..bytes]);
            reader.consume(bytes);
            ready = self.decrypted().ok().flatten().unwrap_or(0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_records(cx))?;
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.say_goodbye();
        ready!(self.poll_write_records(cx))?;
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

impl Transport for TlsStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_decrypted(cx).map_ok(drop)
    }

    /// Of a client, any byte counts: it may be the first of a request. An
    /// endpoint may send session tickets whenever it likes, so what has come
    /// from one is looked into.
    fn is_disturbed(&mut self) -> bool {
        let decrypted = |stream: &mut Self| !matches!(stream.decrypted(), Ok(None));
        if self.holds_part() {
            return true;
        }
        if !self.io.is_disturbed() || matches!(self.tls, Connection::Server(_)) {
            return decrypted(self) || self.io.is_disturbed();
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_decrypted(&mut cx).is_ready() || self.io.is_disturbed()
    }

    fn holds_part(&self) -> bool {
        !self.ahead.is_empty() || !self.received.is_between()
    }

    fn departure(&self) -> io::Result<Option<Departure>> {
        self.io.departure()
    }

    /// Of what TLS made of the bytes: they move when those do.
    fn acknowledged(&self) -> Option<u64> {
        self.io.acknowledged()
    }

    fn reset_on_close(&self) {
        self.aborted.set(true);
        self.io.reset_on_close();
    }

    fn tls(&self) -> Option<&Arc<TlsFacts>> {
        self.facts.as_ref()
    }
}

/// A transport to write to as rustls wants it: blocking calls that say so if they would.
pub(crate) struct Wire<'a, 'c> {
    pub(crate) io: &'a mut dyn Transport,
    pub(crate) cx: &'a mut Context<'c>,
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// The same to read from, while the records are followed.
struct Following<'a, 'c> {
    io: &'a mut dyn Transport,
    cx: &'a mut Context<'c>,
    ahead: &'a mut Ahead,
    received: &'a mut Records,
}

impl Read for Following<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = or_would_block(self.ahead.poll_read(self.io, self.cx, bytes))?;
        self.received.pass(&bytes[..read]);
        Ok(read)
    }
}

impl Write for Wire<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.io).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if let [record] = slices {
            // Nearly always; the system has less to do then.
            return self.write(record);
        }
        or_would_block(Pin::new(&mut *self.io).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
