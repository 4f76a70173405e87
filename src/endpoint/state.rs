//! What is known of one endpoint, shared by every route that leads to it.

use std::net::SocketAddr;

use crate::endpoint::in_flight::{InFlight, Lease};
use crate::endpoint::pass_over::PassOver;

/// The state of one address: requests in flight and the pass-over mark. It
/// belongs to the address and outlives tables (see
/// [`EndpointRegistry`](crate::endpoint::EndpointRegistry)).
#[derive(Debug)]
pub struct EndpointState {
    address: SocketAddr,
    pass_over: PassOver,
    in_flight: InFlight,
}

impl EndpointState {
    /// The state of an address nothing is known of, for so many workers.
    pub fn new(address: SocketAddr, workers: usize) -> Self {
        Self { address, pass_over: PassOver::new(), in_flight: InFlight::new(workers) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts a request of this worker as in flight until the lease is dropped.
    pub fn lease(&self, worker: usize) -> Lease {
        self.in_flight.lease(worker)
    }

    /// Requests in flight from all workers, as an operator sees them.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.total()
    }

    /// Requests in flight as this worker sees them when it balances: its own
    /// exactly, the others' as of at most 10 ms ago.
    pub fn in_flight_seen_by(&self, worker: usize, now_ms: u64) -> u64 {
        self.in_flight.seen_by(worker, now_ms)
    }

    /// Notes a failed attempt: all workers pass it over for 5 s from `now_ms`.
    pub fn pass_over(&self, now_ms: u64) {
        self.pass_over.mark(now_ms);
    }

    /// Whether it is passed over at `now_ms`.
    pub fn is_passed_over(&self, now_ms: u64) -> bool {
        self.pass_over.is_marked(now_ms)
    }

    /// For how many milliseconds more it is passed over; `None` if it is not.
    pub fn passed_over_for_ms(&self, now_ms: u64) -> Option<u64> {
        Some(self.pass_over.left_ms(now_ms)).filter(|left| *left > 0)
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_operator_sees_what_is_in_flight_and_how_long_an_endpoint_is_passed_over() {
        let state = EndpointState::new(SocketAddr::from(([192, 0, 2, 1], 80)), 2);
        assert_eq!((state.in_flight(), state.passed_over_for_ms(10)), (0, None));
        let leases = [state.lease(0), state.lease(1)];
        state.pass_over(10);
        assert_eq!((state.in_flight(), state.passed_over_for_ms(11)), (2, Some(4_999)));
        drop(leases);
        assert_eq!((state.in_flight(), state.passed_over_for_ms(5_010)), (0, None));
    }
}
