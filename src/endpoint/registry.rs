//! One state for each address, across routes and reloads.
//!
//! A new table asks for its addresses while the old one still stands, so what is
//! known of an address that is in both is kept. The registry itself keeps
//! nothing alive: when the last table and the last request that knew an address
//! are gone, so is its state.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::endpoint::adaptive::{AdaptiveTerms, Door, Doors};
use crate::endpoint::line::{Crowd, Line};
use crate::endpoint::state::EndpointState;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicU64;

/// The states in use, by address.
#[derive(Debug)]
pub struct EndpointRegistry {
    workers: usize,
    hasher: RandomState,
    shards: [Mutex<Known>; SHARDS],
    crowds: [Mutex<Crowds>; SHARDS],
    limits: Mutex<Limits>,
    doors: Doors,
    tickets: Arc<AtomicU64>,
}

/// How many requests endpoints take at a time, as last put in force.
#[derive(Debug, Default)]
struct Limits {
    /// Of the addresses in the file.
    of_file: HashMap<SocketAddr, Option<u64>>,
    /// Of every registered endpoint.
    registered: Option<u64>,
}

impl Limits {
    /// The limit of an endpoint; `None` if nothing is said of it.
    fn of(&self, state: &EndpointState) -> Option<Option<u64>> {
        let of_file = self.of_file.get(&state.address()).copied();
        let registered = state.is_registered().then_some(self.registered);
        match (of_file, registered) {
            (None, None) => None,
            (one, other) => Some([one, other].into_iter().flatten().flatten().min()),
        }
    }
}

/// Who waits for the endpoints of a route, by the route's name.
#[derive(Debug, Default)]
struct Crowds {
    crowds: HashMap<Arc<str>, Weak<Crowd>>,
    /// As in [`Known`].
    sweep_at: usize,
}

/// Workers resolve the endpoints of a live route when it is first used. With
/// parts that are locked and swept by themselves, none waits for a look at
/// every address there is. A model's threads have too little stack for many.
const SHARDS: usize = if cfg!(pointsman_loom) { 1 } else { 64 };

#[derive(Debug, Default)]
struct Known {
    states: HashMap<SocketAddr, Weak<EndpointState>>,
    /// The number of entries at which those of dead states are swept out.
    sweep_at: usize,
}

impl EndpointRegistry {
    /// An empty registry for endpoints that so many workers use.
    pub fn new(workers: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Known::default()));
        let crowds = std::array::from_fn(|_| Mutex::new(Crowds::default()));
        let (hasher, limits, doors) = (RandomState::new(), Mutex::default(), Doors::default());
        Self { workers, hasher, shards, crowds, limits, doors, tickets: Arc::default() }
    }

    /// The state of an address: the one in use, else a new one.
    pub fn resolve(&self, address: SocketAddr) -> Arc<EndpointState> {
        let shard = self.hasher.hash_one(address) as usize % SHARDS;
        let mut known = self.shards[shard].lock();
        if let Some(state) = known.states.get(&address).and_then(Weak::upgrade) {
            return state;
        }
        if known.states.len() >= known.sweep_at {
            // Twice what lives: each entry is looked at a bounded number of times.
            known.states.retain(|_, state| state.strong_count() > 0);
            known.sweep_at = (2 * known.states.len()).max(LEAST_SWEPT);
        }
        let state = Arc::new(EndpointState::new(address, self.workers));
        known.states.insert(address, Arc::downgrade(&state));
        state
    }

    /// Whether anyone uses this address.
    pub fn is_in_use(&self, address: SocketAddr) -> bool {
        let shard = self.hasher.hash_one(address) as usize % SHARDS;
        let known = self.shards[shard].lock();
        known.states.get(&address).is_some_and(|state| state.strong_count() > 0)
    }

    /// The state of a registered endpoint, which has the limit of these from now
    /// on.
    pub fn resolve_registered(&self, address: SocketAddr) -> Arc<EndpointState> {
        let state = self.resolve(address);
        if !state.is_registered() {
            let limits = self.limits.lock();
            state.note_registered();
            if let Some(limit) = limits.of(&state) {
                state.set_max_requests(limit);
            }
        }
        state
    }

    /// Where requests of the route `name` wait, `most` at a time: those of an
    /// older table's route of that name count too.
    pub fn line(&self, name: &Arc<str>, most: u64) -> crate::sync::Arc<Line> {
        let shard = self.hasher.hash_one(name) as usize % SHARDS;
        let mut known = self.crowds[shard].lock();
        let crowd = known.crowds.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            if known.crowds.len() >= known.sweep_at {
                known.crowds.retain(|_, crowd| crowd.strong_count() > 0);
                known.sweep_at = (2 * known.crowds.len()).max(LEAST_SWEPT);
            }
            let crowd = Arc::new(Crowd::new(self.tickets.clone()));
            known.crowds.insert(name.clone(), Arc::downgrade(&crowd));
            crowd
        });
        crate::sync::Arc::new(Line::new(most, crowd))
    }

    /// What the route `name` lets in, with these terms from now on; what it has
    /// learnt under others stays.
    pub fn door(&self, name: &Arc<str>, terms: AdaptiveTerms) -> Arc<Door> {
        self.doors.resolve(name, terms)
    }

    /// The doors in use, by the names of their routes, sorted.
    pub fn doors(&self) -> Vec<(Arc<str>, Arc<Door>)> {
        self.doors.in_use()
    }

    /// Puts the limits on requests of these addresses in force. One that stands
    /// there twice has the lower limit, and so has one that is registered too,
    /// of its own and that of `registered` endpoints. One that nothing is said of
    /// keeps what it had: who still waits for it must not be let in because it
    /// has gone.
    pub fn enforce(
        &self,
        table: impl Iterator<Item = (SocketAddr, Option<u64>)>,
        registered: Option<u64>,
    ) {
        let mut of_file: HashMap<SocketAddr, Option<u64>> = HashMap::new();
        for (address, limit) in table {
            let least = of_file.entry(address).or_insert(limit);
            *least = [*least, limit].into_iter().flatten().min();
        }
        let mut limits = self.limits.lock();
        *limits = Limits { of_file, registered };
        for state in self.in_use() {
            if let Some(limit) = limits.of(&state) {
                state.set_max_requests(limit);
            }
        }
    }

    /// The states in use, in no order.
    pub fn in_use(&self) -> Vec<Arc<EndpointState>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().states.values().filter_map(Weak::upgrade));
        }
        all
    }
}

/// Entries of a shard that are not worth a sweep.
const LEAST_SWEPT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::condition::Reason;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn an_address_has_one_state_while_anyone_uses_it() {
        let registry = EndpointRegistry::new(1);
        let first = registry.resolve(address(1));
        first.pass_over(1_000, Reason::New);
        let second = registry.resolve(address(1));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(second.is_passed_over(1_001));
        assert!(!Arc::ptr_eq(&first, &registry.resolve(address(2))));
        let in_use = registry.in_use();
        assert!(registry.is_in_use(address(1)));
        assert!(in_use.len() == 1 && Arc::ptr_eq(&in_use[0], &first), "{in_use:?}");
    }

    #[test]
    fn the_state_of_an_address_that_nobody_uses_is_gone() {
        let registry = EndpointRegistry::new(1);
        registry.resolve(address(1)).pass_over(1_000, Reason::New);
        assert!(registry.in_use().is_empty() && !registry.is_in_use(address(1)));
        assert!(!registry.resolve(address(1)).is_passed_over(1_001));
    }

    #[test]
    fn a_registered_endpoint_has_their_limit_or_its_own_if_that_is_lower() {
        let registry = EndpointRegistry::new(1);
        let of_file = [registry.resolve(address(1)), registry.resolve(address(2))];
        let table = [(address(1), Some(2)), (address(2), None)];
        registry.enforce(table.into_iter(), Some(5));
        let registered = [1, 2, 3].map(|port| registry.resolve_registered(address(port)));
        assert_eq!(registered.each_ref().map(|s| s.max_requests()), [Some(2), Some(5), Some(5)]);
        registry.enforce([(address(2), Some(9))].into_iter(), Some(7));
        assert_eq!(registered.each_ref().map(|s| s.max_requests()), [Some(7); 3]);
        registry.enforce(table.into_iter(), None);
        assert_eq!(registered.each_ref().map(|s| s.max_requests()), [Some(2), None, None]);
        drop(of_file);
    }

    #[test]
    fn who_waits_counts_for_the_route_in_whatever_table_and_old_names_do_not_pile_up() {
        let registry = EndpointRegistry::new(1);
        let name = Arc::from("kept.test");
        let line = registry.line(&name, 9);
        let _waits = Line::join(&line, None).expect("there is room");
        for n in 0..10_000 {
            drop(registry.line(&format!("{n}.test").into(), 9));
        }
        let held = registry.crowds.iter().map(|shard| shard.lock().crowds.len());
        assert!(held.sum::<usize>() <= SHARDS * LEAST_SWEPT + 1);
        assert_eq!(registry.line(&name, 9).waiting(), 1);
        assert_eq!(registry.line(&"other.test".into(), 9).waiting(), 0);
    }

    #[test]
    fn a_route_has_one_door_and_all_in_use_are_listed() {
        let registry = EndpointRegistry::new(1);
        let terms = AdaptiveTerms {
            min_limit: 2,
            max_limit: 100,
            initial_limit: 20,
            tolerance_percent: 25,
            window_ms: 100,
            measure_every_ms: 30_000,
        };
        let names = ["b.test", "a.test"].map(Arc::from);
        let doors = names.each_ref().map(|name| registry.door(name, terms));
        assert!(Arc::ptr_eq(&doors[0], &registry.door(&names[0], terms)));
        let listed = registry.doors();
        let listed: Vec<_> = listed.iter().map(|(name, _)| &**name).collect();
        assert_eq!(listed, ["a.test", "b.test"]);
    }

    #[test]
    fn addresses_that_come_and_go_do_not_pile_up() {
        let registry = EndpointRegistry::new(1);
        let kept = registry.resolve(address(0));
        for port in 1..10_000 {
            drop(registry.resolve(address(port)));
        }
        let held = registry.shards.iter().map(|shard| shard.lock().states.len());
        assert!(held.sum::<usize>() <= SHARDS * LEAST_SWEPT + 1);
        assert!(Arc::ptr_eq(&kept, &registry.resolve(address(0))));
    }
}
