//! One request at an endpoint, from its attempt to the end of its answer.

use crate::endpoint::gate::{Gate, Permit};
use crate::endpoint::in_flight::Counted;

/// One request in flight at an endpoint: counted there and, where the endpoint
/// has a limit, one of those it lets in. Dropping it gives both back, so it is
/// held until the response's body, or the tunnel, has ended (promise 6).
#[derive(Debug)]
#[must_use = "a lease that is dropped no longer counts"]
pub struct Lease {
    counted: Counted,
    permit: Option<Permit>,
}

impl Lease {
    pub(super) fn new(counted: Counted, permit: Option<Permit>) -> Self {
        Self { counted, permit }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let gate = self.counted.end();
        if let (None, Some(gate)) = (&self.permit, gate) {
            // It came before the gate did, which has counted it since.
            drop(Gate::permit_of_earlier(gate));
        }
    }
}
