//! The endpoints of a route as requests meet them: the choice between them,
//! and how each is spoken to.

use std::ops::Deref;
use std::sync::Arc;

use http::header::HeaderValue;

use crate::config::RouteSettings;
use crate::endpoint::{
    Balance, Choosing, Door, EjectionTerms, EndpointSet, EndpointState, Member, OutlierPolicy,
};
use crate::registry::Endpoint;
use crate::request::RequestHead;
use crate::router::sticky::{Kept, Sticky};
use crate::router::{Makings, Terms};
use crate::upstream::Hop;

/// A set of endpoints with their hops.
#[derive(Debug)]
pub(crate) struct Served {
    set: EndpointSet,
    /// By the endpoint's index; empty if all are plain.
    hops: Box<[Hop]>,
    sticky: Option<Sticky>,
    /// How many requests may wait for an answer, if that is limited.
    door: Option<Arc<Door>>,
}

impl Served {
    /// How the endpoint of this index is spoken to.
    pub(crate) fn hop(&self, index: usize) -> &Hop {
        self.hops.get(index).unwrap_or(&Hop::PLAIN)
    }

    /// What of the requests of its route is let in; `None` lets in all.
    pub(crate) fn door(&self) -> Option<&Door> {
        self.door.as_deref()
    }

    /// The endpoint the request's cookie keeps it with.
    pub(super) fn stay_with(&self, head: &RequestHead) -> Option<Kept> {
        self.sticky.as_ref()?.endpoint(head)
    }

    /// The cookie that keeps the client with an endpoint it was not with.
    pub(super) fn new_cookie(
        &self,
        was_with: Option<Kept>,
        index: usize,
        head: &RequestHead,
    ) -> Option<HeaderValue> {
        let told = was_with.is_some_and(|kept| kept.holds(index));
        let sticky = self.sticky.as_ref().filter(|_| !told)?;
        sticky.cookie(index, head)
    }
}

impl Deref for Served {
    type Target = EndpointSet;

    fn deref(&self) -> &EndpointSet {
        &self.set
    }
}

impl Makings<'_> {
    /// What balances between these endpoints of the route `name` with these
    /// options: its own, if it has some, or the `plain` ones of all that have
    /// not.
    pub(crate) fn set(
        &self,
        name: &Arc<str>,
        endpoints: &[Arc<Endpoint>],
        balance: Balance,
        terms: Option<&Terms>,
        plain: &Terms,
    ) -> Served {
        let route = &terms.unwrap_or(plain).settings;
        let state = |endpoint: &Endpoint| match terms {
            Some(_) => self.endpoints.resolve(endpoint.address()),
            None => self.endpoints.resolve_registered(endpoint.address()),
        };
        let own_zone = route.zone.name.as_deref();
        let members = endpoints.iter().map(|endpoint| Member {
            endpoint: state(endpoint),
            weight: endpoint.weight,
            near: own_zone.is_none_or(|own| endpoint.is_in_zone(own)),
            since_ms: endpoint.since_ms,
        });
        let line = self.endpoints.line(name, route.queue_requests);
        let hops = match terms {
            Some(terms) => self.hops_of_file(endpoints, terms),
            None => self.tls.registered_hops(endpoints),
        };
        let set = EndpointSet::new(members.collect(), choosing(route, balance, self.workers));
        let mut set = set.with_line(line);
        if let Some(check) = &route.health_check {
            let check = check.of_route(&route.host);
            let way = |index| hops.get(index).map_or(0, Hop::way);
            let probed = |(index, state): (usize, &Arc<EndpointState>)| {
                self.probes.resolve(state.address(), way(index), &check)
            };
            let probed = set.endpoints().iter().enumerate().map(probed).collect();
            set = set.with_probes(probed);
        }
        let sticky = route.sticky.as_ref().map(|settings| Sticky::new(settings, &set));
        // At once, so that what is known outlives the table before.
        let door = route.adaptive.terms().map(|terms| self.endpoints.door(name, terms));
        Served { set, hops, sticky, door }
    }

    /// The hops of a route of the file, by the endpoint's index; a name's are
    /// those of all its addresses.
    fn hops_of_file(&self, endpoints: &[Arc<Endpoint>], terms: &Terms) -> Box<[Hop]> {
        let written: Vec<_> = terms.settings.endpoints.iter().map(|own| &own.address).collect();
        if terms.hops.is_empty() || written.iter().all(|own| own.host().is_none()) {
            // In the order of the file, as the endpoints are.
            return terms.hops.clone();
        }
        let hop = |endpoint: &Arc<Endpoint>| {
            let index = self.names.written(&written, endpoint.address());
            index.and_then(|index| terms.hops.get(index)).unwrap_or(&Hop::PLAIN).clone()
        };
        endpoints.iter().map(hop).collect()
    }
}

/// Whether what balances a route with the one's options does so with the
/// other's.
pub(super) fn are_balanced_alike(one: &RouteSettings, other: &RouteSettings) -> bool {
    one.outlier == other.outlier
        && one.adaptive == other.adaptive
        && one.zone == other.zone
        && one.slow_start == other.slow_start
        && one.queue_requests == other.queue_requests
        && one.health_check == other.health_check
}

/// How a route's endpoints are chosen from.
fn choosing(route: &RouteSettings, balance: Balance, workers: usize) -> Choosing {
    // Durations are validated to be far below 2^64 ms.
    let ms = |duration: std::time::Duration| duration.as_millis() as u64;
    let outlier = &route.outlier;
    Choosing {
        balance,
        workers,
        slow_start_ms: ms(route.slow_start),
        enough_percent: route.zone.enough_percent,
        outlier: outlier.enabled.then(|| OutlierPolicy {
            failures_in_a_row: outlier.failures_in_a_row,
            success_percent: outlier.success_percent,
            min_requests: outlier.min_requests,
            window_ms: ms(outlier.window),
            ejection: EjectionTerms {
                base_ms: ms(outlier.ejection),
                max_ms: ms(outlier.ejection_max),
            },
            silence_ms: ms(outlier.silence).max(1),
        }),
    }
}
