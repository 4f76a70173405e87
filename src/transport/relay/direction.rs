//! One direction of a tunnel: from the end that sends to the one that receives.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;

use crate::transport::Outbox;
use crate::transport::frames::{Frames, GOING_AWAY};
use crate::transport::relay::End;

/// Reads and writes in one turn. Two ends that are both quicker than the router
/// would else keep it in one direction for ever, and what goes the other way
/// (the word to stop, perhaps) would never be looked at.
const MOVES: usize = 32;

/// How far a direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Bytes may come.
    Flows,
    /// The last byte was taken and the receiver told.
    Ended,
    /// The receiver has gone.
    Lost,
}

/// The end that sends was lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SenderLost;

pub(super) struct Direction {
    state: State,
    /// Nothing can be said to the receiver any more.
    receiver_gone: bool,
    unflushed: bool,
    /// The receiver takes nothing for now.
    waits: bool,
    /// A write waits: TLS may have made a record of these bytes, and the next
    /// write has to be of the same.
    begun: bool,
    /// Its receiver is to be told that the router goes away.
    farewell: bool,
    /// It was told: what still comes is read and thrown away.
    discards: bool,
}

/// What a step came to.
enum Step {
    /// Another may follow.
    Moved,
    /// There is nothing to do before somebody wakes the task.
    Waits,
    SenderLost,
}

impl Direction {
    pub(super) fn new() -> Self {
        Self {
            state: State::Flows,
            receiver_gone: false,
            unflushed: false,
            waits: false,
            begun: false,
            farewell: false,
            discards: false,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether the receiver turned out to have gone.
    pub(super) fn receiver_gone(&self) -> bool {
        self.receiver_gone
    }

    /// Whether the receiver was given something that it does not take.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// From now on its receiver is to be told that the router goes away.
    pub(super) fn say_farewell(&mut self) {
        self.farewell = true;
    }

    /// Moves bytes `from` one end `to` the other; an error if `from` is lost.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End<'_>,
        to: &mut End<'_>,
        frames: &mut Option<Frames>,
        moved_bytes: &mut u64,
    ) -> Result<(), SenderLost> {
        self.waits = false;
        for _ in 0..MOVES {
            if self.state != State::Flows {
                return Ok(());
            }
            match self.step(cx, from, to, frames, moved_bytes) {
                Step::Moved => {}
                Step::Waits => return Ok(()),
                Step::SenderLost => return Err(SenderLost),
            }
        }
        if self.state == State::Flows {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    fn step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End<'_>,
        to: &mut End<'_>,
        frames: &mut Option<Frames>,
        moved_bytes: &mut u64,
    ) -> Step {
        if self.farewell
            && let Some(frames) = frames
        {
            self.say_goodbye(frames, to.outbox);
        }
        if self.discards {
            from.inbox.bytes.clear();
        }
        if !to.outbox.is_empty() || !from.inbox.bytes.is_empty() {
            let written = self.poll_write(cx, from, to, frames, moved_bytes);
            self.waits = written.is_pending();
            self.begun = self.waits;
            match written {
                Poll::Pending => return Step::Waits,
                Poll::Ready(true) => {}
                Poll::Ready(false) => self.lose(from),
            }
        } else if from.inbox.ended() {
            let told = Pin::new(&mut *to.stream).poll_shutdown(cx);
            self.waits = told.is_pending();
            let Poll::Ready(told) = told else { return Step::Waits };
            // Who cannot be told has gone with all that was for it.
            self.receiver_gone = told.is_err();
            self.state = State::Ended;
        } else {
            match from.inbox.poll_fill(&mut *from.stream, cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Step::SenderLost,
                Poll::Pending => {
                    from.inbox.release();
                    self.poll_flush(cx, from, to);
                    return Step::Waits;
                }
            }
        }
        Step::Moved
    }

    /// Writes once; false if the receiver has gone.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End<'_>,
        to: &mut End<'_>,
        frames: &mut Option<Frames>,
        moved_bytes: &mut u64,
    ) -> Poll<bool> {
        self.unflushed = true;
        if !to.outbox.is_empty() {
            return to.outbox.poll_write(&mut *to.stream, cx).map(|written| written.is_ok());
        }
        let ready = match frames {
            Some(frames) if self.farewell => frames.rest_of_frame(&from.inbox.bytes),
            _ => &from.inbox.bytes,
        };
        Pin::new(&mut *to.stream).poll_write(cx, ready).map(|written| {
            let Ok(written @ 1..) = written else { return false };
            if let Some(frames) = frames {
                frames.pass(&from.inbox.bytes[..written]);
            }
            from.inbox.bytes.advance(written);
            *moved_bytes += written as u64;
            true
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, from: &mut End<'_>, to: &mut End<'_>) {
        if !self.unflushed {
            return;
        }
        match Pin::new(&mut *to.stream).poll_flush(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.unflushed = false,
            Poll::Ready(Err(_)) => self.lose(from),
        }
    }

    /// The receiver has gone: what it had sent before still counts, what would
    /// go to it does not.
    fn lose(&mut self, from: &mut End<'_>) {
        self.state = State::Lost;
        self.receiver_gone = true;
        from.inbox.bytes.clear();
        from.inbox.release();
    }

    /// Puts a Close frame behind what was written, if that is between frames;
    /// what the endpoint still sends is dropped then (RFC 6455 section 5.5.1:
    /// nothing follows a Close). The client's own Close in answer reaches the
    /// endpoint as usual, so both ends see the handshake they expect.
    fn say_goodbye(&mut self, frames: &Frames, outbox: &mut Outbox) {
        if !self.begun && !self.discards && outbox.is_empty() && frames.is_between() {
            outbox.head().extend_from_slice(GOING_AWAY);
            self.discards = true;
        }
    }
}
