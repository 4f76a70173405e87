//! Bytes read off a transport ahead of rustls, which takes 4 KiB at a time.
//!
//! That suits requests. But a record of a stream has 16 KiB, and each would
//! take five system calls. So a peer that fills those 4 KiB is read in larger
//! pieces, until one comes that is not large. A connection at rest keeps none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::transport::Transport;

/// What rustls asks for at a time.
const STEP_BYTES: usize = 4 << 10;
/// What is read ahead of it at most: two records.
const AHEAD_BYTES: usize = 32 << 10;

/// What was read and rustls has not taken.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
    /// The last read was a large one.
    streams: bool,
}

impl Ahead {
    /// Whether everything was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken == self.filled
    }

    /// Reads into `into`: what is there, else from `io`, once.
    pub(crate) fn poll_read(
        &mut self,
        io: &mut dyn Transport,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_empty() {
            if !self.streams {
                let read = ready!(poll_read(io, cx, into))?;
                self.streams = read >= STEP_BYTES;
                return Poll::Ready(Ok(read));
            }
            self.release();
            // Room is made only once there is something to put into it.
            ready!(io.poll_readable(cx))?;
            self.bytes.resize(AHEAD_BYTES, 0);
            let Poll::Ready(read) = poll_read(io, cx, &mut self.bytes) else {
                self.release();
                return Poll::Pending;
            };
            let read = read?;
            self.streams = read >= STEP_BYTES;
            self.filled = read;
        }
        let unread = &self.bytes[self.taken..self.filled];
        let step = unread.len().min(into.len());
        into[..step].copy_from_slice(&unread[..step]);
        self.taken += step;
        if self.is_empty() && !self.streams {
            self.release();
        }
        Poll::Ready(Ok(step))
    }

    fn release(&mut self) {
        *self = Self { streams: self.streams, ..Self::default() };
    }
}

fn poll_read(
    io: &mut dyn Transport,
    cx: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_stream_is_read_in_large_pieces_and_a_small_one_ends_that() {
        let (mut ours, mut theirs) = duplex(256 << 10);
        let sent: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        theirs.write_all(&sent).await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let (mut ahead, mut came, mut held) = (Ahead::default(), Vec::new(), 0);
        let mut into = [0; STEP_BYTES];
        while let Poll::Ready(read) = ahead.poll_read(&mut ours, &mut cx, &mut into) {
            came.extend_from_slice(&into[..read.unwrap()]);
            held = held.max(ahead.bytes.len());
        }
        assert!(came == sent && held == AHEAD_BYTES && ahead.is_empty());
        assert_eq!(ahead.bytes.capacity(), 0, "at rest");
        theirs.write_all(b"small").await.unwrap();
        for _ in 0..2 {
            let polled = ahead.poll_read(&mut ours, &mut cx, &mut into);
            assert!(matches!(polled, Poll::Ready(Ok(5))));
            assert!(!ahead.streams && ahead.bytes.capacity() == 0);
            theirs.write_all(b"small").await.unwrap();
        }
        drop(theirs);
        let mut rest = || ahead.poll_read(&mut ours, &mut cx, &mut into);
        assert!(matches!(rest(), Poll::Ready(Ok(5))));
        assert!(matches!(rest(), Poll::Ready(Ok(0))));
    }
}
