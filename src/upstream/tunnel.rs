//! An upgraded connection: the endpoint's half of it, and what it holds until
//! its end.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::endpoint::Lease;
use crate::error::Code;
use crate::transport::{Departure, End, Relay, Side, Stall, Transport};
use crate::upstream::connection::EndpointConnection;
use crate::upstream::round_trip::Terms;

/// What is tunnelled between a client and an endpoint that answered 101.
/// Dropping it before its end resets the endpoint's connection.
pub(crate) struct Tunnel {
    connection: Box<EndpointConnection>,
    departure: Option<Departure>,
    relay: Relay,
    idle: Duration,
    /// The wait for the endpoint once the client has ended, and the reverse:
    /// what is left is one message's content, and keeps to its clock.
    response_idle: Option<Duration>,
    request_idle: Option<Duration>,
    stall: Stall,
    _lease: Lease,
}

/// What a turn of a tunnel came to.
pub(crate) struct TunnelTurn {
    /// Bytes the endpoint took.
    pub(crate) bytes_in: u64,
    /// Bytes the client took.
    pub(crate) bytes_out: u64,
    /// How it ended, if it did.
    pub(crate) end: Option<Result<(), Code>>,
}

impl Tunnel {
    /// The tunnel behind a 101 on `connection`.
    pub(crate) fn new(
        mut connection: Box<EndpointConnection>,
        websocket: bool,
        lease: Lease,
        terms: &Terms<'_>,
    ) -> Box<Self> {
        // Whatever ends it but its own end is a reset.
        connection.mid_request = true;
        Box::new(Self {
            connection,
            departure: None,
            relay: Relay::new(websocket),
            idle: terms.timeouts.tunnel_idle,
            response_idle: terms.timeouts.response_body_idle,
            request_idle: terms.timeouts.request_body_idle,
            stall: Stall::default(),
            _lease: lease,
        })
    }

    /// Moves what can be moved between `client` and the endpoint.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut End<'_>,
        going_away: bool,
    ) -> TunnelTurn {
        let connection = &mut *self.connection;
        let mut endpoint = End {
            stream: &mut *connection.stream,
            inbox: &mut connection.inbox,
            outbox: &mut connection.outbox,
            departure: &mut self.departure,
            seats: connection.seat.seats(),
        };
        let turn = self.relay.poll(cx, client, &mut endpoint, going_away);
        let (bytes_in, bytes_out) = (turn.to_endpoint_bytes, turn.to_client_bytes);
        let end = match turn.end {
            Some(Ok(())) => {
                connection.mid_request = false;
                Some(Ok(()))
            }
            Some(Err(Side::Client)) => Some(Err(Code::ClientClosed)),
            Some(Err(Side::Endpoint)) => Some(Err(Code::UpstreamTruncated)),
            None => self.poll_idle(cx, client.stream, bytes_in + bytes_out > 0),
        };
        TunnelTurn { bytes_in, bytes_out, end }
    }

    /// A side that takes what lies in the system for it keeps a tunnel open as
    /// much as one that is written to.
    fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        client: &dyn Transport,
        moved: bool,
    ) -> Option<Result<(), Code>> {
        if moved {
            self.stall.end();
        }
        let one_way = match self.relay.open_towards() {
            Some(Side::Client) => self.response_idle,
            Some(Side::Endpoint) => self.request_idle,
            None => None,
        };
        let idle = one_way.map_or(self.idle, |one_way| one_way.min(self.idle));
        loop {
            let now = Instant::now();
            let due = self.stall.look_due(now, idle);
            if self.connection.clock.poll_until_from(cx, now, due).is_pending() {
                return None;
            }
            let of_endpoint = self.connection.stream.acknowledged();
            let acknowledged = of_endpoint.zip(client.acknowledged()).map(|(a, b)| a + b);
            if self.stall.is_over(Instant::now(), idle, acknowledged) {
                return Some(Err(Code::TunnelIdle));
            }
        }
    }
}
