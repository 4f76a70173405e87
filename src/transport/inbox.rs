//! Received bytes that nobody has taken yet.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::transport::Transport;

const FIRST_READ_BYTES: usize = 4 << 10;
const LEAST_READ_BYTES: usize = 2 << 10;
const MOST_READ_BYTES: usize = 64 << 10;

/// A read buffer that follows its peer: small messages stay in small reads,
/// a stream of full ones doubles them, and an idle connection keeps none.
pub(crate) struct Inbox {
    pub(crate) bytes: BytesMut,
    read_bytes: usize,
    ended: bool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), read_bytes: FIRST_READ_BYTES, ended: false }
    }

    /// Whether the peer has shut its side.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads once; `Ok(0)` is the end of the stream.
    pub(crate) fn poll_fill<S: Transport + ?Sized>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        if self.bytes.capacity() == self.bytes.len() {
            // Room is made only once there is something to put into it.
            ready!(stream.poll_readable(cx))?;
            self.bytes.reserve(self.read_bytes);
        }
        let room = self.bytes.capacity() - self.bytes.len();
        let read = ready!(pin!(stream.read_buf(&mut self.bytes)).poll(cx))?;
        if read == room {
            self.read_bytes = (self.read_bytes * 2).min(MOST_READ_BYTES);
        } else if read < self.read_bytes / 4 {
            self.read_bytes = (self.read_bytes / 2).max(LEAST_READ_BYTES);
        }
        self.ended = read == 0;
        Poll::Ready(Ok(read))
    }

    /// Gives the memory back if nothing is in it.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}
