//! The routing table, in versions: a copy costs nothing, and to change one
//! leaves the others as they were.
//!
//! Order of a lookup: the exact host, then wildcards from the longest to the
//! shortest, then `*`; within one of them the longest path prefix; if none of
//! its prefixes fits, on to the next. So `*.example.com` with `/` catches what
//! `shop.example.com` with `/api` leaves.
//!
//! A map from host to routes, because a million routes are a million hosts
//! with one route each, and they come and go by the thousand: see `trie` for
//! how a change leaves the versions alone that requests hold. A lookup is one
//! leaf away from its route, because a leaf holds the host itself
//! (`HostName`). Wildcards are a second map, asked once per label and only for
//! as many labels as its longest name has: neither a table without wildcards
//! nor a host of a hundred labels pays for them.
//!
//! The hasher is the standard library's keyed SipHash with random keys. Hosts
//! come from clients, and in the tables of a platform from its tenants too, who
//! could otherwise register names that collide. The faster hashers do not
//! promise to withstand that, and there is little to save: a large table waits
//! for memory.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use thiserror::Error;

use crate::request::HostName;

use super::host_pattern::{HostPattern, Kind};
use super::path_prefix::PathPrefix;
use super::path_routes::{PathRoutes, PathSlot};
use super::trie::{Key, Slot, Trie};

/// Which `R` a host and a path lead to. `R` is whatever a route stands for,
/// and is best kept to a pointer.
///
/// A clone is another version: both may be changed, and neither sees the
/// other's changes.
#[derive(Clone, Debug)]
pub struct RouteTable<R> {
    exact: Trie<HostName, PathRoutes<R>>,
    below: Trie<HostName, PathRoutes<R>>,
    any: Option<PathRoutes<R>>,
    /// How many names of `below` have one label, two, and so on.
    labels_below: Arc<Vec<u32>>,
    len: usize,
}

/// Where a route is in one version of a table: by it the route is found again
/// without its host and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    host: HostSlot,
    path: PathSlot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostSlot {
    Exact(Slot),
    Below(Slot),
    Any,
}

/// Two routes with the same host pattern and path prefix, after normalisation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there are two routes for {host} {path}")]
pub struct Duplicate {
    /// Their host pattern.
    pub host: HostPattern,
    /// Their path prefix.
    pub path: PathPrefix,
    /// The place of the first of them in the input, counted from 0.
    pub first: usize,
    /// The place of the second.
    pub second: usize,
}

impl<R: Clone> RouteTable<R> {
    /// Builds the table of all these routes; their order makes no difference.
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if one host pattern has the same path prefix twice.
    pub fn build(
        routes: impl IntoIterator<Item = (HostPattern, PathPrefix, R)>,
    ) -> Result<Self, Duplicate> {
        let mut table = Self::default();
        let hasher = RandomState::new();
        let mut hashes = Vec::new();
        for (second, (host, path, route)) in routes.into_iter().enumerate() {
            let hash = hasher.hash_one((&host, &path));
            if table.get(&host, &path).is_some() {
                // Equal hashes of unequal keys are as good as impossible, and
                // would do no more than name another line.
                let first = hashes.iter().position(|own| *own == hash).unwrap_or(second);
                return Err(Duplicate { host, path, first, second });
            }
            hashes.push(hash);
            table.insert(host, path, route);
        }
        Ok(table)
    }

    /// Sets the route of a host and a path; the one they had. Costs the same
    /// whatever the size of the table; see the type for other versions.
    pub fn insert(&mut self, host: HostPattern, path: PathPrefix, route: R) -> Option<R> {
        let old = match host.0 {
            Kind::Exact(name) => insert(&mut self.exact, name, path, route).0,
            Kind::Below(name) => {
                let labels = labels(name.as_bytes());
                let (old, is_new) = insert(&mut self.below, name, path, route);
                if is_new {
                    let counts = Arc::make_mut(&mut self.labels_below);
                    counts.resize(counts.len().max(labels), 0);
                    counts[labels - 1] += 1;
                }
                old
            }
            Kind::Any => match &mut self.any {
                Some(routes) => routes.insert(path, route),
                None => {
                    self.any = Some(PathRoutes::new(path, route));
                    None
                }
            },
        };
        self.len += usize::from(old.is_none());
        old
    }

    /// Removes the route of a host and a path, and gives it back.
    pub fn remove(&mut self, host: &HostPattern, path: &PathPrefix) -> Option<R> {
        let path = path.as_bytes();
        let removed = match &host.0 {
            Kind::Exact(name) => remove(&mut self.exact, name, path)?.0,
            Kind::Below(name) => {
                let (removed, host_is_gone) = remove(&mut self.below, name, path)?;
                if host_is_gone {
                    let counts = Arc::make_mut(&mut self.labels_below);
                    counts[labels(name.as_bytes()) - 1] -= 1;
                    while counts.pop_if(|count| *count == 0).is_some() {}
                }
                removed
            }
            Kind::Any => {
                let (removed, host_is_gone) = self.any.as_mut()?.remove(path)?;
                if host_is_gone {
                    self.any = None;
                }
                removed
            }
        };
        self.len -= 1;
        Some(removed)
    }
}

impl<R: Clone> RouteTable<R> {
    /// A copy of every route, in no particular order, made as it is asked for.
    pub fn into_values(self) -> impl Iterator<Item = R> {
        let hosts = self.exact.into_values().chain(self.below.into_values()).chain(self.any);
        hosts.flat_map(|routes| {
            let copies = routes.values().cloned();
            copies.collect::<Vec<_>>()
        })
    }
}

impl<R> RouteTable<R> {
    /// The route for a host in lookup form
    /// ([`RequestHost::lookup`](crate::request::RequestHost::lookup)) and a path
    /// in the form for matching
    /// ([`MatchPath::matching`](crate::request::MatchPath::matching)). Allocates
    /// nothing.
    pub fn lookup(&self, host: &str, path: &[u8]) -> Option<&R> {
        self.find(host, path).map(|(_, route)| route)
    }

    /// As [`lookup`](Self::lookup), and where the route is.
    pub fn find(&self, host: &str, path: &[u8]) -> Option<(Place, &R)> {
        self.candidates(host).find_map(|(host, routes)| {
            let (path, route) = routes.lookup(path)?;
            Some((Place { host, path }, route))
        })
    }

    /// The route in a place that this version gave.
    pub fn at(&self, place: Place) -> Option<&R> {
        let routes = match place.host {
            HostSlot::Exact(slot) => self.exact.at(slot)?,
            HostSlot::Below(slot) => self.below.at(slot)?,
            HostSlot::Any => self.any.as_ref()?,
        };
        routes.at(place.path)
    }

    /// The route of just this host pattern and path prefix.
    pub fn get(&self, host: &HostPattern, path: &PathPrefix) -> Option<&R> {
        self.of_host(host)?.get(path.as_bytes())
    }

    /// As [`get`](Self::get), for texts that were not read yet: those that are
    /// not in the form [`HostPattern`] and [`PathPrefix`] are shown in have no
    /// route, but that the root may be written as nothing.
    pub fn get_text(&self, host: &str, path: &str) -> Option<&R> {
        let routes = match host.strip_prefix('*') {
            None => self.exact.get(host.as_bytes())?,
            Some("") => self.any.as_ref()?,
            Some(rest) => self.below.get(rest.strip_prefix('.')?.as_bytes())?,
        };
        routes.get(if path == "/" { b"" } else { path.as_bytes() })
    }

    /// The routes of just this host pattern, sorted by path.
    pub fn routes_of(&self, host: &HostPattern) -> impl Iterator<Item = (PathPrefix, &R)> {
        self.of_host(host).into_iter().flat_map(PathRoutes::iter)
    }

    fn of_host(&self, host: &HostPattern) -> Option<&PathRoutes<R>> {
        match &host.0 {
            Kind::Exact(name) => self.exact.get(name.as_bytes()),
            Kind::Below(name) => self.below.get(name.as_bytes()),
            Kind::Any => self.any.as_ref(),
        }
    }

    /// Whether any route is for this host, given in lookup form, under whatever
    /// path.
    pub fn has_host(&self, host: &str) -> bool {
        self.candidates(host).next().is_some()
    }

    /// The number of routes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every route, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &R> {
        let hosts = self.exact.iter().chain(self.below.iter()).map(|(_, routes)| routes);
        hosts.chain(&self.any).flat_map(PathRoutes::values)
    }

    /// Every route, those of one host pattern together and sorted by path, the
    /// host patterns in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (HostPattern, PathPrefix, &R)> {
        let exact = self.exact.iter().map(|(name, routes)| (Kind::Exact(name.clone()), routes));
        let below = self.below.iter().map(|(name, routes)| (Kind::Below(name.clone()), routes));
        let any = self.any.iter().map(|routes| (Kind::Any, routes));
        exact.chain(below).chain(any).flat_map(|(kind, routes)| {
            routes.iter().map(move |(path, route)| (HostPattern(kind.clone()), path, route))
        })
    }

    /// The routes of every pattern that is for this host, the closest first.
    fn candidates(&self, host: &str) -> impl Iterator<Item = (HostSlot, &PathRoutes<R>)> {
        let exact = std::iter::once_with(|| self.exact.find(host.as_bytes())).flatten();
        let exact = exact.map(|(slot, routes)| (HostSlot::Exact(slot), routes));
        let below = self.names_above(host).filter_map(|name| self.below.find(name));
        let below = below.map(|(slot, routes)| (HostSlot::Below(slot), routes));
        exact.chain(below).chain(self.any.iter().map(|routes| (HostSlot::Any, routes)))
    }

    /// The names a wildcard for this host can have, the longest first.
    fn names_above<'h>(&self, host: &'h str) -> impl Iterator<Item = &'h [u8]> {
        let host = host.as_bytes();
        let labels_above = if self.below.is_empty() { 0 } else { labels(host) - 1 };
        let too_long = labels_above.saturating_sub(self.labels_below.len());
        memchr::memchr_iter(b'.', host)
            .take(labels_above)
            .skip(too_long)
            .map(|dot| &host[dot + 1..])
    }
}

impl<R> Default for RouteTable<R> {
    /// The table without routes.
    fn default() -> Self {
        Self {
            exact: Trie::new(),
            below: Trie::new(),
            any: None,
            labels_below: Arc::default(),
            len: 0,
        }
    }
}

type Hosts<R> = Trie<HostName, PathRoutes<R>>;

/// The route that was there, and whether the host is new.
fn insert<R: Clone>(
    hosts: &mut Hosts<R>,
    name: HostName,
    path: PathPrefix,
    route: R,
) -> (Option<R>, bool) {
    if let Some(routes) = hosts.get_mut(name.as_bytes()) {
        return (routes.insert(path, route), false);
    }
    hosts.insert(name, PathRoutes::new(path, route));
    (None, true)
}

/// The route that was there, and whether its host is gone with it.
fn remove<R: Clone>(hosts: &mut Hosts<R>, name: &HostName, path: &[u8]) -> Option<(R, bool)> {
    hosts.get(name.as_bytes())?.get(path)?;
    let (removed, host_is_gone) = hosts.get_mut(name.as_bytes())?.remove(path)?;
    if host_is_gone {
        hosts.remove(name.as_bytes());
    }
    Some((removed, host_is_gone))
}

impl Key for HostName {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The number of labels of a name.
fn labels(name: &[u8]) -> usize {
    memchr::memchr_iter(b'.', name).count() + 1
}

#[cfg(test)]
mod tests;
