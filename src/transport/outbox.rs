//! Bytes on their way out.
//!
//! A head, a chunk's size line and small data are gathered in one buffer; a
//! large piece of content rides beside it uncopied; one vectored write takes
//! both. A new piece is asked for only when the last large one has gone, which
//! is all the back-pressure there is.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::transport::spare;

/// Up to here copying is cheaper than another slice in the write.
const COPY_BYTES: usize = 4 << 10;
/// With this much gathered, the next piece waits for the write.
const GATHER_BYTES: usize = 16 << 10;

/// What is to be written, in order: `front`, `content`, `back`.
#[derive(Default)]
pub(crate) struct Outbox {
    front: BytesMut,
    content: Bytes,
    back: &'static [u8],
}

impl Outbox {
    /// Whether all has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.content.is_empty() && self.back.is_empty()
    }

    /// Whether another piece may be added before the next write.
    pub(crate) fn has_room(&self) -> bool {
        self.content.is_empty() && self.back.is_empty() && self.front.len() < GATHER_BYTES
    }

    /// The buffer for heads and framing. Only where [`has_room`] holds.
    ///
    /// [`has_room`]: Self::has_room
    pub(crate) fn head(&mut self) -> &mut BytesMut {
        debug_assert!(self.content.is_empty() && self.back.is_empty());
        if self.front.capacity() == 0 {
            self.front = spare::take();
        }
        &mut self.front
    }

    /// Adds content, followed by `back`. Only where `has_room` held before its own
    /// framing went into [`head`](Self::head): that may have taken the last of it.
    pub(crate) fn push(&mut self, content: Bytes, back: &'static [u8]) {
        debug_assert!(self.content.is_empty() && self.back.is_empty());
        if content.len() <= COPY_BYTES {
            self.head().extend_from_slice(&content);
            self.front.extend_from_slice(back);
        } else {
            self.content = content;
            self.back = back;
        }
    }

    /// Writes once; the number of bytes taken. Not to be called when empty.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let written = if self.content.is_empty() && self.back.is_empty() {
            ready!(Pin::new(stream).poll_write(cx, &self.front))?
        } else {
            let slices =
                [IoSlice::new(&self.front), IoSlice::new(&self.content), IoSlice::new(self.back)];
            ready!(Pin::new(stream).poll_write_vectored(cx, &slices))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// Forgets what was not written, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        if self.front.capacity() > 0 {
            spare::give_back(mem::take(&mut self.front));
        }
        if !self.content.is_empty() {
            self.content = Bytes::new();
        }
        self.back = b"";
    }

    fn advance(&mut self, mut written: usize) {
        let front = written.min(self.front.len());
        self.front.advance(front);
        written -= front;
        let content = written.min(self.content.len());
        self.content.advance(content);
        written -= content;
        self.back = &self.back[written..];
        if self.content.is_empty() {
            // A written piece must not pin the buffer it was read into.
            self.content = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_in_order_whatever_each_write_takes() {
        for step in 1..40 {
            let mut outbox = Outbox::default();
            outbox.head().extend_from_slice(b"head");
            outbox.push(Bytes::from(vec![b'x'; COPY_BYTES + 1]), b"\r\n");
            let mut out = Vec::new();
            while !outbox.is_empty() {
                let all = [&outbox.front[..], &outbox.content, outbox.back].concat();
                let take = step.min(all.len());
                out.extend_from_slice(&all[..take]);
                outbox.advance(take);
            }
            let expected = [b"head".as_slice(), &vec![b'x'; COPY_BYTES + 1], b"\r\n"].concat();
            assert!(out == expected, "step {step}");
        }
    }

    #[test]
    fn a_piece_whose_framing_takes_the_last_room_is_added_all_the_same() {
        let mut outbox = Outbox::default();
        outbox.head().extend_from_slice(&[b'x'; GATHER_BYTES - 1]);
        assert!(outbox.has_room());
        outbox.head().extend_from_slice(b"1001\r\n");
        outbox.push(Bytes::from(vec![b'y'; COPY_BYTES + 1]), b"\r\n");
        assert_eq!((outbox.content.len(), outbox.back), (COPY_BYTES + 1, &b"\r\n"[..]));
    }

    #[test]
    fn small_content_is_gathered_and_large_content_waits_for_the_write() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"small"), b"\r\n");
        assert!(outbox.has_room());
        outbox.push(Bytes::from(vec![0; COPY_BYTES + 1]), b"");
        assert!(!outbox.has_room());
    }
}
