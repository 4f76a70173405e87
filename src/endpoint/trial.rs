//! The one request that tries an ejected endpoint.

use crate::endpoint::condition::{Change, Condition, Reason};
use crate::endpoint::state::EndpointState;

/// A request that tries whether an endpoint works again. While it lives no other
/// does; dropping it without a verdict, as when the client leaves, lets the next
/// request try.
#[derive(Debug)]
#[must_use = "a trial that is dropped has no verdict"]
pub struct Trial<'a> {
    endpoint: Option<&'a EndpointState>,
    /// Whether none was tried before since its ejection.
    is_first: bool,
}

impl<'a> Trial<'a> {
    /// Makes the caller's request the trial, if one is due and none is running.
    pub(super) fn begin(endpoint: &'a EndpointState, now_ms: u64) -> Option<Self> {
        let is_first = endpoint.begin_trial(now_ms)?;
        Some(Self { endpoint: Some(endpoint), is_first })
    }

    /// What the endpoint is with it, if that is news: half open, since its
    /// ejection is over.
    pub fn change(&self) -> Option<Change> {
        let (to, reason) = (Condition::HalfOpen, Reason::EjectionEnded);
        self.is_first.then_some(Change { to, reason })
    }

    /// Hands the trial over to who passes the verdict.
    pub(super) fn into_verdict(mut self) -> Option<&'a EndpointState> {
        self.endpoint.take()
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint {
            endpoint.abandon_trial();
        }
    }
}
