//! The routing table: built whole, then only read.
//!
//! Order of a lookup: the exact host, then wildcards from the longest to the
//! shortest, then `*`; within one of them the longest path prefix; if none of
//! its prefixes fits, on to the next. So `*.example.com` with `/` catches what
//! `shop.example.com` with `/api` leaves.
//!
//! A hash map from host to routes, because a million routes are a million hosts
//! with one route each: a lookup is one bucket away from its route, whatever the
//! size, because a bucket holds the host itself (`HostName`). Wildcards are a second map, asked once per label
//! and only for as many labels as its longest name has: neither a table without
//! wildcards nor a host of a hundred labels pays for them.
//!
//! The hasher is the standard library's keyed SipHash with random keys. Hosts
//! come from clients, and in the tables of a platform from its tenants too, who
//! could otherwise register names that collide. The faster hashers do not
//! promise to withstand that, and there is little to save: a whole lookup that
//! hits the cache takes 20 ns, and a large table waits for memory.
//!
//! Nothing outside knows of the maps, so that another structure under the same
//! questions (shards, a persistent map) stays possible.

use std::collections::HashMap;

use thiserror::Error;

use crate::request::HostName;

use super::host_pattern::{HostPattern, Kind};
use super::path_prefix::PathPrefix;
use super::path_routes::PathRoutes;

/// Which `R` a host and a path lead to. Immutable; `R` is whatever a route
/// stands for, and is best kept to a pointer.
#[derive(Debug)]
pub struct RouteTable<R> {
    exact: Hosts<PathRoutes<R>>,
    below: Hosts<PathRoutes<R>>,
    any: Option<PathRoutes<R>>,
    /// Labels of the longest name in `below`; 0 without wildcards.
    most_labels_below: usize,
    len: usize,
}

type Hosts<V> = HashMap<HostName, V>;

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

impl<R> RouteTable<R> {
    /// Builds the table of all these routes; their order makes no difference.
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if one host pattern has the same path prefix twice. If
    /// several do, it is unspecified which is reported.
    pub fn build(
        routes: impl IntoIterator<Item = (HostPattern, PathPrefix, R)>,
    ) -> Result<Self, Duplicate> {
        let mut exact: Hosts<Vec<_>> = HashMap::new();
        let mut below: Hosts<Vec<_>> = HashMap::new();
        let mut any = Vec::new();
        let mut len = 0;
        for (at, (host, path, route)) in routes.into_iter().enumerate() {
            let of_host = match host.0 {
                Kind::Exact(name) => exact.entry(name).or_insert_with(room_for_one),
                Kind::Below(name) => below.entry(name).or_insert_with(room_for_one),
                Kind::Any => &mut any,
            };
            of_host.push((path, at, route));
            len = at + 1;
        }
        let most_labels_below = below.keys().map(|name| labels(name.as_bytes())).max().unwrap_or(0);
        Ok(Self {
            exact: build_hosts(exact, Kind::Exact)?,
            below: build_hosts(below, Kind::Below)?,
            any: if any.is_empty() { None } else { Some(build_paths(any, || Kind::Any)?) },
            most_labels_below,
            len,
        })
    }

    /// The route for a host in lookup form
    /// ([`RequestHost::lookup`](crate::request::RequestHost::lookup)) and a path
    /// in the form for matching
    /// ([`MatchPath::matching`](crate::request::MatchPath::matching)). Allocates
    /// nothing.
    pub fn lookup(&self, host: &str, path: &[u8]) -> Option<&R> {
        self.candidates(host).find_map(|routes| routes.lookup(path))
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
    fn candidates(&self, host: &str) -> impl Iterator<Item = &PathRoutes<R>> {
        let exact = std::iter::once_with(|| self.exact.get(host.as_bytes())).flatten();
        let below = self.names_above(host).filter_map(|name| self.below.get(name));
        exact.chain(below).chain(&self.any)
    }

    /// The names a wildcard for this host can have, the longest first.
    fn names_above<'h>(&self, host: &'h str) -> impl Iterator<Item = &'h [u8]> {
        let host = host.as_bytes();
        let labels_above = if self.below.is_empty() { 0 } else { labels(host) - 1 };
        let too_long = labels_above.saturating_sub(self.most_labels_below);
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
            exact: HashMap::new(),
            below: HashMap::new(),
            any: None,
            most_labels_below: 0,
            len: 0,
        }
    }
}

type Unsorted<R> = Vec<(PathPrefix, usize, R)>;

/// Most hosts have one route, and a vector grows to four at its first push: at a
/// million hosts that is worth a function.
fn room_for_one<R>() -> Unsorted<R> {
    Vec::with_capacity(1)
}

fn build_hosts<R>(
    hosts: Hosts<Unsorted<R>>,
    kind: fn(HostName) -> Kind,
) -> Result<Hosts<PathRoutes<R>>, Duplicate> {
    let mut built = Hosts::with_capacity(hosts.len());
    for (name, routes) in hosts {
        let routes = build_paths(routes, || kind(name.clone()))?;
        built.insert(name, routes);
    }
    Ok(built)
}

fn build_paths<R>(
    routes: Unsorted<R>,
    host: impl FnOnce() -> Kind,
) -> Result<PathRoutes<R>, Duplicate> {
    PathRoutes::build(routes).map_err(|twice| Duplicate {
        host: HostPattern(host()),
        path: twice.path,
        first: twice.first,
        second: twice.second,
    })
}

/// The number of labels of a name.
fn labels(name: &[u8]) -> usize {
    memchr::memchr_iter(b'.', name).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str)]) -> RouteTable<String> {
        try_table(routes).unwrap()
    }

    fn try_table(routes: &[(&str, &str)]) -> Result<RouteTable<String>, Duplicate> {
        RouteTable::build(routes.iter().map(|(host, path)| {
            (host.parse().unwrap(), path.parse().unwrap(), format!("{host}{path}"))
        }))
    }

    fn lookup<'t>(table: &'t RouteTable<String>, host: &str, path: &str) -> Option<&'t str> {
        table.lookup(host, path.as_bytes()).map(String::as_str)
    }

    #[test]
    fn the_exact_host_comes_first_then_the_longest_wildcard_then_any() {
        let table = table(&[
            ("*", "/"),
            ("*.com", "/"),
            ("*.example.com", "/"),
            ("*.eu.example.com", "/"),
            ("shop.example.com", "/"),
        ]);
        for (host, expected) in [
            ("shop.example.com", "shop.example.com/"),
            ("blog.example.com", "*.example.com/"),
            ("a.shop.example.com", "*.example.com/"),
            ("eu.example.com", "*.example.com/"),
            ("a.eu.example.com", "*.eu.example.com/"),
            ("a.b.c.d.eu.example.com", "*.eu.example.com/"),
            ("example.com", "*.com/"),
            ("com", "*/"),
            ("xexample.com", "*.com/"),
            ("example.org", "*/"),
            ("10.0.0.1", "*/"),
            ("[::1]", "*/"),
        ] {
            assert_eq!(lookup(&table, host, "/x"), Some(expected), "{host}");
        }
    }

    #[test]
    fn a_host_without_a_matching_path_falls_through_to_the_next() {
        let table = table(&[
            ("shop.example.com", "/api"),
            ("*.example.com", "/api/v1"),
            ("*.example.com", "/cart"),
            ("*.com", "/"),
            ("*", "/rest"),
        ]);
        for (host, path, expected) in [
            ("shop.example.com", "/api/v1", Some("shop.example.com/api")),
            ("shop.example.com", "/cart/1", Some("*.example.com/cart")),
            ("shop.example.com", "/rest", Some("*.com/")),
            ("blog.example.com", "/api", Some("*.com/")),
            ("example.org", "/rest/x", Some("*/rest")),
            ("example.org", "/", None),
        ] {
            assert_eq!(lookup(&table, host, path), expected, "{host}{path}");
        }
    }

    #[test]
    fn a_wildcard_is_for_hosts_below_its_name_only() {
        let table = table(&[("*.example.com", "/")]);
        for host in ["example.com", "com", "xexample.com", "example.com.org", "a"] {
            assert_eq!(lookup(&table, host, "/"), None, "{host}");
            assert!(!table.has_host(host), "{host}");
        }
        assert!(table.has_host("a.example.com"));
    }

    #[test]
    fn wildcards_are_asked_for_as_many_labels_as_the_longest_has() {
        let host = format!("{}b.example.com", "a.".repeat(100));
        let names = |table: &RouteTable<_>| table.names_above(&host).count();
        assert_eq!(names(&table(&[("example.com", "/"), ("*", "/")])), 0);
        assert_eq!(names(&table(&[("*.com", "/"), ("*.example.com", "/")])), 2);
    }

    #[test]
    fn a_bucket_with_one_route_is_a_cache_line() {
        assert_eq!(size_of::<(HostName, PathRoutes<Box<str>>)>(), 64);
    }

    #[test]
    fn a_host_is_known_even_where_no_path_of_it_matches() {
        let table = table(&[("shop.example.com", "/api")]);
        assert!(table.has_host("shop.example.com"));
        assert_eq!(lookup(&table, "shop.example.com", "/"), None);
    }

    #[test]
    fn two_routes_for_the_same_host_and_path_are_an_error_that_names_both() {
        let routes =
            [("a", "/"), ("b.example", "/x"), ("*.b.example", "/x"), ("B.example.", "/%78/")];
        let duplicate = try_table(&routes).unwrap_err();
        assert_eq!(duplicate.to_string(), "there are two routes for b.example /x");
        assert_eq!((duplicate.first, duplicate.second), (1, 3));
        for host in ["*", "*.a"] {
            assert!(try_table(&[(host, "/"), (host, "/")]).is_err());
        }
    }

    #[test]
    fn iteration_gives_back_every_route() {
        let routes = [("*", "/"), ("*", "/a"), ("*.b", "/"), ("c", "/"), ("c", "/d"), ("e", "/f")];
        let table = table(&routes);
        assert_eq!(table.len(), routes.len());
        let mut seen: Vec<_> = table.iter().map(|(h, p, r)| (format!("{h}{p}"), r)).collect();
        seen.sort();
        assert!(seen.iter().all(|(shown, route)| shown == *route));
        assert_eq!(seen.len(), routes.len());
        seen.dedup();
        assert_eq!(seen.len(), routes.len());
    }

    #[test]
    fn an_empty_table_has_no_route_for_anything() {
        for table in [table(&[]), RouteTable::default()] {
            assert!(table.is_empty());
            assert_eq!(lookup(&table, "a.b", "/"), None);
        }
    }
}
