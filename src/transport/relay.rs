//! Two byte streams joined, until both directions have ended.
//!
//! What was read from one end is the buffer towards the other: nothing more is
//! read before it has been taken, which bounds memory and is all the
//! back-pressure there is. An end that shuts its sending side gets that passed
//! on behind its last byte, and may go on receiving (RFC 9293 section 3.6). A
//! reset of either is passed on at once, except that what the lost end had sent
//! before is delivered first if it lies ready.

mod direction;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::Context;

use crate::descriptors::Seats;
use crate::transport::frames::Frames;
use crate::transport::{Departure, Inbox, Outbox, Transport};

use direction::{Direction, State};

/// One end of a tunnel, borrowed for a turn.
pub(crate) struct End<'a> {
    pub(crate) stream: &'a mut dyn Transport,
    /// What came from it and was not yet taken by the other end.
    pub(crate) inbox: &'a mut Inbox,
    /// What goes to it before anything of the other end's.
    pub(crate) outbox: &'a mut Outbox,
    /// Watches for its reset while it is not read from.
    pub(crate) departure: &'a mut Option<Departure>,
    /// Where that is counted.
    pub(crate) seats: &'a Arc<Seats>,
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

impl Relay {
    /// Nothing has been relayed yet.
    pub(crate) fn new(websocket: bool) -> Self {
        let frames = websocket.then(Frames::default);
        Self { to_endpoint: Direction::new(), to_client: Direction::new(), frames }
    }

    /// Towards whom bytes may still flow, if that is one side only.
    pub(crate) fn open_towards(&self) -> Option<Side> {
        match (self.to_client.state(), self.to_endpoint.state()) {
            (State::Flows, State::Ended | State::Lost) => Some(Side::Client),
            (State::Ended | State::Lost, State::Flows) => Some(Side::Endpoint),
            _ => None,
        }
    }

    /// Moves what can be moved, and of a stream without end a bounded part: the
    /// other direction has its turn, and so have other connections. With
    /// `going_away`, a WebSocket client is told so between two frames, and then
    /// hears nothing more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut End<'_>,
        endpoint: &mut End<'_>,
        going_away: bool,
    ) -> Turn {
        let mut turn = Turn::default();
        if going_away {
            self.to_client.say_farewell();
        }
        let moved = &mut turn.to_client_bytes;
        let back = self.to_client.poll(cx, endpoint, client, &mut self.frames, moved);
        let moved = &mut turn.to_endpoint_bytes;
        let forth = self.to_endpoint.poll(cx, client, endpoint, &mut None, moved);
        turn.end = match (back, forth) {
            // A direction is read from the end that is lost.
            (Err(_), _) => Some(Err(Side::Endpoint)),
            (_, Err(_)) => Some(Err(Side::Client)),
            _ => self.end(),
        };
        if turn.end.is_none() {
            turn.end = self.poll_resets(cx, client, endpoint).map(Err);
        }
        turn
    }

    /// Who takes no more may have sent something before; it is waited for as
    /// long as it can be delivered at once.
    fn end(&self) -> Option<Result<(), Side>> {
        match (self.to_client.state(), self.to_endpoint.state()) {
            (State::Ended, State::Ended) => Some(Ok(())),
            (State::Lost, State::Ended | State::Lost) => Some(Err(Side::Client)),
            (State::Ended, State::Lost) => Some(Err(Side::Endpoint)),
            _ if self.to_client.receiver_gone() && self.to_endpoint.waits() => {
                Some(Err(Side::Client))
            }
            _ if self.to_endpoint.receiver_gone() && self.to_client.waits() => {
                Some(Err(Side::Endpoint))
            }
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
        if is_reset(cx, client, self.to_client.state()) {
            return Some(Side::Client);
        }
        is_reset(cx, endpoint, self.to_endpoint.state()).then_some(Side::Endpoint)
    }
}

/// Whether `end` was reset while nobody reads from it. One that has ended, and
/// was told that the other has too, is done with the connection.
fn is_reset(cx: &mut Context<'_>, end: &mut End<'_>, towards: State) -> bool {
    let is_read = end.inbox.bytes.is_empty() && !end.inbox.ended();
    let shut = match towards {
        State::Flows => false,
        State::Ended if !end.inbox.ended() => true,
        State::Ended | State::Lost => return false,
    };
    if is_read {
        return false;
    }
    if end.departure.is_none() {
        // Without a descriptor to spare, the next write will notice.
        *end.departure = Departure::of(end.stream, end.seats);
    }
    let departure = end.departure.as_mut();
    departure.is_some_and(|departure| departure.poll_reset(cx, shut).is_ready())
}
