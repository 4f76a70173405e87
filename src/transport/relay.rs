//! Two byte streams joined, until both directions have ended.
//!
//! What was read from one end is the buffer towards the other: nothing more is
//! read before it has been taken, which bounds memory and is all the
//! back-pressure there is. An end that shuts its sending side gets that passed
//! on behind its last byte, and may go on receiving (RFC 9293 section 3.6). A
//! reset of either is passed on at once, except that what the lost end had sent
//! before is delivered first if it lies ready.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;

use crate::transport::frames::{Frames, GOING_AWAY};
use crate::transport::{Departure, Inbox, Outbox, Transport};

/// One end of a tunnel, borrowed for a turn.
pub(crate) struct End<'a> {
    pub(crate) stream: &'a mut dyn Transport,
    /// What came from it and was not yet taken by the other end.
    pub(crate) inbox: &'a mut Inbox,
    /// What goes to it before anything of the other end's.
    pub(crate) outbox: &'a mut Outbox,
    /// Watches for its reset while it is not read from.
    pub(crate) departure: &'a mut Option<Departure>,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Endpoint,
}

/// Both directions of a tunnel.
pub(crate) struct Relay {
    to_endpoint: Direction,
    to_client: Direction,
    /// Where the frames towards the client end, if they are WebSocket's.
    frames: Option<Frames>,
}

/// What a turn came to.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Bytes the endpoint took.
    pub(crate) to_endpoint_bytes: u64,
    /// Bytes the client took, of those the endpoint sent.
    pub(crate) to_client_bytes: u64,
    /// How the tunnel ended, if it did: in order, or by the loss of one end.
    pub(crate) end: Option<Result<(), Side>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes may come.
    Flows,
    /// The last byte was taken and the receiver told.
    Ended,
    /// The receiver has gone.
    Lost,
}

struct Direction {
    state: State,
    unflushed: bool,
    /// A write waits: TLS may have made a record of these bytes, and the next
    /// write has to be of the same.
    begun: bool,
    /// Its receiver is to be told that the router goes away.
    farewell: bool,
    /// It was told: what still comes is read and thrown away.
    discards: bool,
}

impl Relay {
    /// Nothing has been relayed yet.
    pub(crate) fn new(websocket: bool) -> Self {
        let frames = websocket.then(Frames::default);
        Self { to_endpoint: Direction::new(), to_client: Direction::new(), frames }
    }

    /// Towards whom bytes may still flow, if that is one side only.
    pub(crate) fn open_towards(&self) -> Option<Side> {
        match (self.to_client.state, self.to_endpoint.state) {
            (State::Flows, State::Ended | State::Lost) => Some(Side::Client),
            (State::Ended | State::Lost, State::Flows) => Some(Side::Endpoint),
            _ => None,
        }
    }

    /// Moves what can be moved. With `going_away`, a WebSocket client is told
    /// so between two frames, and then hears nothing more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut End<'_>,
        endpoint: &mut End<'_>,
        going_away: bool,
    ) -> Turn {
        let mut turn = Turn::default();
        self.to_client.farewell |= going_away;
        let moved = &mut turn.to_client_bytes;
        let back = self.to_client.poll(cx, endpoint, client, &mut self.frames, moved);
        let moved = &mut turn.to_endpoint_bytes;
        let forth = self.to_endpoint.poll(cx, client, endpoint, &mut None, moved);
        turn.end = match (back, forth) {
            // A direction is read from the end that is lost.
            (Err(()), _) => Some(Err(Side::Endpoint)),
            (_, Err(())) => Some(Err(Side::Client)),
            _ => self.end(client, endpoint),
        };
        if turn.end.is_none() {
            turn.end = self.poll_resets(cx, client, endpoint).map(Err);
        }
        turn
    }

    /// Who takes no more may have sent something before; it is waited for as
    /// long as it can be delivered at once.
    fn end(&self, client: &End<'_>, endpoint: &End<'_>) -> Option<Result<(), Side>> {
        let to_client_waits = !endpoint.inbox.bytes.is_empty() || !client.outbox.is_empty();
        let to_endpoint_waits = !client.inbox.bytes.is_empty();
        match (self.to_client.state, self.to_endpoint.state) {
            (State::Ended, State::Ended) => Some(Ok(())),
            (State::Lost, State::Ended | State::Lost) => Some(Err(Side::Client)),
            (State::Ended, State::Lost) => Some(Err(Side::Endpoint)),
            (State::Lost, State::Flows) if to_endpoint_waits => Some(Err(Side::Client)),
            (State::Flows, State::Lost) if to_client_waits => Some(Err(Side::Endpoint)),
            _ => None,
        }
    }

    /// A reset of an end that is not being read from.
    fn poll_resets(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut End<'_>,
        endpoint: &mut End<'_>,
    ) -> Option<Side> {
        if is_reset(cx, client, self.to_client.state) {
            return Some(Side::Client);
        }
        is_reset(cx, endpoint, self.to_endpoint.state).then_some(Side::Endpoint)
    }
}

/// Whether `end` was reset while nobody reads from it. Once our side of it is
/// shut, its own end would look the same, and it has been told everything.
fn is_reset(cx: &mut Context<'_>, end: &mut End<'_>, towards: State) -> bool {
    let is_read = end.inbox.bytes.is_empty() && !end.inbox.ended();
    if is_read || towards != State::Flows {
        return false;
    }
    if end.departure.is_none() {
        // Without a descriptor to spare, the next write will notice.
        *end.departure = end.stream.departure().unwrap_or_default();
    }
    end.departure.as_mut().is_some_and(|departure| departure.poll_reset(cx).is_ready())
}

impl Direction {
    fn new() -> Self {
        Self {
            state: State::Flows,
            unflushed: false,
            begun: false,
            farewell: false,
            discards: false,
        }
    }

    /// Moves bytes `from` one end `to` the other; an error if `from` is lost.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End<'_>,
        to: &mut End<'_>,
        frames: &mut Option<Frames>,
        moved_bytes: &mut u64,
    ) -> Result<(), ()> {
        while self.state == State::Flows {
            if self.farewell
                && let Some(frames) = frames
            {
                self.say_goodbye(frames, to.outbox);
            }
            if self.discards {
                from.inbox.bytes.clear();
            }
            if !to.outbox.is_empty() || !from.inbox.bytes.is_empty() {
                match self.poll_write(cx, from, to, frames, moved_bytes) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(true) => continue,
                    Poll::Ready(false) => self.lose(from),
                }
            } else if from.inbox.ended() {
                match Pin::new(&mut *to.stream).poll_shutdown(cx) {
                    Poll::Pending => return Ok(()),
                    // Who cannot be told has gone with all that was for it.
                    Poll::Ready(_) => self.state = State::Ended,
                }
            } else {
                match from.inbox.poll_fill(&mut *from.stream, cx) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Err(()),
                    Poll::Pending => {
                        from.inbox.release();
                        return self.poll_flush(cx, from, to);
                    }
                }
            }
        }
        Ok(())
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
        let written = self.poll_write_once(cx, from, to, frames, moved_bytes);
        self.begun = written.is_pending();
        written
    }

    fn poll_write_once(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End<'_>,
        to: &mut End<'_>,
        frames: &mut Option<Frames>,
        moved_bytes: &mut u64,
    ) -> Poll<bool> {
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

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End<'_>,
        to: &mut End<'_>,
    ) -> Result<(), ()> {
        if !self.unflushed {
            return Ok(());
        }
        match Pin::new(&mut *to.stream).poll_flush(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.unflushed = false,
            Poll::Ready(Err(_)) => self.lose(from),
        }
        Ok(())
    }

    /// The receiver has gone: what it had sent before still counts, what would
    /// go to it does not.
    fn lose(&mut self, from: &mut End<'_>) {
        self.state = State::Lost;
        from.inbox.bytes.clear();
        from.inbox.release();
    }

    /// Puts a Close frame behind what was written, if that is between frames;
    /// what the endpoint still sends is dropped then (RFC 6455 section 5.5.1:
    /// nothing follows a Close). The client's own Close in answer reaches the
    /// endpoint as usual, so both ends see the handshake they expect.
    fn say_goodbye(&mut self, frames: &Frames, outbox: &mut Outbox) {
        if self.state == State::Flows
            && !self.begun
            && !self.discards
            && outbox.is_empty()
            && frames.is_between()
        {
            outbox.head().extend_from_slice(GOING_AWAY);
            self.discards = true;
        }
    }
}
