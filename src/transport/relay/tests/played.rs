//! The two ends of a tunnel, played in memory.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::descriptors::Seats;
use crate::sync::Mutex;
use crate::transport::relay::End;
use crate::transport::{Departure, Inbox, Outbox, Transport};

/// One end as the world has it.
#[derive(Default)]
pub(super) struct World {
    /// Sent by the end, and not read yet.
    pub(super) sent: VecDeque<u8>,
    /// It never stops sending.
    pub(super) endless: bool,
    pub(super) ended: bool,
    pub(super) reset: bool,
    /// Bytes it would still take.
    pub(super) room: usize,
    pub(super) taken: Vec<u8>,
    /// It was told that the other end has ended.
    pub(super) told: bool,
    /// To be told takes room, as an alert of TLS does.
    pub(super) telling_takes_room: bool,
    /// What it is given goes as a whole once there is any room, as a record of
    /// TLS does: what was given first is what goes.
    pub(super) takes_records: bool,
    pub(super) record: Vec<u8>,
    /// A write waits for room. The router cannot know that nothing of it will
    /// have gone when it is tried again.
    pub(super) offered: bool,
    pub(super) wakers: Vec<Waker>,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) struct Played(pub(super) Shared);

fn wait<T>(world: &mut World, cx: &Context<'_>) -> Poll<T> {
    world.wakers.push(cx.waker().clone());
    Poll::Pending
}

fn lost<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl AsyncRead for Played {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut world = self.0.lock();
        if world.endless {
            buffer.initialize_unfilled();
            buffer.advance(buffer.remaining());
            return Poll::Ready(Ok(()));
        }
        if world.sent.is_empty() && !world.ended {
            return if world.reset { lost() } else { wait(&mut world, cx) };
        }
        if world.sent.is_empty() && world.reset {
            return lost();
        }
        let bytes = world.sent.len().min(buffer.remaining());
        let bytes: Vec<u8> = world.sent.drain(..bytes).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Played {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut world = self.0.lock();
        if world.reset {
            return lost();
        }
        assert!(!world.told, "nothing follows an end");
        if world.takes_records {
            if world.record.is_empty() {
                world.record = bytes.to_vec();
            }
            if world.room == 0 {
                return wait(&mut world, cx);
            }
            let record = std::mem::take(&mut world.record);
            world.room = world.room.saturating_sub(record.len());
            world.taken.extend_from_slice(&record);
            return Poll::Ready(Ok(record.len()));
        }
        let bytes = &bytes[..bytes.len().min(world.room)];
        world.offered = bytes.is_empty();
        if world.offered {
            return wait(&mut world, cx);
        }
        world.room -= bytes.len();
        world.taken.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut world = self.0.lock();
        if world.reset {
            return lost();
        }
        if world.telling_takes_room && !world.told {
            if world.room == 0 {
                return wait(&mut world, cx);
            }
            world.room -= 1;
        }
        world.told = true;
        Poll::Ready(Ok(()))
    }
}

impl Transport for Played {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut world = self.0.lock();
        let ready = world.endless || world.ended || world.reset || !world.sent.is_empty();
        if ready { Poll::Ready(Ok(())) } else { wait(&mut world, cx) }
    }

    fn is_disturbed(&mut self) -> bool {
        unreachable!("a tunnel is never idle in a pool")
    }

    fn departure(&self) -> io::Result<Option<Departure>> {
        let shared = self.0.clone();
        Ok(Some(Departure::played(Box::new(move |cx| {
            let mut world = shared.lock();
            if world.reset { Poll::Ready(()) } else { wait(&mut world, cx) }
        }))))
    }

    fn reset_on_close(&self) {}
}

/// Whether the task was woken since it was last polled.
#[derive(Default)]
pub(super) struct Woken(pub(super) AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// An end with the router's half of it.
pub(super) struct Half {
    pub(super) stream: Played,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) departure: Option<Departure>,
    pub(super) seats: Arc<Seats>,
}

impl Half {
    pub(super) fn end(&mut self) -> End<'_> {
        let Self { stream, inbox, outbox, departure, seats } = self;
        End { stream, inbox, outbox, departure, seats }
    }
}
