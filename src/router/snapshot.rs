//! Everything a request needs to know of the configuration, as one immutable
//! value: requests pin it, reloads replace it.

use std::sync::Arc;

use crate::attempt::{HeadPolicy, PolicyError, Via};
use crate::config::{RouteSettings, Settings, Timeouts};
use crate::endpoint::{EndpointRegistry, EndpointSet, EndpointState, ProbeRegistry};
use crate::respond::fields::ResponsePolicy;
use crate::route::{Duplicate, HostPattern, InvalidHostPattern, InvalidPathPrefix};
use crate::route::{PathPrefix, RouteTable};
use crate::telemetry::metrics::{Metrics, RouteLabel};

/// One route, ready to serve.
pub(crate) struct Route {
    /// Host and path, as logs and metrics name it.
    pub(crate) name: Arc<str>,
    pub(crate) label: RouteLabel,
    pub(crate) endpoints: EndpointSet,
    pub(crate) request: HeadPolicy,
    pub(crate) response: ResponsePolicy,
    pub(crate) timeouts: Timeouts,
    /// The settings it was made of.
    pub(crate) settings: RouteSettings,
}

/// A route of one snapshot. What outlives a borrow of the snapshot keeps this
/// and the pin: a count of its own per route would be one that workers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteId(u32);

/// Settings and routes, in force together.
pub(crate) struct Snapshot {
    pub(crate) settings: Arc<Settings>,
    table: RouteTable<RouteId>,
    routes: Vec<Route>,
    pub(crate) via: Option<Via>,
}

/// Why settings cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A host that is no pattern.
    #[error("route {0:?}: {1}")]
    Host(String, InvalidHostPattern),
    /// A path that is no prefix.
    #[error("route {0:?}: {1}")]
    Path(String, InvalidPathPrefix),
    /// An edit of a field that is the router's.
    #[error("route {0:?}: {1}")]
    Policy(String, PolicyError),
    /// Two routes with one host and path.
    #[error("{0}")]
    Duplicate(#[from] Duplicate),
    /// `via` or `node_id` is no token.
    #[error("headers.via and headers.node_id must be tokens (RFC 9110 section 5.6.2)")]
    Via,
}

/// What outlives every snapshot and is needed to make one.
pub(crate) struct Makings<'a> {
    pub(crate) endpoints: &'a EndpointRegistry,
    pub(crate) probes: &'a ProbeRegistry,
    pub(crate) metrics: &'a Metrics,
    pub(crate) workers: usize,
    /// This node's name unless the settings have one.
    pub(crate) node: &'a str,
}

impl Snapshot {
    /// Makes a snapshot; on an error nothing of it is in force anywhere.
    ///
    /// # Errors
    /// Settings that validation lets through never fail here; settings made by
    /// hand can.
    pub(crate) fn new(
        settings: Arc<Settings>,
        makings: &Makings<'_>,
    ) -> Result<Self, SnapshotError> {
        let headers = &settings.headers;
        let via = match &headers.via {
            None => None,
            Some(pseudonym) => {
                let node = headers.node_id.as_deref().unwrap_or(makings.node);
                Some(Via::new(pseudonym, node).ok_or(SnapshotError::Via)?)
            }
        };
        let names: Vec<(Arc<str>, bool)> =
            settings.routes.iter().map(|route| (name(route), route.metrics)).collect();
        let labels = makings.metrics.assign_routes(names.iter().map(|(n, shown)| (n, *shown)));
        let mut routes = Vec::with_capacity(settings.routes.len());
        let mut places = Vec::with_capacity(settings.routes.len());
        for ((route, (name, _)), label) in settings.routes.iter().zip(names).zip(labels) {
            let host: HostPattern =
                route.host.parse().map_err(|e| SnapshotError::Host(name.to_string(), e))?;
            let path: PathPrefix =
                route.path.parse().map_err(|e| SnapshotError::Path(name.to_string(), e))?;
            places.push((host, path, RouteId(places.len() as u32)));
            routes.push(Route::new(route, name, label, &settings, &via, makings)?);
        }
        let table = RouteTable::build(places)?;
        Ok(Self { settings, table, routes, via })
    }

    /// The route for a host and a path, both in their forms for lookup.
    pub(crate) fn lookup(&self, host: &str, path: &[u8]) -> Option<RouteId> {
        self.table.lookup(host, path).copied()
    }

    /// Whether any route is for this host.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.table.has_host(host)
    }

    /// A route by the id this snapshot gave.
    pub(crate) fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.0 as usize]
    }

    /// Every route, in the order of the configuration.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }
}

/// `shop.example.com/api`; the root path is not written.
fn name(route: &RouteSettings) -> Arc<str> {
    let path = if route.path == "/" { "" } else { &route.path };
    format!("{}{path}", route.host).into()
}

impl Route {
    fn new(
        route: &RouteSettings,
        name: Arc<str>,
        label: RouteLabel,
        settings: &Settings,
        via: &Option<Via>,
        makings: &Makings<'_>,
    ) -> Result<Self, SnapshotError> {
        let refused = |error| SnapshotError::Policy(name.to_string(), error);
        let headers = &settings.headers;
        let id = headers.request_id.clone();
        let edits = route.request_headers.clone();
        let request =
            HeadPolicy::new(headers.forwarded, id.clone(), via.clone(), edits).map_err(refused)?;
        let response = ResponsePolicy::new(id, route.response_headers.clone()).map_err(refused)?;
        let endpoints = route
            .endpoints
            .iter()
            .map(|endpoint| (makings.endpoints.resolve(endpoint.address), endpoint.weight))
            .collect();
        let mut endpoints = EndpointSet::new(endpoints, route.balance.clone(), makings.workers);
        if let Some(check) = &route.health_check {
            let check = check.of_route(&route.host);
            let probed =
                |state: &Arc<EndpointState>| makings.probes.resolve(state.address(), &check);
            let probed = endpoints.endpoints().iter().map(probed).collect();
            endpoints = endpoints.with_probes(probed);
        }
        Ok(Self {
            endpoints,
            request,
            response,
            timeouts: route.timeouts.clone(),
            settings: route.clone(),
            name,
            label,
        })
    }
}
