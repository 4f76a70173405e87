//! What requests tell a set of its endpoints, and what it tells an operator.

use std::sync::Arc;

use crate::endpoint::choice::Asked;
use crate::endpoint::condition::{Change, Condition, Reason, Seen};
use crate::endpoint::ejection::Standing;
use crate::endpoint::set::EndpointSet;
use crate::endpoint::state::{EndpointState, SeenOn};
use crate::endpoint::trial::Trial;

impl EndpointSet {
    /// The condition of an endpoint as an operator sees it; `None` if there is
    /// none of this index.
    pub fn seen(&self, index: usize, now_ms: u64) -> Option<Seen> {
        let endpoint = self.endpoints().get(index)?;
        let probed = self.probed().get(index);
        if let Some(down) = probed.filter(|probed| probed.is_down()) {
            let (_, since_ms) = down.standing();
            let (condition, reason) = (Condition::Down, Reason::Probes);
            return Some(Seen { condition, since_ms, reason, until_ms: None });
        }
        let on = SeenOn {
            slow_start_ms: self.choosing().slow_start_ms,
            brought_back_ms: probed.and_then(|probed| probed.returned_ms()),
            ejection_counts: self.heeds_ejection(index, now_ms),
        };
        Some(endpoint.seen(now_ms, on))
    }

    /// Whether an ejection of this endpoint, on whatever route, counts here: not
    /// where endpoints are not ejected, nor beyond half of them.
    fn heeds_ejection(&self, index: usize, now_ms: u64) -> bool {
        if self.choosing().outlier.is_none() {
            return false;
        }
        let probes_speak = self.probed().iter().any(|probed| !probed.is_down());
        let is_down = |index: usize| {
            probes_speak && self.probed().get(index).is_some_and(|probed| probed.is_down())
        };
        let before = self.endpoints().iter().enumerate().take(index);
        let is_out = |(index, other): &(usize, &Arc<EndpointState>)| {
            !is_down(*index) && other.standing(now_ms) != Standing::In
        };
        before.filter(is_out).count() < self.len() / 2
    }

    /// Notes how a request on an endpoint of this set ended; what the endpoint
    /// is now, if that is news. A trial ends with it.
    pub fn note(
        &self,
        index: usize,
        trial: Option<Trial<'_>>,
        worked: bool,
        asked: &Asked,
    ) -> Option<Change> {
        let policy = self.choosing().outlier.as_ref()?;
        let Asked { worker, now_ms, random, .. } = *asked;
        if let Some(endpoint) = trial.and_then(Trial::into_verdict) {
            return endpoint.end_trial(Some(worked), now_ms, random, policy);
        }
        let endpoint = self.endpoints().get(index)?;
        if worked {
            endpoint.worked(worker, now_ms, policy);
            return None;
        }
        endpoint.failed(worker, now_ms, random, policy, || self.may_eject(now_ms))
    }

    /// Notes that an answer's head came, and its content did not come whole;
    /// what the endpoint is now, if that is news.
    pub fn note_broken_off(&self, index: usize, asked: &Asked) -> Option<Change> {
        let policy = self.choosing().outlier.as_ref()?;
        let Asked { worker, now_ms, random, .. } = *asked;
        let endpoint = self.endpoints().get(index)?;
        endpoint.broke_off(worker, now_ms, random, policy, || self.may_eject(now_ms))
    }

    /// Whether another one may be ejected: never more than half are.
    fn may_eject(&self, now_ms: u64) -> bool {
        let is_out = |other: &&Arc<EndpointState>| other.standing(now_ms) != Standing::In;
        self.endpoints().iter().filter(is_out).count() < self.len() / 2
    }
}
