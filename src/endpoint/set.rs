//! The endpoints of one route, and the choice between them.

use std::sync::Arc;

use crate::endpoint::least_requests;
use crate::endpoint::probed::Probed;
use crate::endpoint::round_robin::RoundRobin;
use crate::endpoint::state::EndpointState;
use crate::endpoint::tried::Tried;
use crate::endpoint::weights::Weights;

/// How an endpoint is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, by weight.
    RoundRobin,
    /// The less loaded of two drawn at random.
    LeastRequests,
}

/// The endpoints of one route: immutable, part of a table.
#[derive(Debug)]
pub struct EndpointSet {
    endpoints: Box<[Arc<EndpointState>]>,
    weights: Weights,
    balancer: Balancer,
    /// What probes say of each, in the same order; empty without a check.
    probed: Box<[Arc<Probed>]>,
    workers: usize,
}

#[derive(Debug)]
enum Balancer {
    RoundRobin(RoundRobin),
    LeastRequests,
}

/// A chosen endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Its index in the set, for [`Tried`].
    pub index: usize,
    /// Its state. To keep it beyond the table is to write a reference count that
    /// all workers share; take a [`Lease`](crate::endpoint::Lease) instead.
    pub endpoint: &'a Arc<EndpointState>,
}

impl EndpointSet {
    /// A set of endpoints with their weights (0 counts as 1), chosen from by so
    /// many workers.
    pub fn new(
        endpoints: Vec<(Arc<EndpointState>, u16)>,
        balance: Balance,
        workers: usize,
    ) -> Self {
        let weights = Weights::new(endpoints.iter().map(|(_, weight)| *weight));
        let balancer = match balance {
            Balance::RoundRobin => Balancer::RoundRobin(RoundRobin::new(&weights)),
            Balance::LeastRequests => Balancer::LeastRequests,
        };
        let endpoints = endpoints.into_iter().map(|(endpoint, _)| endpoint).collect();
        Self { endpoints, weights, balancer, probed: Box::default(), workers: workers.max(1) }
    }

    /// The same set under a health check: what probes know of each endpoint, in
    /// the order of their indices.
    ///
    /// # Panics
    /// If there are not as many as endpoints.
    pub fn with_probes(mut self, probed: Vec<Arc<Probed>>) -> Self {
        assert_eq!(probed.len(), self.endpoints.len(), "each endpoint is probed");
        self.probed = probed.into();
        self
    }

    /// What probes know of the endpoints, in the order of their indices; empty
    /// without a health check.
    pub fn probed(&self) -> &[Arc<Probed>] {
        &self.probed
    }

    /// Whether no probe speaks against this endpoint.
    fn is_up(&self, index: usize) -> bool {
        self.probed.get(index).is_none_or(|probed| !probed.is_down())
    }

    /// Whether probes took every endpoint out. Then more likely the check is
    /// wrong than every endpoint ill, and they say nothing.
    fn all_are_down(&self) -> bool {
        !self.probed.is_empty() && self.probed.iter().all(|probed| probed.is_down())
    }

    /// The endpoints, in the order of their indices.
    pub fn endpoints(&self) -> &[Arc<EndpointState>] {
        &self.endpoints
    }

    /// The number of endpoints.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Chooses an endpoint that was not tried; one that is passed over only if
    /// there is no other; one that probes took out only if they took out all.
    /// None if all that are left were tried. It allocates nothing, but for a
    /// first choice on a worker; `random` should be a fresh draw.
    pub fn choose(
        &self,
        worker: usize,
        tried: &Tried,
        now_ms: u64,
        random: u64,
    ) -> Option<Choice<'_>> {
        // Whatever its state, there is nothing to choose.
        if let [only] = &*self.endpoints {
            return (!tried.contains(0)).then_some(Choice { index: 0, endpoint: only });
        }
        if tried.len() >= self.endpoints.len() {
            return None;
        }
        let untried = |index: usize| !tried.contains(index);
        let up = |index: usize| untried(index) && self.is_up(index);
        let well = |index: usize| !self.endpoints[index].is_passed_over(now_ms) && up(index);
        let among = |may_be_chosen: &dyn Fn(usize) -> bool| {
            self.choose_among(worker, now_ms, random, may_be_chosen)
        };
        let index = self
            .choose_among(worker, now_ms, random, well)
            .or_else(|| among(&up))
            .or_else(|| if self.all_are_down() { among(&untried) } else { None })?;
        Some(Choice { index, endpoint: &self.endpoints[index] })
    }

    fn choose_among(
        &self,
        worker: usize,
        now_ms: u64,
        random: u64,
        may_be_chosen: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match &self.balancer {
            Balancer::RoundRobin(round_robin) => {
                round_robin.choose(&self.weights, worker, self.workers, random, may_be_chosen)
            }
            Balancer::LeastRequests => {
                let load = |index: usize| self.endpoints[index].in_flight_seen_by(worker, now_ms);
                least_requests::choose(&self.weights, self.len(), random, may_be_chosen, load)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{HealthCheck, LastProbe, ProbeRegistry, Standing};

    fn set(count: u16, balance: Balance) -> EndpointSet {
        let endpoints = (0..count)
            .map(|port| {
                let address = ([192, 0, 2, 1], port).into();
                (Arc::new(EndpointState::new(address, 2)), 1)
            })
            .collect();
        EndpointSet::new(endpoints, balance, 2)
    }

    fn tried(indices: &[usize]) -> Tried {
        let mut tried = Tried::new();
        indices.iter().for_each(|index| tried.insert(*index));
        tried
    }

    const BOTH: [Balance; 2] = [Balance::RoundRobin, Balance::LeastRequests];

    #[test]
    fn an_endpoint_passed_over_is_chosen_only_if_no_other_is_left() {
        for balance in BOTH {
            let set = set(3, balance);
            set.endpoints()[1].pass_over(1_000);
            set.endpoints()[2].pass_over(1_000);
            for random in 0..20 {
                let index = |tried: &[usize]| {
                    set.choose(0, &self::tried(tried), 1_001, random).map(|choice| choice.index)
                };
                assert_eq!(index(&[]), Some(0));
                assert_eq!(index(&[0, 1]), Some(2));
                assert!(index(&[0]).is_some_and(|index| index > 0));
                assert_eq!(index(&[0, 1, 2]), None);
            }
        }
    }

    #[test]
    fn a_pass_over_ends_after_five_seconds() {
        for balance in BOTH {
            let set = set(2, balance);
            set.endpoints()[1].pass_over(0);
            let seen = |now_ms| {
                (0..20u64).any(|random| {
                    set.choose(0, &Tried::new(), now_ms, random)
                        .is_some_and(|choice| choice.index == 1)
                })
            };
            assert!(!seen(4_999));
            assert!(seen(5_000));
        }
    }

    /// The set under a check, with these endpoints found ill.
    fn probed(set: EndpointSet, down: &[usize]) -> EndpointSet {
        let registry = ProbeRegistry::default();
        let check = HealthCheck::default().of_route("a");
        let probed: Vec<_> =
            set.endpoints().iter().map(|e| registry.resolve(e.address(), 0, &check)).collect();
        for index in down {
            let probe = LastProbe { at_ms: 0, fault: Some("refused".into()) };
            probed[*index].note(probe, Some(Standing::Down));
        }
        set.with_probes(probed)
    }

    #[test]
    fn an_endpoint_that_probes_took_out_is_not_chosen_even_if_the_others_are_passed_over_or_tried()
    {
        for balance in BOTH {
            let set = probed(set(3, balance), &[1]);
            set.endpoints()[0].pass_over(1_000);
            set.endpoints()[2].pass_over(1_000);
            for random in 0..20 {
                let index = |tried: &[usize]| {
                    set.choose(0, &self::tried(tried), 1_001, random).map(|choice| choice.index)
                };
                assert!(index(&[]).is_some_and(|index| index != 1));
                assert_eq!(index(&[0]), Some(2));
                assert_eq!(index(&[0, 2]), None);
            }
        }
    }

    #[test]
    fn if_probes_took_all_out_they_say_nothing() {
        for balance in BOTH {
            let set = probed(set(2, balance), &[0, 1]);
            let mut seen: Vec<_> = (0..20)
                .filter_map(|random| set.choose(0, &Tried::new(), 0, random))
                .map(|choice| choice.index)
                .collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, [0, 1]);
            assert_eq!(set.choose(0, &tried(&[0]), 0, 0).map(|choice| choice.index), Some(1));
        }
    }

    #[test]
    fn a_single_endpoint_is_chosen_until_it_was_tried() {
        let set = set(1, Balance::RoundRobin);
        set.endpoints()[0].pass_over(0);
        assert!(set.choose(0, &Tried::new(), 1, 0).is_some());
        assert!(set.choose(0, &tried(&[0]), 1, 0).is_none());
    }

    #[test]
    fn of_no_endpoints_none_is_chosen() {
        for balance in BOTH {
            let set = set(0, balance);
            assert!(set.is_empty() && set.choose(0, &Tried::new(), 0, 0).is_none());
        }
    }

    #[test]
    fn least_requests_looks_at_what_is_in_flight() {
        let set = set(2, Balance::LeastRequests);
        let _lease = set.endpoints()[0].lease(0);
        for random in 0..50 {
            let choice = set.choose(0, &Tried::new(), 0, random).unwrap();
            assert_eq!(choice.index, 1);
        }
    }
}
