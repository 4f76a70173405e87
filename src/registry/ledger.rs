//! The truth about live routes: what each source has said, and what follows
//! for the table.
//!
//! Pure but for the states and labels it asks for: time is passed in, and
//! whoever calls publishes the table. One at a time, under the lock of
//! [`LiveRoutes`](super::LiveRoutes).

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::calendar::Calendar;
use super::entry::{self, Entry, with_layer};
use super::tombstones::{Memory, Tombstones};
use super::{Registration, Source};
use crate::config::RegistrySettings;
use crate::route::{HostPattern, PathPrefix, RouteTable};
use crate::router::Makings;
use crate::telemetry::metrics::{Metrics, RouteLabel};

/// What a ledger is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How long a route answers `no-endpoint` after its last endpoint expired.
    pub(crate) grace_ms: u64,
    /// Endpoints that live sources may register in all.
    pub(crate) endpoints: usize,
    /// What is remembered of endpoints that left.
    pub(crate) memory: Memory,
}

impl Bounds {
    /// Those of the settings.
    pub(crate) fn of(settings: &RegistrySettings) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let memory = Memory { most: settings.tombstones, for_ms: ms(settings.tombstone_ttl) };
        Self { grace_ms: ms(settings.grace), endpoints: settings.endpoints, memory }
    }
}

/// What all sources have said.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) table: RouteTable<Arc<Entry>>,
    pub(super) calendar: Calendar,
    pub(crate) links: [Link; Source::ALL.len()],
    pub(super) tombstones: Tombstones,
    pub(crate) bounds: Bounds,
    /// Endpoints of live sources.
    pub(super) endpoints: usize,
    /// The names of live routes that have a label of their own in metrics.
    pub(super) labelled: HashSet<Arc<str>>,
    /// The routes of the file.
    pub(super) file: Vec<(HostPattern, PathPrefix)>,
    /// The different addresses in it.
    pub(super) file_addresses: usize,
    /// Endpoints that were put into new versions of routes.
    #[cfg(test)]
    pub(super) copied: usize,
}

/// How a source stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) connected: bool,
    /// When it came back last; 0 if it was never away.
    pub(crate) returned_ms: u64,
}

impl Ledger {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            table: RouteTable::default(),
            calendar: Calendar::default(),
            links: [Link { connected: true, returned_ms: 0 }; Source::ALL.len()],
            tombstones: Tombstones::default(),
            bounds,
            endpoints: 0,
            labelled: HashSet::new(),
            file: Vec::new(),
            file_addresses: 0,
            #[cfg(test)]
            copied: 0,
        }
    }

    /// Endpoints of all routes; one of several routes counts for each, but for
    /// those of the file.
    pub(crate) fn endpoints(&self) -> usize {
        self.endpoints + self.file_addresses
    }

    /// The time of the word by which an endpoint left that is registered again,
    /// if that is remembered.
    pub(super) fn left_at_ns(
        &self,
        source: Source,
        said: &Registration,
        now_ms: u64,
    ) -> Option<i64> {
        if self.tombstones.len() == 0 {
            return None;
        }
        let who = (source, entry::name(&said.host, &said.path), said.endpoint);
        self.tombstones.left_at_ns(&who, now_ms, self.bounds.memory)
    }

    /// Puts a version of a source's route into the table, or takes it out.
    pub(super) fn put(
        &mut self,
        (host, path): (&HostPattern, &PathPrefix),
        top: Option<&Arc<Entry>>,
        source: Source,
        next: Option<Entry>,
        makings: Makings<'_>,
    ) {
        let own = top.and_then(|top| top.layer(source));
        if source != Source::File {
            let before = own.map_or(0, |own| own.endpoints.len());
            self.endpoints =
                self.endpoints + next.as_ref().map_or(0, |n| n.endpoints.len()) - before;
        }
        if let (Some(own), Some(next)) = (own, &next)
            && own.is_in_use()
        {
            // While the old version stands, so that the states it has are
            // found and kept.
            next.set(makings);
        }
        match with_layer(top, source, next) {
            Some(top) => drop(self.table.insert(host.clone(), path.clone(), top)),
            None => {
                let gone = self.table.remove(host, path);
                if let Some(gone) = gone
                    && self.labelled.remove(&gone.name)
                {
                    makings.metrics.retire_route(&gone.name);
                }
            }
        }
    }

    /// The label of a live route.
    pub(super) fn label(&mut self, name: &Arc<str>, metrics: &Metrics) -> RouteLabel {
        let label = metrics.add_route(name);
        if label != RouteLabel::OTHER {
            self.labelled.insert(Arc::clone(name));
        }
        label
    }

    /// The route of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        named(&self.table, name)
    }

    /// Has a route looked at no later than at `due_ms`.
    pub(super) fn schedule(&mut self, route: &Entry, due_ms: u64) {
        let tick = Calendar::tick_of(due_ms);
        if (1..=tick).contains(&route.scheduled()) {
            return;
        }
        route.set_scheduled(tick);
        self.calendar.enter(tick, route.look());
        // What is void stays until its tick comes, unless it is too much.
        if self.calendar.len() > 3 * self.table.len() + 4_096 {
            let table = &self.table;
            let own = tick;
            self.calendar.sweep(|tick, source, name| {
                // The route at hand is not in the table yet.
                let layer = named(table, name).and_then(|top| top.layer(source));
                tick == own && *name == *route.name
                    || layer.is_some_and(|layer| layer.scheduled() == tick)
            });
        }
    }

    /// Gives a live route another label.
    pub(super) fn relabel(&mut self, name: &str, label: RouteLabel) {
        let Some(top) = self.named(name).cloned() else { return };
        if label == RouteLabel::OTHER {
            self.labelled.remove(name);
        }
        if top.layers().all(|layer| layer.label == label) {
            return;
        }
        let Some((host, path)) = top.key() else { return };
        let layers: Vec<_> = top.layers().cloned().collect();
        let mut below = None;
        for layer in layers.into_iter().rev() {
            let mut layer = layer.again();
            (layer.label, layer.below) = (label, below);
            below = Some(Arc::new(layer));
        }
        if let Some(top) = below {
            self.table.insert(host, path, top);
        }
    }

    /// Makes anew what balances these live routes, where they are in use.
    pub(crate) fn remake(&mut self, names: &[Arc<str>], makings: Makings<'_>) {
        for name in names {
            for source in Source::ALL.into_iter().filter(|source| *source != Source::File) {
                let Some(top) = self.named(name).cloned() else { continue };
                let own = top.layer(source).filter(|own| own.is_in_use());
                let (Some(own), Some((host, path))) = (own, top.key()) else { continue };
                let again = own.with_endpoints(own.endpoints.to_vec());
                self.put((&host, &path), Some(&top), source, Some(again), makings);
            }
        }
    }

    /// A moment that counts as one even at the very start.
    pub(super) fn moment(now_ms: u64) -> NonZeroU64 {
        NonZeroU64::new(now_ms).unwrap_or(NonZeroU64::MIN)
    }
}

/// The route of a name in a table.
fn named<'t>(table: &'t RouteTable<Arc<Entry>>, name: &str) -> Option<&'t Arc<Entry>> {
    let (host, path) = entry::split(name);
    table.get_text(host, path)
}
