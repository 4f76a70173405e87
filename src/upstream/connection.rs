//! One HTTP/1 connection to an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::descriptors::Seat;
use crate::guard::{self, Guard};
use crate::telemetry::metrics::{ConnectionState, Side, WorkerMetrics};
use crate::transport::{Inbox, Outbox, Transport};
use crate::upstream::connector::Hop;
use crate::upstream::pool::Place;

/// A connection to an endpoint. It belongs to one exchange at a time, moves by
/// value (boxed) between exchange and pool, and closes when dropped.
pub(crate) struct EndpointConnection {
    pub(crate) stream: Box<dyn Transport>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Clock,
    /// Where the pool keeps it.
    pub(crate) place: Place,
    /// Whether it is for one exchange only.
    solitary: bool,
    /// Whole exchanges it has carried.
    pub(crate) exchanges: u64,
    /// A request was begun and is not yet written whole.
    pub(crate) mid_request: bool,
    state: ConnectionState,
    metrics: Arc<WorkerMetrics>,
    pub(crate) seat: Seat,
}

impl EndpointConnection {
    /// A connection just made, for an exchange.
    pub(crate) fn new(
        stream: Box<dyn Transport>,
        address: SocketAddr,
        hop: &Hop,
        metrics: Arc<WorkerMetrics>,
        seat: Seat,
    ) -> Self {
        let state = ConnectionState::Active;
        metrics.connection_opened(Side::Endpoint, state);
        Self {
            stream,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            clock: Clock::default(),
            place: (address, hop.identity()),
            solitary: hop.send_proxy,
            exchanges: 0,
            mid_request: false,
            state,
            metrics,
            seat,
        }
    }

    /// It goes to an exchange, or to the pool.
    pub(crate) fn enter(&mut self, state: ConnectionState) {
        self.state = state;
        self.metrics.connection_became(Side::Endpoint, state);
    }

    /// Whether another exchange may follow on it: nothing half-written and
    /// nothing unasked-for received.
    pub(crate) fn is_clean(&self) -> bool {
        let silent = self.inbox.bytes.is_empty() || !guard::is_on(Guard::CleanReuse);
        !self.solitary && silent && !self.inbox.ended() && self.outbox.is_empty()
    }
}

impl Drop for EndpointConnection {
    /// A request cut in its content ends in a reset: after a clean close the
    /// endpoint could take what it has for the whole.
    fn drop(&mut self) {
        if self.mid_request {
            self.stream.reset_on_close();
        }
        self.metrics.connection_closed(Side::Endpoint, self.state);
    }
}
