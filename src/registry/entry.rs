//! What the table leads to: one route of one source, above those of the same
//! host and path that it overrides.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::Source;
use super::calendar::{Look, Tick};
use super::endpoint::Endpoint;
use crate::endpoint::{Balance, Door, EndpointSet};
use crate::route::{HostPattern, PathPrefix};
use crate::router::{Makings, Served, Terms};
use crate::telemetry::metrics::RouteLabel;

/// A route of one source, in one version. A change makes another one; its
/// endpoints are shared between them.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Host and path, as logs and metrics name it; the root is not written.
    pub(crate) name: Arc<str>,
    /// The endpoints, those of a live source sorted by address.
    pub(crate) endpoints: Box<[Arc<Endpoint>]>,
    /// What balances between them, made when the route is first used: a
    /// million routes nobody asks for have no counters for every worker.
    set: OnceLock<Arc<Served>>,
    /// What a live source says of balancing.
    pub(crate) balance: Option<Box<Balance>>,
    /// The file's options for the route; live ones have those of the table.
    pub(crate) terms: Option<Arc<Terms>>,
    /// The route of the source this one overrides.
    pub(crate) below: Option<Arc<Entry>>,
    /// The tick it is entered in the calendar for, 0 for none. What the
    /// calendar has for another tick is void.
    scheduled: AtomicU64,
    /// Since when it has had no endpoint, if they expired.
    pub(crate) empty_since_ms: Option<NonZeroU64>,
    pub(crate) label: RouteLabel,
    pub(crate) source: Source,
}

/// A route's name. Where the host ends shows: it has no slash, and a path
/// begins with one.
pub(crate) fn name(host: &HostPattern, path: &PathPrefix) -> Arc<str> {
    if *path == PathPrefix::ROOT { host.to_string().into() } else { format!("{host}{path}").into() }
}

/// The host and the path of a name; the root is nothing.
pub(crate) fn split(name: &str) -> (&str, &str) {
    name.split_at(name.find('/').unwrap_or(name.len()))
}

/// The host and the path of a name, to be looked for in a table.
pub(crate) fn key(name: &str) -> Option<(HostPattern, PathPrefix)> {
    let (host, path) = split(name);
    Some((host.parse().ok()?, if path.is_empty() { PathPrefix::ROOT } else { path.parse().ok()? }))
}

impl Entry {
    /// A route without endpoints or options.
    pub(crate) fn new(name: Arc<str>, label: RouteLabel, source: Source) -> Self {
        Self {
            name,
            endpoints: Box::default(),
            set: OnceLock::new(),
            balance: None,
            terms: None,
            below: None,
            scheduled: AtomicU64::new(0),
            empty_since_ms: None,
            label,
            source,
        }
    }

    /// Another version with the same endpoints, and so the same state of
    /// balancing.
    pub(crate) fn again(&self) -> Self {
        let set = OnceLock::new();
        if let Some(own) = self.set.get() {
            // It is empty, so this cannot fail.
            let _ = set.set(Arc::clone(own));
        }
        Self { set, ..self.with_endpoints(self.endpoints.to_vec()) }
    }

    /// Another version with other endpoints.
    pub(crate) fn with_endpoints(&self, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self {
            name: Arc::clone(&self.name),
            endpoints: endpoints.into(),
            set: OnceLock::new(),
            balance: self.balance.clone(),
            terms: self.terms.clone(),
            below: self.below.clone(),
            scheduled: AtomicU64::new(self.scheduled.load(Relaxed)),
            empty_since_ms: self.empty_since_ms,
            label: self.label,
            source: self.source,
        }
    }

    /// Its host and path; the root is written.
    pub(crate) fn host_and_path(&self) -> (&str, &str) {
        let (host, path) = split(&self.name);
        (host, if path.is_empty() { "/" } else { path })
    }

    /// Its host and path, to be looked for in a table.
    pub(crate) fn key(&self) -> Option<(HostPattern, PathPrefix)> {
        key(&self.name)
    }

    /// What to look at when something of it is due.
    pub(crate) fn look(&self) -> Look {
        Look { name: Arc::clone(&self.name), source: self.source }
    }

    /// The tick it is entered for.
    pub(crate) fn scheduled(&self) -> Tick {
        self.scheduled.load(Relaxed)
    }

    /// Notes the tick it is entered for. Only the registry does, under its
    /// lock.
    pub(crate) fn set_scheduled(&self, tick: Tick) {
        self.scheduled.store(tick, Relaxed);
    }

    /// The place of an address among the endpoints of a live source, or where
    /// it would be.
    pub(crate) fn position(&self, address: std::net::SocketAddr) -> Result<usize, usize> {
        self.endpoints.binary_search_by(|endpoint| endpoint.address().cmp(&address))
    }

    /// Whether it has been used.
    pub(crate) fn is_in_use(&self) -> bool {
        self.set.get().is_some()
    }

    /// How an endpoint is chosen.
    pub(crate) fn balance(&self) -> Balance {
        match (&self.balance, &self.terms) {
            (Some(said), _) => (**said).clone(),
            (None, Some(terms)) => terms.settings.balance.clone(),
            (None, None) => Balance::RoundRobin,
        }
    }

    /// What balances between its endpoints; made at the first call.
    pub(crate) fn set(&self, makings: Makings<'_>) -> &Served {
        if let Some(set) = self.set.get() {
            return set;
        }
        // Held until it is there, so that who changes the options finds it.
        let plain = makings.plain.lock();
        self.set.get_or_init(|| {
            let (balance, terms) = (self.balance(), self.terms.as_deref());
            Arc::new(makings.set(&self.name, &self.endpoints, balance, terms, &plain))
        })
    }

    /// What balances between its endpoints, if it has been used.
    pub(crate) fn set_in_use(&self) -> Option<&EndpointSet> {
        self.set.get().map(|set| &***set)
    }

    /// What of its requests is let in, if that is limited.
    pub(crate) fn door(&self) -> Option<&Door> {
        self.set.get()?.door()
    }

    /// This route and those it overrides.
    pub(crate) fn layers(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |entry| entry.below.as_ref())
    }

    /// What a source has for this host and path.
    pub(crate) fn layer(self: &Arc<Self>, source: Source) -> Option<&Arc<Self>> {
        self.layers().find(|layer| layer.source == source)
    }
}

/// Replaces what a source has for a host and a path; what is to be in the
/// table then.
///
/// A route whose endpoints have all expired waits only where there is no
/// other: as soon as another source has the route, it goes.
pub(crate) fn with_layer(
    top: Option<&Arc<Entry>>,
    source: Source,
    own: Option<Entry>,
) -> Option<Arc<Entry>> {
    let mut layers: [Option<Arc<Entry>>; Source::ALL.len()] = Default::default();
    for layer in top.iter().flat_map(|top| top.layers()) {
        layers[layer.source as usize] = Some(Arc::clone(layer));
    }
    layers[source as usize] = own.map(Arc::new);
    if layers.iter().flatten().count() > 1 {
        for layer in &mut layers {
            layer.take_if(|layer| layer.empty_since_ms.is_some());
        }
    }
    let mut linked: Option<Arc<Entry>> = None;
    for mut layer in layers.into_iter().rev().flatten() {
        let as_it_was = match (&layer.below, &linked) {
            (Some(own), Some(below)) => Arc::ptr_eq(own, below),
            (own, below) => own.is_none() && below.is_none(),
        };
        if !as_it_was {
            layer = Arc::new(Entry { below: linked, ..layer.again() });
        }
        linked = Some(layer);
    }
    linked
}
