//! Received bytes that nobody has taken yet.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::transport::Transport;
use crate::transport::spare::{self, SPARE_BYTES};

const FIRST_READ_BYTES: usize = SPARE_BYTES;
const LEAST_READ_BYTES: usize = SPARE_BYTES;
const MOST_READ_BYTES: usize = 64 << 10;

/// A read buffer that follows its peer: small messages stay in small reads,
/// a stream of full ones doubles them, and an idle connection keeps none.
pub(crate) struct Inbox {
    pub(crate) bytes: BytesMut,
    /// Whether there is any memory behind `bytes`.
    holds_memory: bool,
    read_bytes: usize,
    ended: bool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            holds_memory: false,
            read_bytes: FIRST_READ_BYTES,
            ended: false,
        }
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
            if self.bytes.is_empty() && self.reads_little() {
                self.release();
                self.bytes = spare::take();
            } else {
                // Room is made only once there is something to put into it.
                ready!(stream.poll_readable(cx))?;
                self.bytes.reserve(self.read_bytes);
            }
            self.holds_memory = true;
        }
        let room = self.bytes.capacity() - self.bytes.len();
        let read = match pin!(stream.read_buf(&mut self.bytes)).poll(cx) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                if room >= SPARE_BYTES && self.reads_little() {
                    // Nobody else knows of it yet, if it is empty.
                    self.release();
                }
                return Poll::Pending;
            }
        };
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
        if self.holds_memory && self.bytes.is_empty() {
            let buffer = mem::take(&mut self.bytes);
            self.holds_memory = false;
            if self.reads_little() {
                spare::give_back(buffer);
            }
        }
    }

    fn reads_little(&self) -> bool {
        self.read_bytes <= SPARE_BYTES
    }
}
