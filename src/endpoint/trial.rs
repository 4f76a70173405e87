//! The one request that tries an ejected endpoint.

use crate::endpoint::condition::{Change, Condition, Reason};
use crate::endpoint::ejection::Begun;
use crate::endpoint::state::EndpointState;

/// A request that tries whether an endpoint works again. While it lives no other
/// does, unless its client lets it wait or the endpoint was never out but is only
/// suspected: then the next may after a while. Dropping it without a verdict, as
/// when the client leaves, lets the next request try.
#[derive(Debug)]
#[must_use = "a trial that is dropped has no verdict"]
pub struct Trial<'a> {
    endpoint: Option<&'a EndpointState>,
    begun: Begun,
}

impl<'a> Trial<'a> {
    /// Makes the caller's request the trial, if one is due and none is running.
    /// One that lets itself be waited for may be taken over after `lent_ms`.
    pub(super) fn begin(endpoint: &'a EndpointState, now_ms: u64, lent_ms: u64) -> Option<Self> {
        let begun = endpoint.begin_trial(now_ms, lent_ms)?;
        Some(Self { endpoint: Some(endpoint), begun })
    }

    /// Its client owes content, or does so no more.
    pub fn waits_for_client(&self, is_so: bool) {
        if let Some(endpoint) = self.endpoint {
            endpoint.lend_trial(self.begun, is_so);
        }
    }

    /// What the endpoint is with it, if that is news: half open, since its
    /// ejection is over.
    pub fn change(&self) -> Option<Change> {
        let (to, reason) = (Condition::HalfOpen, Reason::EjectionEnded);
        self.begun.is_first().then_some(Change { to, reason })
    }

    /// Hands the trial over to who passes the verdict.
    pub(super) fn into_verdict(mut self) -> Option<&'a EndpointState> {
        self.endpoint.take()
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint {
            endpoint.abandon_trial(self.begun);
        }
    }
}
