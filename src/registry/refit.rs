//! Live routes under other options, after a reload.

use std::sync::Arc;

use super::Source;
use super::entry::Entry;
use super::ledger::Ledger;
use crate::router::Makings;

impl Ledger {
    /// Makes anew what balances between the endpoints of the live routes in use,
    /// which have it by the options they had when they were first used. What is
    /// known of the endpoints stays; requests under way end as they began.
    ///
    /// It looks at every route, and copies the few that are in use: to be called
    /// when the options have changed, not for every reload.
    pub(crate) fn refit(&mut self, makings: Makings<'_>) {
        let in_use: Vec<(Arc<Entry>, Source)> = self
            .table
            .values()
            .flat_map(|top| {
                let live = top.layers().filter(|own| own.source != Source::File && own.is_in_use());
                live.map(move |own| (Arc::clone(top), own.source))
            })
            .collect();
        for (seen, source) in in_use {
            let Some((host, path)) = seen.key() else { continue };
            // One before may have put another version of it.
            let top = self.table.get(&host, &path).cloned();
            let own = top.as_ref().and_then(|top| top.layer(source));
            let next = own.map(|own| own.with_endpoints(own.endpoints.to_vec()));
            if let Some(next) = next {
                self.put((&host, &path), top.as_ref(), source, Some(next), makings);
            }
        }
    }
}
