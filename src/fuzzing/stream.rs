//! A byte stream whose other end follows a play.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fuzzing::{Play, Step};
use crate::sync::Mutex;
use crate::transport::{Departure, Transport};

/// What the router wrote on one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// Whether the router has reset the connection.
    pub(super) reset: bool,
}

/// The router's end of a connection.
pub(super) struct PlayedStream {
    steps: VecDeque<Step>,
    takes: usize,
    piece: usize,
    written: Arc<Mutex<Written>>,
    /// How much was written at the last wait that is over.
    awaited: usize,
    tag: Option<u8>,
    reader: Option<Waker>,
}

impl PlayedStream {
    pub(super) fn new(play: Play, written: Arc<Mutex<Written>>) -> Self {
        Self {
            steps: play.steps.into(),
            takes: play.takes.unwrap_or(usize::MAX),
            piece: if play.piece == 0 { usize::MAX } else { play.piece },
            written,
            awaited: 0,
            tag: None,
            reader: None,
        }
    }

    /// Goes on to the next step that has something for the reader; false if
    /// there is nothing yet.
    fn advance(&mut self) -> bool {
        loop {
            match self.steps.front_mut() {
                Some(Step::Await) => {
                    let written = self.written.lock();
                    if written.bytes.len() == self.awaited {
                        return false;
                    }
                    self.tag = last_tag(&written.bytes).or(self.tag);
                    self.awaited = written.bytes.len();
                }
                Some(Step::Send(bytes)) if bytes.is_empty() => {}
                Some(Step::Stall) => return false,
                Some(Step::Send(_) | Step::Reset) | None => return true,
            }
            self.steps.pop_front();
        }
    }
}

fn last_tag(written: &[u8]) -> Option<u8> {
    const MARK: &[u8] = b"x-tag: ";
    let at = memmem::rfind(written, MARK)?;
    written.get(at + MARK.len()).copied()
}

impl AsyncRead for PlayedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.advance() {
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match this.steps.front_mut() {
            None => Poll::Ready(Ok(())),
            Some(Step::Send(bytes)) => {
                let count = bytes.len().min(buf.remaining()).min(this.piece);
                put(&bytes[..count], this.tag, buf);
                bytes.advance(count);
                Poll::Ready(Ok(()))
            }
            // Nothing else is left to the reader.
            Some(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

/// Hands out bytes with the tag put in.
fn put(bytes: &[u8], tag: Option<u8>, buf: &mut ReadBuf<'_>) {
    let Some(tag) = tag else { return buf.put_slice(bytes) };
    let tagged: Bytes = bytes.iter().map(|&byte| if byte == b'@' { tag } else { byte }).collect();
    buf.put_slice(&tagged);
}

impl AsyncWrite for PlayedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut written = this.written.lock();
        if this.steps.front() == Some(&Step::Reset) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = this.takes - written.bytes.len().min(this.takes);
        let count = bytes.len().min(room).min(this.piece);
        if count == 0 && !bytes.is_empty() {
            return Poll::Pending;
        }
        written.bytes.extend_from_slice(&bytes[..count]);
        if let Some(reader) = this.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for PlayedStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.advance() {
            return Poll::Ready(Ok(()));
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn is_disturbed(&mut self) -> bool {
        match self.steps.front() {
            Some(Step::Stall) => false,
            Some(Step::Await) => self.written.lock().bytes.len() > self.awaited,
            Some(Step::Send(_) | Step::Reset) | None => true,
        }
    }

    fn departure(&self) -> io::Result<Option<Departure>> {
        Ok(None)
    }

    fn reset_on_close(&self) {
        self.written.lock().reset = true;
    }
}
