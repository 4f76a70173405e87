//! Everything a request needs to know of the configuration, as one immutable
//! value: requests pin it, reloads replace it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use crate::attempt::{HeadPolicy, PolicyError, Via};
use crate::config::{RouteSettings, Settings, Timeouts};
use crate::endpoint::{EndpointRegistry, NameRegistry, ProbeRegistry, ResolvedAddress};
use crate::error::{Code, RouterError};
use crate::listen::tls::{ListenerTls, TlsFacts};
use crate::registry::{Entries, Entry};
use crate::respond::fields::ResponsePolicy;
use crate::route::{Duplicate, HostPattern, InvalidHostPattern, InvalidPathPrefix};
use crate::route::{PathPrefix, Place, RouteTable};
use crate::router::tls::{TlsFault, TlsState};
use crate::router::{Served, served};
use crate::sync::Mutex;
use crate::telemetry::metrics::{Metrics, RouteLabel};
use crate::tls::Stamps;
use crate::upstream::{Hop, RegisteredTls};

/// One route, ready to serve: what is its own, and by [`Deref`] its options.
#[derive(Clone, Copy)]
pub(crate) struct Route<'s> {
    /// Host and path, as logs and metrics name it.
    pub(crate) name: &'s Arc<str>,
    pub(crate) label: RouteLabel,
    entry: &'s Entry,
    terms: &'s Terms,
}

/// The options of a route. One of the file has its own; live routes, of which
/// there may be a million, share one.
#[derive(Debug)]
pub(crate) struct Terms {
    /// How each endpoint is spoken to, by its index; empty if all are plain.
    pub(super) hops: Box<[Hop]>,
    pub(crate) request: HeadPolicy,
    pub(crate) response: ResponsePolicy,
    pub(crate) timeouts: Timeouts,
    /// The settings they were made of.
    pub(crate) settings: RouteSettings,
}

/// A route of one snapshot. What outlives a borrow of the snapshot keeps this
/// and the pin: a count of its own per route would be one that workers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteId(Place);

/// Settings and routes, in force together.
pub(crate) struct Snapshot {
    pub(crate) settings: Arc<Settings>,
    /// The options of live routes.
    plain: Arc<Terms>,
    of_file: FileRoutes,
    table: Entries,
    pub(crate) via: Option<Via>,
    listeners: ListenersTls,
    tls_files: Arc<Stamps>,
}

/// TLS of each listener.
type ListenersTls = Arc<[Option<Arc<ListenerTls>>]>;

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
    /// What TLS is made of cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsFault),
    /// `via` or `node_id` is no token.
    #[error("headers.via and headers.node_id must be tokens (RFC 9110 section 5.6.2)")]
    Via,
}

/// What outlives every snapshot, and routes are made of.
#[derive(Clone, Copy)]
pub(crate) struct Makings<'a> {
    pub(crate) endpoints: &'a EndpointRegistry,
    pub(crate) probes: &'a ProbeRegistry,
    pub(crate) names: &'a NameRegistry,
    pub(crate) metrics: &'a Metrics,
    pub(crate) tls: &'a TlsState,
    pub(crate) workers: usize,
    /// The options of routes that have none of their own; held while a set is
    /// made.
    pub(crate) plain: &'a Mutex<Arc<Terms>>,
}

/// Settings that can be put in force, with all that can be found wrong with
/// them found.
pub(crate) struct Draft {
    pub(crate) settings: Arc<Settings>,
    pub(crate) via: Option<Via>,
    listeners: ListenersTls,
    tls_files: Arc<Stamps>,
    pub(super) plain: Arc<Terms>,
    /// How registered endpoints are verified.
    registered_tls: RegisteredTls,
    /// The routes of the file, in its order.
    pub(crate) routes: FileRoutes,
}

/// The routes of a file with their options.
pub(crate) type FileRoutes = Arc<[(HostPattern, PathPrefix, Arc<Terms>)]>;

/// Puts the limits in force of how many requests endpoints take at a time; a
/// name's limit is that of each of its addresses.
pub(crate) fn enforce_limits(settings: &Settings, makings: Makings<'_>) {
    let mut limits: Vec<(SocketAddr, Option<u64>)> = Vec::new();
    for route in &settings.routes {
        let (addresses, _) = makings.names.expand(route.endpoints.iter().map(|own| &own.address));
        let limit = |at: &ResolvedAddress| (at.address, route.endpoints[at.endpoint].max_requests);
        limits.extend(addresses.iter().map(limit));
    }
    makings.endpoints.enforce(limits.into_iter(), settings.registry.max_requests);
}

impl Draft {
    /// Checks settings; `node` is this node's name unless they have one.
    ///
    /// # Errors
    /// Settings that validation lets through never fail here; settings made by
    /// hand can.
    pub(crate) fn new(
        settings: Arc<Settings>,
        node: &str,
        tls: &TlsState,
    ) -> Result<Self, SnapshotError> {
        let headers = &settings.headers;
        let via = match &headers.via {
            None => None,
            Some(pseudonym) => {
                let node = headers.node_id.as_deref().unwrap_or(node);
                Some(Via::new(pseudonym, node).ok_or(SnapshotError::Via)?)
            }
        };
        let tls_files = Arc::new(Stamps::of(&settings));
        let listeners = tls.listeners(&settings)?.into();
        let registered_tls =
            RegisteredTls::read(settings.registry.tls.as_ref()).map_err(TlsFault::from)?;
        let mut met = HashMap::new();
        let mut routes = Vec::with_capacity(settings.routes.len());
        for route in &settings.routes {
            let host: HostPattern =
                route.host.parse().map_err(|e| SnapshotError::Host(name(route), e))?;
            let path: PathPrefix =
                route.path.parse().map_err(|e| SnapshotError::Path(name(route), e))?;
            let hops = tls.hops(route, &mut met)?;
            routes.push((host, path, Arc::new(Terms::new(route, hops, &settings, &via)?)));
        }
        RouteTable::build(routes.iter().map(|(host, path, _)| (host.clone(), path.clone(), ())))?;
        let plain = RouteSettings::plain(&settings);
        let plain = Terms::new(&plain, Box::default(), &settings, &via)?;
        drop(met);
        let (plain, routes) = (Arc::new(plain), routes.into());
        Ok(Self { via, listeners, tls_files, plain, registered_tls, routes, settings })
    }

    /// Makes what live routes are used with from now on so. Whether those in
    /// use are to be made anew for it.
    pub(crate) fn make_live_so(&self, makings: Makings<'_>) -> bool {
        // Under one lock, which who makes a set holds, too: each set is made
        // after this, or is found by those who look for it then.
        let mut plain = makings.plain.lock();
        let other_tls = makings.tls.identities.set_registered(self.registered_tls.clone());
        let same = served::are_balanced_alike(&plain.settings, &self.plain.settings);
        *plain = Arc::clone(&self.plain);
        other_tls || !same
    }

    /// See [`enforce_limits`].
    pub(crate) fn enforce_limits(&self, makings: Makings<'_>) {
        enforce_limits(&self.settings, makings);
    }

    /// The snapshot with these routes, of the file and live.
    pub(crate) fn with(self, table: Entries) -> Snapshot {
        let Self { settings, via, listeners, tls_files, plain, routes: of_file, .. } = self;
        Snapshot { settings, plain, of_file, table, via, listeners, tls_files }
    }
}

impl Snapshot {
    /// The same settings with other routes.
    pub(crate) fn with(&self, table: Entries) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            plain: Arc::clone(&self.plain),
            of_file: Arc::clone(&self.of_file),
            table,
            via: self.via.clone(),
            listeners: Arc::clone(&self.listeners),
            tls_files: Arc::clone(&self.tls_files),
        }
    }

    /// The route for a host and a path, both in their forms for lookup.
    pub(crate) fn lookup(&self, host: &str, path: &[u8]) -> Option<RouteId> {
        self.table.find(host, path).map(|(place, _)| RouteId(place))
    }

    /// Whether any route is for this host.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.table.has_host(host)
    }

    /// TLS of the listener of this index.
    pub(crate) fn listener_tls(&self, index: usize) -> Option<&Arc<ListenerTls>> {
        self.listeners.get(index)?.as_ref()
    }

    /// What the files that TLS is made of were just before they were read.
    pub(crate) fn tls_files(&self) -> &Arc<Stamps> {
        &self.tls_files
    }

    /// Whether requests for `host` may come on a client's connection.
    pub(crate) fn takes(&self, tls: &TlsFacts, host: &str) -> bool {
        self.listener_tls(tls.listener()).is_some_and(|now| tls.is_for(host, now))
    }

    /// Whether no request for the host that a client's connection was made for
    /// may come on it any more.
    pub(crate) fn outlived(&self, tls: &TlsFacts) -> bool {
        self.listener_tls(tls.listener()).is_none_or(|now| tls.is_stale(now))
    }

    /// A route by the id this snapshot gave.
    pub(crate) fn route(&self, id: RouteId) -> Route<'_> {
        let entry = self.table.at(id.0).expect("only this snapshot's ids are asked for");
        self.route_of(entry)
    }

    /// Every route, in no particular order.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route<'_>> {
        self.table.values().map(|entry| self.route_of(entry))
    }

    /// The routes of the file, in its order: no other source overrides them.
    pub(crate) fn of_file(&self) -> impl Iterator<Item = Route<'_>> {
        let entries = self.of_file.iter().filter_map(|(host, path, _)| self.table.get(host, path));
        entries.map(|entry| self.route_of(entry))
    }

    /// Whether live routes in use are probed.
    pub(crate) fn checks_live_routes(&self) -> bool {
        self.plain.settings.health_check.is_some()
    }

    /// The same as they were put in.
    pub(crate) fn file_routes(&self) -> &FileRoutes {
        &self.of_file
    }

    /// The routes of one host pattern, sorted by path.
    pub(crate) fn routes_of(&self, host: &HostPattern) -> impl Iterator<Item = Route<'_>> {
        self.table.routes_of(host).map(|(_, entry)| self.route_of(entry))
    }

    /// The number of routes.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// What stands in the table, with the routes that are overridden.
    pub(crate) fn entries(&self) -> &Entries {
        &self.table
    }

    fn route_of<'s>(&'s self, entry: &'s Arc<Entry>) -> Route<'s> {
        let terms = entry.terms.as_ref().unwrap_or(&self.plain);
        Route { name: &entry.name, label: entry.label, entry, terms }
    }
}

impl<'s> Route<'s> {
    /// What stands in the table for it.
    pub(crate) fn entry(&self) -> &'s Entry {
        self.entry
    }

    /// Why it has no endpoint, if that is for want of its names' addresses.
    pub(crate) fn unresolved(&self, names: &NameRegistry) -> Option<RouterError> {
        let mut hosts = self.settings.endpoints.iter().filter_map(|e| e.address.host());
        // Not the name itself: the answer may go to anybody.
        let fault = hosts.find_map(|host| names.resolve(host).why_empty())?;
        let code = if fault.timed_out { Code::DnsTimeout } else { Code::DnsFailed };
        Some(RouterError::new(code, fault.detail))
    }

    /// Its endpoints, and the choice between them; made when first asked for.
    pub(crate) fn endpoints(&self, makings: Makings<'_>) -> &'s Served {
        self.entry.set(makings)
    }
}

impl Deref for Route<'_> {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        self.terms
    }
}

/// `shop.example.com/api`; the root path is not written.
fn name(route: &RouteSettings) -> String {
    let path = if route.path == "/" { "" } else { &route.path };
    format!("{}{path}", route.host)
}

impl Terms {
    fn new(
        route: &RouteSettings,
        hops: Box<[Hop]>,
        settings: &Settings,
        via: &Option<Via>,
    ) -> Result<Self, SnapshotError> {
        let refused = |error| SnapshotError::Policy(name(route), error);
        let headers = &settings.headers;
        let id = headers.request_id.clone();
        let edits = route.request_headers.clone();
        let request =
            HeadPolicy::new(headers.forwarded, id.clone(), via.clone(), edits).map_err(refused)?;
        let response = ResponsePolicy::new(id, route.response_headers.clone()).map_err(refused)?;
        let (timeouts, settings) = (route.timeouts.clone(), route.clone());
        Ok(Self { hops, request, response, timeouts, settings })
    }
}
