//! Changes that are made together, and what they come to.
//!
//! Each is decided on its own, in its order. But a route is made anew once,
//! however many of them are about it, whatever stands between: an app of ten
//! thousand endpoints that registers them in one list would otherwise have the
//! first copied ten thousand times. So what changes is noted beside the version
//! that is there, and nothing is copied where all of it is known.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use super::endpoint::{self, Endpoint};
use super::entry::{self, Entry};
use super::ledger::Ledger;
use super::{Change, Outcome, Registration, Source};
use crate::endpoint::Balance;
use crate::route::{HostPattern, PathPrefix};
use crate::router::Makings;

/// In which order changes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they were heard: what is older than the last word comes late.
    Heard,
    /// As they were made once: one that brings back what has left was right to.
    Made,
}

/// What became of changes.
pub(crate) struct Made {
    /// Of each, in their order.
    pub(crate) outcomes: Vec<Outcome>,
    /// The places of those without a time that are about an endpoint of which
    /// one is known, with that: it counts for what comes after them.
    pub(crate) times: Vec<(usize, i64)>,
    /// What left with a whole route at a known time: the places of those that
    /// removed it, and how each endpoint alone would have left.
    pub(crate) left: Vec<(usize, Change)>,
}

/// What became of a change, and the time that counts if it has none itself.
type Decided = (Outcome, Option<i64>);

/// Host and path of a route.
type Place<'c> = (&'c HostPattern, &'c PathPrefix);

/// What changes of one route.
struct Draft<'c> {
    place: Place<'c>,
    /// What is in the table, and what of it is the source's.
    top: Option<Arc<Entry>>,
    own: Option<Arc<Entry>>,
    /// The endpoints that are new, others, or gone.
    changed: BTreeMap<SocketAddr, Option<Arc<Endpoint>>>,
    /// Whether those of `own` are gone, all of them.
    anew: bool,
    /// How many endpoints there are now.
    endpoints: usize,
    /// Whether there is a route now. One without endpoints may wait for some.
    there: bool,
    /// What is said of balancing now, if that is not what `own` has.
    balance: Option<Option<Box<Balance>>>,
    /// When the first of what was registered is due.
    due_ms: Option<u64>,
    is_changed: bool,
}

impl<'c> Draft<'c> {
    fn of(place: Place<'c>, source: Source, ledger: &Ledger) -> Self {
        let top = ledger.table.get(place.0, place.1).cloned();
        let own = top.as_ref().and_then(|top| top.layer(source)).cloned();
        Self {
            place,
            changed: BTreeMap::new(),
            anew: false,
            endpoints: own.as_ref().map_or(0, |own| own.endpoints.len()),
            there: own.is_some(),
            balance: None,
            due_ms: None,
            is_changed: false,
            top,
            own,
        }
    }

    /// The version that is there, as far as anything of it stands.
    fn standing(&self) -> Option<&Arc<Entry>> {
        self.own.as_ref().filter(|_| !self.anew)
    }

    fn known(&self, address: SocketAddr) -> Option<&Arc<Endpoint>> {
        if let Some(changed) = self.changed.get(&address) {
            return changed.as_ref();
        }
        let own = self.standing()?;
        Some(&own.endpoints[own.position(address).ok()?])
    }

    fn balance(&self) -> Option<&Balance> {
        match &self.balance {
            Some(said) => said.as_deref(),
            None => self.own.as_ref()?.balance.as_deref(),
        }
    }

    fn put(&mut self, endpoint: Endpoint, due_ms: Option<u64>) {
        self.changed.insert(endpoint.address(), Some(Arc::new(endpoint)));
        self.due_ms = self.due_ms.into_iter().chain(due_ms).min();
        (self.there, self.is_changed) = (true, true);
    }

    fn remove(&mut self, address: SocketAddr) {
        self.changed.insert(address, None);
        self.endpoints -= 1;
        self.is_changed = true;
        if self.endpoints == 0 {
            self.remove_all();
        }
    }

    /// The route goes; what comes after it is another.
    fn remove_all(&mut self) {
        self.changed.clear();
        (self.anew, self.endpoints, self.there, self.is_changed) = (true, 0, false, true);
        (self.balance, self.due_ms) = (Some(None), None);
    }

    /// How those with a time would leave one by one.
    fn leavings(&self) -> impl Iterator<Item = Change> {
        let (host, path) = self.place;
        self.all().into_iter().filter_map(move |leaving| {
            Some(Change::Unregister {
                host: host.clone(),
                path: path.clone(),
                endpoint: leaving.address(),
                instance_id: None,
                updated_at_ns: Some(leaving.updated_at_ns()?),
            })
        })
    }

    /// All endpoints there are now, sorted by address.
    fn all(&self) -> Vec<Arc<Endpoint>> {
        let mut all = Vec::with_capacity(self.endpoints);
        let mut changed = self.changed.iter().peekable();
        for own in self.standing().iter().flat_map(|own| own.endpoints.iter()) {
            let address = own.address();
            while let Some((_, new)) = changed.next_if(|(at, _)| **at < address) {
                all.extend(new.clone());
            }
            match changed.next_if(|(at, _)| **at == address) {
                Some((_, new)) => all.extend(new.clone()),
                None => all.push(Arc::clone(own)),
            }
        }
        all.extend(changed.filter_map(|(_, new)| new.clone()));
        all
    }
}

/// What changes of all routes, in the order in which they were first named.
#[derive(Default)]
struct Drafts<'c> {
    all: Vec<Draft<'c>>,
    places: HashMap<Place<'c>, usize, foldhash::fast::RandomState>,
}

impl<'c> Drafts<'c> {
    fn of(&mut self, place: Place<'c>, source: Source, ledger: &Ledger) -> &mut Draft<'c> {
        // Lists of one need no map, and what belongs together mostly comes together.
        let is_of = |at: &usize| self.all.get(*at).is_none_or(|draft| draft.place == place);
        let at = match [0, self.all.len().saturating_sub(1)].into_iter().find(is_of) {
            Some(at) => at,
            None => *self.places.entry(place).or_insert(self.all.len()),
        };
        if at == self.all.len() {
            self.all.push(Draft::of(place, source, ledger));
        }
        &mut self.all[at]
    }
}

impl Ledger {
    /// Makes changes in their order; what became of each.
    pub(crate) fn make(
        &mut self,
        source: Source,
        changes: &[Change],
        order: Order,
        now_ms: u64,
        makings: Makings<'_>,
    ) -> Made {
        let mut drafts = Drafts::default();
        let before = self.endpoints;
        let (mut times, mut left) = (Vec::new(), Vec::new());
        let one = |(index, change)| {
            let draft = drafts.of(place(change), source, self);
            let had = draft.endpoints;
            if let Change::RemoveRoute { .. } = change {
                left.extend(draft.leavings().map(|leaving| (index, leaving)));
            }
            let (outcome, time) = self.decide(draft, source, change, order, now_ms);
            times.extend(time.map(|time| (index, time)));
            if source != Source::File {
                // So that the limit holds within the list, too.
                self.endpoints = self.endpoints + draft.endpoints - had;
            }
            outcome
        };
        let outcomes = changes.iter().enumerate().map(one).collect();
        // From here on they are counted as they are put into the table.
        let counted = std::mem::replace(&mut self.endpoints, before);
        for draft in drafts.all {
            self.finish(draft, source, makings);
        }
        debug_assert_eq!(self.endpoints, counted, "an endpoint is counted twice or never");
        Made { outcomes, times, left }
    }

    fn decide(
        &mut self,
        draft: &mut Draft<'_>,
        source: Source,
        change: &Change,
        order: Order,
        now_ms: u64,
    ) -> Decided {
        match change {
            Change::Register(said) => self.register(draft, source, said, order, now_ms),
            Change::Unregister { endpoint, instance_id, updated_at_ns, .. } => {
                let who = |(host, path)| (source, entry::name(host, path), *endpoint);
                let Some(leaving) = draft.known(*endpoint) else {
                    if let Some(time) = updated_at_ns {
                        self.tombstones.bury(who(draft.place), *time, now_ms, self.bounds.memory);
                    }
                    return (Outcome::Unknown, None);
                };
                if let (Some(named), Some(there)) = (instance_id, leaving.instance_id())
                    && **named != *there
                {
                    return (Outcome::Unknown, None);
                }
                if order == Order::Heard && leaving.outdates(*updated_at_ns) {
                    return (Outcome::Stale, None);
                }
                leaving.term.end();
                let time = match order {
                    Order::Heard => leaving.updated_at_ns().max(*updated_at_ns),
                    // Who left has its time with it; what expired has none, and may come back.
                    Order::Made => *updated_at_ns,
                };
                if let Some(time) = time {
                    self.tombstones.bury(who(draft.place), time, now_ms, self.bounds.memory);
                }
                draft.remove(*endpoint);
                (Outcome::Removed, time.filter(|_| updated_at_ns.is_none()))
            }
            Change::RemoveRoute { host, path } => {
                if !draft.there {
                    return (Outcome::Unknown, None);
                }
                for leaving in draft.all() {
                    leaving.term.end();
                    if let Some(time) = leaving.updated_at_ns() {
                        let who = (source, entry::name(host, path), leaving.address());
                        self.tombstones.bury(who, time, now_ms, self.bounds.memory);
                    }
                }
                draft.remove_all();
                (Outcome::Removed, None)
            }
        }
    }

    fn register(
        &mut self,
        draft: &mut Draft<'_>,
        source: Source,
        said: &Registration,
        order: Order,
        now_ms: u64,
    ) -> Decided {
        let balance_is_new = said.balance.is_some() && draft.balance() != said.balance.as_ref();
        let (new, outcome) = match draft.known(said.endpoint) {
            Some(known) => {
                if order == Order::Heard && known.outdates(said.updated_at_ns) {
                    return (Outcome::Stale, None);
                }
                let same = !balance_is_new && known.is_said(said);
                if same && known.refresh(said.updated_at_ns, now_ms) {
                    return (Outcome::Refreshed, None);
                }
                known.term.end();
                (Endpoint::new(said, now_ms, Some(known)), Outcome::Updated)
            }
            None => {
                let left_at_ns = self.left_at_ns(source, said, now_ms);
                if said.updated_at_ns.is_some_and(|time| Some(time) < left_at_ns) {
                    match order {
                        Order::Heard => return (Outcome::Stale, None),
                        // When it came, its leaving was no longer remembered.
                        Order::Made => self.tombstones.unearth(&(
                            source,
                            entry::name(&said.host, &said.path),
                            said.endpoint,
                        )),
                    }
                }
                if self.endpoints >= self.bounds.endpoints {
                    return (Outcome::Full, None);
                }
                draft.endpoints += 1;
                let new = Endpoint::new(said, now_ms, None);
                let known = left_at_ns.filter(|_| order == Order::Heard);
                (new.updated_since(known), Outcome::Added)
            }
        };
        let time = new.updated_at_ns().filter(|_| said.updated_at_ns.is_none());
        // By the time to live that is kept, or its end would be missed.
        let ttl_ms = said.ttl.map(|_| u64::from(endpoint::ttl_ms(said.ttl)));
        draft.put(new, ttl_ms.map(|ttl_ms| now_ms.saturating_add(ttl_ms)));
        if balance_is_new {
            draft.balance = Some(said.balance.clone().map(Box::new));
        }
        (outcome, time)
    }

    /// Puts into the table what a draft has come to.
    fn finish(&mut self, mut draft: Draft<'_>, source: Source, makings: Makings<'_>) {
        if !draft.is_changed || !draft.there && draft.own.is_none() {
            return;
        }
        let next = draft.there.then(|| {
            let endpoints = draft.all();
            #[cfg(test)]
            {
                self.copied += endpoints.len();
            }
            let mut next = match &draft.own {
                Some(own) => own.with_endpoints(endpoints),
                None => {
                    let name = entry::name(draft.place.0, draft.place.1);
                    let label = self.label(&name, makings.metrics);
                    let mut next = Entry::new(name, label, source);
                    next.endpoints = endpoints.into();
                    next
                }
            };
            next.empty_since_ms = None;
            if let Some(balance) = draft.balance.take() {
                next.balance = balance;
            }
            if let Some(due_ms) = draft.due_ms {
                self.schedule(&next, due_ms);
            }
            next
        });
        self.put(draft.place, draft.top.as_ref(), source, next, makings);
    }
}

/// The route that a change is about.
fn place(change: &Change) -> Place<'_> {
    match change {
        Change::Register(said) => (&said.host, &said.path),
        Change::Unregister { host, path, .. } | Change::RemoveRoute { host, path } => (host, path),
    }
}

#[cfg(test)]
mod tests;
