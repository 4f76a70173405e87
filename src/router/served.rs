//! The endpoints of a route as requests meet them: the choice between them,
//! and how each is spoken to.

use std::ops::Deref;
use std::sync::Arc;

use crate::endpoint::{Balance, EndpointSet, EndpointState};
use crate::registry::Endpoint;
use crate::router::{Makings, Terms};
use crate::upstream::Hop;

/// A set of endpoints with their hops.
#[derive(Debug)]
pub(crate) struct Served {
    set: EndpointSet,
    /// By the endpoint's index; empty if all are plain.
    hops: Box<[Hop]>,
}

impl Served {
    /// How the endpoint of this index is spoken to.
    pub(crate) fn hop(&self, index: usize) -> &Hop {
        self.hops.get(index).unwrap_or(&Hop::PLAIN)
    }
}

impl Deref for Served {
    type Target = EndpointSet;

    fn deref(&self) -> &EndpointSet {
        &self.set
    }
}

impl Makings<'_> {
    /// What balances between these endpoints of a route with these options, if
    /// it has some of its own.
    pub(crate) fn set(
        &self,
        endpoints: &[Arc<Endpoint>],
        balance: Balance,
        terms: Option<&Terms>,
    ) -> Served {
        let states = endpoints
            .iter()
            .map(|endpoint| (self.endpoints.resolve(endpoint.address()), endpoint.weight))
            .collect();
        let hops = match terms {
            // In the order of the file, as the endpoints are.
            Some(terms) => terms.hops.clone(),
            None => self.tls.registered_hops(endpoints),
        };
        let mut set = EndpointSet::new(states, balance, self.workers);
        if let Some(route) = terms.map(|terms| &terms.settings)
            && let Some(check) = &route.health_check
        {
            let check = check.of_route(&route.host);
            let way = |index| hops.get(index).map_or(0, Hop::way);
            let probed = |(index, state): (usize, &Arc<EndpointState>)| {
                self.probes.resolve(state.address(), way(index), &check)
            };
            let probed = set.endpoints().iter().enumerate().map(probed).collect();
            set = set.with_probes(probed);
        }
        Served { set, hops }
    }
}
