//! The routes of the configuration file in the table: replaced as a whole by
//! a reload, and in nobody else's way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Source;
use super::endpoint::Endpoint;
use super::entry::{self, Entry};
use super::ledger::Ledger;
use crate::endpoint::{Name, ResolvedAddress};
use crate::route::{HostPattern, PathPrefix};
use crate::router::{Makings, Terms};

impl Ledger {
    /// Puts the routes of the file in the place of those it had before. Their
    /// states are made at once: they are few, and lists show them.
    pub(crate) fn set_file(
        &mut self,
        routes: &[(HostPattern, PathPrefix, Arc<Terms>)],
        now_ms: u64,
        makings: Makings<'_>,
    ) {
        let names: Vec<_> = routes.iter().map(|(host, path, _)| entry::name(host, path)).collect();
        let live: Vec<Arc<str>> = self.labelled.iter().cloned().collect();
        let flags = routes.iter().map(|(_, _, terms)| terms.settings.metrics);
        let of_file = names.iter().zip(flags).map(|(name, flag)| (&**name, flag));
        let mut labels = makings
            .metrics
            .assign_routes(of_file.chain(live.iter().map(|name| (&**name, false))))
            .into_iter();
        let before = std::mem::take(&mut self.file);
        let (mut addresses, mut in_use) = (HashSet::new(), Vec::new());
        for ((host, path, terms), (name, label)) in
            routes.iter().zip(names.into_iter().zip(labels.by_ref()))
        {
            let top = self.table.get(host, path).cloned();
            let before = top.as_ref().and_then(|top| top.layer(Source::File));
            let (endpoints, names) = endpoints(terms, before, now_ms, makings);
            addresses.extend(endpoints.iter().map(|endpoint| endpoint.address()));
            in_use.extend(names);
            let mut route = Entry::new(name, label, Source::File);
            route.endpoints = endpoints.into();
            route.terms = Some(Arc::clone(terms));
            route.set(makings);
            self.put((host, path), top.as_ref(), Source::File, Some(route), makings);
            self.file.push((host.clone(), path.clone()));
        }
        self.file_addresses = addresses.len();
        makings.names.attend(in_use);
        for (name, label) in live.into_iter().zip(labels) {
            self.relabel(&name, label);
        }
        let kept: HashSet<_> = self.file.iter().map(|(host, path)| (host, path)).collect();
        let gone: Vec<_> =
            before.into_iter().filter(|(host, path)| !kept.contains(&(host, path))).collect();
        for (host, path) in gone {
            let top = self.table.get(&host, &path).cloned();
            self.put((&host, &path), top.as_ref(), Source::File, None, makings);
        }
    }

    /// Puts the addresses that names have now in the place of those they had.
    /// Whether any are others.
    pub(crate) fn take_up_addresses(
        &mut self,
        routes: &[(HostPattern, PathPrefix, Arc<Terms>)],
        now_ms: u64,
        makings: Makings<'_>,
    ) -> bool {
        let mut changed = false;
        let named =
            |terms: &Terms| terms.settings.endpoints.iter().any(|e| e.address.host().is_some());
        for (host, path, terms) in routes.iter().filter(|(_, _, terms)| named(terms)) {
            let Some(top) = self.table.get(host, path).cloned() else { continue };
            let Some(own) = top.layer(Source::File) else { continue };
            let (endpoints, _) = endpoints(terms, Some(own), now_ms, makings);
            let same = own.endpoints.len() == endpoints.len()
                && own.endpoints.iter().zip(&endpoints).all(|(old, new)| Arc::ptr_eq(old, new));
            if !same {
                let route = own.with_endpoints(endpoints);
                route.set(makings);
                self.put((host, path), Some(&top), Source::File, Some(route), makings);
                changed = true;
            }
        }
        let all = self.file.iter().filter_map(|(host, path)| self.table.get(host, path));
        let of_file = all.filter_map(|top| top.layer(Source::File));
        let addresses: HashSet<_> = of_file
            .flat_map(|own| own.endpoints.iter().map(|endpoint| endpoint.address()))
            .collect();
        self.file_addresses = addresses.len();
        changed
    }
}

/// The endpoints of a route as its settings have them, each name at every
/// address it has now, and the names. One that the route had before, with the
/// same weight, is the same.
fn endpoints(
    terms: &Terms,
    before: Option<&Arc<Entry>>,
    now_ms: u64,
    makings: Makings<'_>,
) -> (Vec<Arc<Endpoint>>, Vec<Arc<Name>>) {
    let written = &terms.settings.endpoints;
    let (addresses, names) = makings.names.expand(written.iter().map(|own| &own.address));
    let known: HashMap<_, _> = before
        .iter()
        .flat_map(|before| before.endpoints.iter())
        .map(|endpoint| ((endpoint.address(), endpoint.weight), endpoint))
        .collect();
    let endpoint = |at: &ResolvedAddress| {
        let own = &written[at.endpoint];
        let (weight, zone) = (own.weight.max(1), own.zone.as_deref());
        let known = known.get(&(at.address, weight)).filter(|known| known.zone() == zone);
        let new = || Arc::new(Endpoint::fixed(at.address, weight, zone, now_ms));
        known.map_or_else(new, |known| Arc::clone(known))
    };
    (addresses.iter().map(endpoint).collect(), names)
}
