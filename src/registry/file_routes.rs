//! The routes of the configuration file in the table: replaced as a whole by
//! a reload, and in nobody else's way.

use std::collections::HashSet;
use std::sync::Arc;

use super::Source;
use super::endpoint::Endpoint;
use super::entry::{self, Entry};
use super::ledger::Ledger;
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
        let settings = routes.iter().flat_map(|(_, _, terms)| &terms.settings.endpoints);
        let addresses: HashSet<_> = settings.map(|endpoint| endpoint.address).collect();
        self.file_addresses = addresses.len();
        for ((host, path, terms), (name, label)) in
            routes.iter().zip(names.into_iter().zip(labels.by_ref()))
        {
            let settings = terms.settings.endpoints.iter();
            let endpoints = settings
                .map(|own| {
                    Arc::new(Endpoint::fixed(own.address, own.weight, own.zone.as_deref(), now_ms))
                })
                .collect();
            let mut route = Entry::new(name, label, Source::File);
            route.endpoints = endpoints;
            route.terms = Some(Arc::clone(terms));
            route.set(makings);
            let top = self.table.get(host, path).cloned();
            self.put((host, path), top.as_ref(), Source::File, Some(route), makings);
            self.file.push((host.clone(), path.clone()));
        }
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
}
