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
use super::endpoint::{self, Endpoint};
use super::entry::{self, Entry, with_layer};
use super::tombstones::{Memory, Tombstones};
use super::{Change, Outcome, Registration, Source};
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
        }
    }

    /// Endpoints of all routes; one of several routes counts for each, but for
    /// those of the file.
    pub(crate) fn endpoints(&self) -> usize {
        self.endpoints + self.file_addresses
    }

    /// Makes changes in an order that is right whatever their times are:
    /// nothing of it is late, and nothing that goes is remembered.
    pub(crate) fn without_memory<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        let memory = std::mem::replace(&mut self.bounds.memory, Memory { most: 0, for_ms: 0 });
        let tombstones = std::mem::take(&mut self.tombstones);
        let made = make(self);
        (self.bounds.memory, self.tombstones) = (memory, tombstones);
        made
    }

    /// Makes a change; what became of it.
    pub(crate) fn change(
        &mut self,
        source: Source,
        change: &Change,
        now_ms: u64,
        makings: Makings<'_>,
    ) -> Outcome {
        match change {
            Change::Register(said) => self.register(source, said, now_ms, makings),
            Change::Unregister { host, path, endpoint, instance_id, updated_at_ns } => {
                let top = self.table.get(host, path).cloned();
                let own = top.as_ref().and_then(|top| top.layer(source));
                let at = own.map(|own| own.position(*endpoint));
                let (Some(own), Some(Ok(at))) = (own, at) else {
                    if let Some(time) = updated_at_ns {
                        let who = (source, entry::name(host, path), *endpoint);
                        self.tombstones.bury(who, *time, now_ms, self.bounds.memory);
                    }
                    return Outcome::Unknown;
                };
                let leaving = &own.endpoints[at];
                if let (Some(named), Some(there)) = (instance_id, leaving.instance_id())
                    && **named != *there
                {
                    return Outcome::Unknown;
                }
                if leaving.outdates(*updated_at_ns) {
                    return Outcome::Stale;
                }
                leaving.term.end();
                if let Some(time) = leaving.updated_at_ns().max(*updated_at_ns) {
                    let who = (source, Arc::clone(&own.name), *endpoint);
                    self.tombstones.bury(who, time, now_ms, self.bounds.memory);
                }
                let mut left = own.endpoints.to_vec();
                left.remove(at);
                let next = (!left.is_empty()).then(|| own.with_endpoints(left));
                self.put((host, path), top.as_ref(), source, next, makings);
                Outcome::Removed
            }
            Change::RemoveRoute { host, path } => {
                let top = self.table.get(host, path).cloned();
                let Some(own) = top.as_ref().and_then(|top| top.layer(source)) else {
                    return Outcome::Unknown;
                };
                own.endpoints.iter().for_each(|endpoint| endpoint.term.end());
                self.put((host, path), top.as_ref(), source, None, makings);
                Outcome::Removed
            }
        }
    }

    fn register(
        &mut self,
        source: Source,
        said: &Registration,
        now_ms: u64,
        makings: Makings<'_>,
    ) -> Outcome {
        let top = self.table.get(&said.host, &said.path).cloned();
        let own = top.as_ref().and_then(|top| top.layer(source));
        let mut endpoints = own.map(|own| own.endpoints.to_vec()).unwrap_or_default();
        let balance_is_new = said.balance.is_some()
            && own.is_none_or(|own| own.balance.as_deref() != said.balance.as_ref());
        let outcome = match own.map_or(Err(0), |own| own.position(said.endpoint)) {
            Ok(at) => {
                let known = &endpoints[at];
                if known.outdates(said.updated_at_ns) {
                    return Outcome::Stale;
                }
                let same = !balance_is_new && known.is_said(said);
                if same && known.refresh(said.updated_at_ns, now_ms) {
                    return Outcome::Refreshed;
                }
                known.term.end();
                endpoints[at] = Arc::new(Endpoint::new(said, now_ms, Some(known)));
                Outcome::Updated
            }
            Err(_) if self.has_left_since(source, said, now_ms) => return Outcome::Stale,
            Err(_) if self.endpoints >= self.bounds.endpoints => return Outcome::Full,
            Err(at) => {
                endpoints.insert(at, Arc::new(Endpoint::new(said, now_ms, None)));
                Outcome::Added
            }
        };
        let mut next = match own {
            Some(own) => own.with_endpoints(endpoints),
            None => {
                let name = entry::name(&said.host, &said.path);
                let label = self.label(&name, makings.metrics);
                let mut next = Entry::new(name, label, source);
                next.endpoints = endpoints.into();
                next
            }
        };
        next.empty_since_ms = None;
        if balance_is_new {
            next.balance = said.balance.clone().map(Box::new);
        }
        if said.ttl.is_some() {
            // By the time to live that is kept, or its end would be missed.
            let ttl_ms = u64::from(endpoint::ttl_ms(said.ttl));
            self.schedule(&next, now_ms.saturating_add(ttl_ms));
        }
        self.put((&said.host, &said.path), top.as_ref(), source, Some(next), makings);
        outcome
    }

    /// Whether what is said is older than the word by which the endpoint left.
    pub(super) fn has_left_since(&self, source: Source, said: &Registration, now_ms: u64) -> bool {
        if self.tombstones.len() == 0 || said.updated_at_ns.is_none() {
            return false;
        }
        let name = entry::name(&said.host, &said.path);
        let who = (source, &name, said.endpoint);
        self.tombstones.outdates(who, said.updated_at_ns, now_ms, self.bounds.memory)
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
    fn label(&mut self, name: &Arc<str>, metrics: &Metrics) -> RouteLabel {
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
