//! The handle by which live sources say what is routed where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::draft::Made;
use super::entry::Entry;
use super::ledger::Ledger;
use super::{Change, Heard, Order, Outcome, Registration, Source};
use crate::route::{HostPattern, PathPrefix, RouteTable};
use crate::router::{Shared, Snapshot};

/// The live routes of a router. Clones are the same routes.
///
/// Calls are short and never wait for the network or the disk, but for each
/// other: changes are made one call at a time, refreshes side by side. Time is
/// passed in, and is that of the router's clock.
#[derive(Clone)]
pub struct LiveRoutes {
    shared: Arc<Shared>,
}

/// What is told of changes; see [`LiveRoutes::journal`].
pub(crate) type Journal = Box<dyn FnMut(Source, &[Change], u64) + Send>;

/// Why changes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A source says so.
    Said,
    /// Somebody else has kept it.
    Imported,
    /// The snapshot has it, in the order in which it was made.
    Restored,
}

/// What the handles share.
pub(crate) struct Live {
    pub(crate) ledger: Ledger,
    version: u64,
    journal: Option<Journal>,
}

impl Live {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, version: 0, journal: None }
    }
}

impl LiveRoutes {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Makes the changes of a source, in their order and as one new table.
    /// Says of each what became of it.
    ///
    /// On the return they are in force: every request that begins later, on
    /// whatever worker, goes by them; those under way end as they began.
    pub fn apply(&self, source: Source, changes: Vec<Change>, now: Instant) -> Vec<Outcome> {
        self.heard_from(source, now);
        self.make(source, changes, now, Why::Said)
    }

    /// Takes up what was saved of a source, as [`apply`](Self::apply), but
    /// without writing it to the journal. Times to live begin now. Gives the
    /// number of endpoints that were taken.
    pub fn import(
        &self,
        source: Source,
        registrations: impl IntoIterator<Item = Registration>,
        now: Instant,
    ) -> usize {
        self.heard_from(source, now);
        let changes = registrations.into_iter().map(Change::Register).collect();
        let outcomes = self.make(source, changes, now, Why::Imported);
        outcomes.into_iter().filter(|outcome| outcome.is_change()).count()
    }

    /// Makes changes that a snapshot had, as [`apply`](Self::apply), but nobody
    /// was heard, nothing is written to the journal, and nothing is in force
    /// before [`restored`](Self::restored): a table for each piece of a million
    /// routes would have most of it copied for each.
    pub(crate) fn restore(&self, source: Source, changes: &[Change], now: Instant) {
        let mut live = self.shared.live.lock();
        self.change(&mut live, source, changes, now, Why::Restored);
    }

    /// Puts in force what was restored.
    pub(crate) fn restored(&self) {
        self.publish(&mut self.shared.live.lock());
    }

    /// Makes the changes as [`apply`](Self::apply), or none of them if not all
    /// find room among the endpoints that may be registered: then it is `None`,
    /// and not one of them was in force for a moment or confirmed anything.
    pub(crate) fn apply_wholly(
        &self,
        source: Source,
        changes: Vec<Change>,
        now: Instant,
    ) -> Option<Vec<Outcome>> {
        self.heard_from(source, now);
        let mut live = self.shared.live.lock();
        if !live.ledger.has_room(source, &changes, self.shared.now_ms(now)) {
            return None;
        }
        Some(self.make_under(&mut live, source, changes, now, Why::Said))
    }

    fn change(
        &self,
        live: &mut Live,
        source: Source,
        changes: &[Change],
        now: Instant,
        why: Why,
    ) -> Made {
        let (now_ms, makings) = (self.shared.now_ms(now), self.shared.makings());
        let order = match why {
            Why::Said | Why::Imported => Order::Heard,
            Why::Restored => Order::Made,
        };
        live.ledger.make(source, changes, order, now_ms, makings)
    }

    fn make(&self, source: Source, changes: Vec<Change>, now: Instant, why: Why) -> Vec<Outcome> {
        self.make_under(&mut self.shared.live.lock(), source, changes, now, why)
    }

    fn make_under(
        &self,
        live: &mut Live,
        source: Source,
        changes: Vec<Change>,
        now: Instant,
        why: Why,
    ) -> Vec<Outcome> {
        let Made { outcomes, times, left } = self.change(live, source, &changes, now, why);
        if outcomes.iter().any(|outcome| outcome.is_change()) {
            self.publish(live);
        }
        if why == Why::Said {
            let mut changes = changes;
            for (index, time) in times {
                changes[index].set_time(time);
            }
            let mut left = left.into_iter().peekable();
            let mut told = Vec::with_capacity(changes.len());
            for (index, (change, outcome)) in changes.into_iter().zip(&outcomes).enumerate() {
                while let Some((_, leaving)) = left.next_if(|(of, _)| *of == index) {
                    told.push(leaving);
                }
                if is_told(&change, *outcome) {
                    told.push(change);
                }
            }
            if !told.is_empty() {
                live.tell(source, &told);
            }
        }
        outcomes
    }

    /// Confirms what is known: if a source has just this endpoint on just this
    /// route, its time to live begins anew, and that is all: it is
    /// [`Outcome::Refreshed`], or [`Outcome::Stale`] if the last word on the
    /// endpoint is later. `None` if anything is new; then
    /// [`apply`](Self::apply) it.
    ///
    /// The bulk of what sources say goes this way: it allocates nothing, waits
    /// for nobody and leaves the table alone. Host and path are texts as
    /// received; in another than their usual form they are not known.
    pub fn refresh(
        &self,
        source: Source,
        host: &str,
        path: &str,
        heard: &Heard<'_>,
        tags: &[(&str, &str)],
        now: Instant,
    ) -> Option<Outcome> {
        let snapshot = self.shared.snapshots.current();
        let own = snapshot.entries().get_text(host, path)?.layer(source)?;
        let known = &own.endpoints[own.position(heard.endpoint).ok()?];
        if known.outdates(heard.updated_at_ns) {
            return Some(Outcome::Stale);
        }
        let same_balance = heard.balance.is_none() || heard.balance == own.balance.as_deref();
        let refreshed = same_balance
            && known.is(heard, tags)
            && known.refresh(heard.updated_at_ns, self.shared.now_ms(now));
        refreshed.then_some(Outcome::Refreshed)
    }

    /// Notes that a source is alive, whatever it says.
    pub fn heard_from(&self, source: Source, now: Instant) {
        self.shared.sources_heard[source as usize].note(self.shared.now_ms(now));
    }

    /// How long ago a source was last heard; `None` if it never was.
    pub fn age(&self, source: Source, now: Instant) -> Option<Duration> {
        self.shared.sources_heard[source as usize].age(self.shared.now_ms(now))
    }

    /// Notes that the connection to a source is there or lost. While it is
    /// lost nothing of the source expires; once it is back, only what it does
    /// not confirm within a whole time to live does.
    pub fn set_connected(&self, source: Source, connected: bool, now: Instant) {
        let now_ms = self.shared.now_ms(now).max(1);
        self.shared.live.lock().ledger.set_connected(source, connected, now_ms);
    }

    /// Whether the connection to a source is there, as last noted.
    pub fn is_connected(&self, source: Source) -> bool {
        self.shared.live.lock().ledger.links[source as usize].connected
    }

    /// Grows with every change of the table that a live source made or that
    /// expiry did; a refresh is none.
    pub fn version(&self) -> u64 {
        self.shared.live.lock().version
    }

    /// Everything a source has registered at this moment, in no particular
    /// order. It is made as it is asked for, from a table that no longer
    /// changes: it can be taken to another thread, and holds up nobody.
    pub fn export(&self, source: Source) -> impl Iterator<Item = Registration> + Send + use<> {
        let table = self.shared.snapshots.current().entries().clone();
        table.into_values().flat_map(move |top| of_layer(top.layer(source)))
    }

    /// What a source has registered for just this host and path, even where
    /// another source overrides it.
    pub fn route(
        &self,
        source: Source,
        host: &HostPattern,
        path: &PathPrefix,
    ) -> Vec<Registration> {
        let snapshot = self.shared.snapshots.current();
        let top = snapshot.entries().get(host, path);
        of_layer(top.and_then(|top| top.layer(source)))
    }

    /// Has `journal` told of every change that comes into force from now on,
    /// in their order, with the [`version`](Self::version) they make. What
    /// expires is told as unregistered; that an endpoint left at a time is told
    /// even if nobody knew it, since it is remembered. A change without a time
    /// has the one that is known of the endpoint, and of a route that goes the
    /// endpoints that have one are told before; only what expired has none.
    /// It is called under the lock of the
    /// routes: it must be quick, and not call back.
    pub fn journal(&self, journal: impl FnMut(Source, &[Change], u64) + Send + 'static) {
        self.shared.live.lock().journal = Some(Box::new(journal));
    }

    /// Ends what is due, a part of it: true if there is more. A router that
    /// runs from a file does so by itself; one that is embedded has it called
    /// now and then.
    pub fn expire(&self, now: Instant) -> bool {
        let now_ms = self.shared.now_ms(now);
        let mut live = self.shared.live.lock();
        let expired = live.ledger.expire(now_ms, self.shared.makings());
        if expired.table_changed {
            self.publish(&mut live);
        }
        for (source, change) in &expired.changes {
            live.tell(*source, std::slice::from_ref(change));
        }
        expired.more
    }

    /// Settings and routes in force.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshots.current()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn publish(&self, live: &mut Live) {
        live.version += 1;
        self.shared.publish_table(&live.ledger.table);
    }
}

impl Live {
    fn tell(&mut self, source: Source, changes: &[Change]) {
        let version = self.version;
        if let Some(journal) = &mut self.journal {
            journal(source, changes, version);
        }
    }
}

fn of_layer(layer: Option<&Arc<Entry>>) -> Vec<Registration> {
    let Some(layer) = layer else { return Vec::new() };
    let Some((host, path)) = layer.key() else { return Vec::new() };
    let of = layer.endpoints.iter().map(|endpoint| {
        let mut said = endpoint.registration(host.clone(), path.clone());
        said.balance = layer.balance.as_deref().cloned();
        said
    });
    of.collect()
}

/// Whether something is new by a change: the table, or what is remembered.
fn is_told(change: &Change, outcome: Outcome) -> bool {
    let has_time = matches!(change, Change::Unregister { updated_at_ns: Some(_), .. });
    outcome.is_change() || outcome == Outcome::Unknown && has_time
}

/// The routes of all sources, by host and path.
pub(crate) type Entries = RouteTable<Arc<Entry>>;

/// When something was last heard.
#[derive(Debug, Default)]
pub(crate) struct LastHeard(AtomicU64);

impl LastHeard {
    /// 0 is never.
    fn note(&self, now_ms: u64) {
        self.0.fetch_max(now_ms + 1, Relaxed);
    }

    pub(crate) fn age(&self, now_ms: u64) -> Option<Duration> {
        let heard_ms = self.0.load(Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(now_ms.saturating_sub(heard_ms)))
    }
}

#[cfg(test)]
mod tests;
