//! The endpoints of one route, and the choice between them.

use std::sync::{Arc, OnceLock};

use crate::endpoint::balance::Balance;
use crate::endpoint::in_flight::Load;
use crate::endpoint::lease::Lease;
use crate::endpoint::line::{Crowd, Line};
use crate::endpoint::outlier::OutlierPolicy;
use crate::endpoint::outlook::{All, Outlook, Place};
use crate::endpoint::probed::Probed;
use crate::endpoint::slots::Slots;
use crate::endpoint::state::EndpointState;
use crate::endpoint::trial::Trial;
use crate::endpoint::tried::Tried;
use crate::endpoint::{key, least_requests};
use crate::sync::Mutex;

/// Turns of a key before it goes to whoever is fit: with half of a set out, one
/// key in a million gets there.
const MOST_TURNS: u64 = 20;

/// How a set is chosen from.
#[derive(Clone, Debug)]
pub struct Choosing {
    /// The balance.
    pub balance: Balance,
    /// How many workers choose.
    pub workers: usize,
    /// For how long the share of an endpoint that came grows; 0 is not at all.
    pub slow_start_ms: u64,
    /// While so much of the weight in the router's own zone is fit, in percent,
    /// all traffic stays there.
    pub enough_percent: u64,
    /// When endpoints are ejected. Without, none is, and what other routes think
    /// of the same addresses is not heeded.
    pub outlier: Option<OutlierPolicy>,
}

impl Choosing {
    /// This balance, and nothing else.
    pub fn by(balance: Balance, workers: usize) -> Self {
        Self { balance, workers, slow_start_ms: 0, enough_percent: 70, outlier: None }
    }
}

/// An endpoint on its way into a set.
#[derive(Clone, Debug)]
pub struct Member {
    /// What is known of it.
    pub endpoint: Arc<EndpointState>,
    /// Its share relative to the others; 0 counts as 1.
    pub weight: u16,
    /// Whether it is in the router's own zone; where the router is in none, all
    /// are.
    pub near: bool,
    /// When it came to the route, on the clock of all cores.
    pub since_ms: u64,
}

/// The endpoints of one route: immutable, part of a table.
#[derive(Debug)]
pub struct EndpointSet {
    endpoints: Box<[Arc<EndpointState>]>,
    places: Box<[Place]>,
    choosing: Choosing,
    /// What probes say of each, in the same order; empty without a check.
    probed: Box<[Arc<Probed>]>,
    /// Whose a key is, near and far.
    slots: Option<[Slots; 2]>,
    /// One for each worker, made with the first choice: a route without traffic
    /// has none.
    outlooks: OnceLock<Box<[OwnLine]>>,
    line: crate::sync::Arc<Line>,
}

/// Beside each other, workers would write the same cache line.
#[derive(Debug)]
#[repr(align(128))]
struct OwnLine(Mutex<Outlook>);

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Which worker asks.
    pub worker: usize,
    /// The time, on the clock of all cores.
    pub now_ms: u64,
    /// A fresh draw.
    pub random: u64,
    /// What the balance hashes, as a number of [`key`]; without, it
    /// goes round.
    pub key: Option<u64>,
    /// The endpoint it would stay with, if that is fit.
    pub stay_with: Option<usize>,
}

/// A chosen endpoint.
#[derive(Debug)]
pub struct Choice<'a> {
    /// Its index in the set, for [`Tried`].
    pub index: usize,
    /// Its state. To keep it beyond the table is to write a reference count that
    /// all workers share; take a [`Lease`](crate::endpoint::Lease) instead.
    pub endpoint: &'a Arc<EndpointState>,
    /// There if this request tries an endpoint that was ejected.
    pub trial: Option<Trial<'a>>,
}

impl EndpointSet {
    /// A set of endpoints.
    pub fn new(members: Vec<Member>, choosing: Choosing) -> Self {
        let places: Box<[Place]> =
            members.iter().map(|m| Place { weight: m.weight, near: m.near }).collect();
        members.iter().for_each(|member| member.endpoint.enter_table(member.since_ms));
        let endpoints: Box<[_]> = members.into_iter().map(|member| member.endpoint).collect();
        let slots = matches!(choosing.balance, Balance::Hash(_)).then(|| {
            [true, false].map(|near| {
                let those = (0..endpoints.len()).filter(|index| places[*index].near == near);
                Slots::new(those.map(|index| {
                    (index, key::of_address(endpoints[index].address()), places[index].weight)
                }))
            })
        });
        let outlooks = OnceLock::new();
        // Until it is told of another, one in which nobody may wait.
        let crowd = Arc::new(Crowd::new(Arc::default()));
        let line = crate::sync::Arc::new(Line::new(0, crowd));
        Self { endpoints, places, choosing, probed: Box::default(), slots, outlooks, line }
    }

    /// The same set, in whose `line` requests wait when all are full.
    pub fn with_line(self, line: crate::sync::Arc<Line>) -> Self {
        Self { line, ..self }
    }

    /// Where requests wait for its endpoints.
    pub fn line(&self) -> &crate::sync::Arc<Line> {
        &self.line
    }

    /// The same set under a health check: what probes know of each endpoint, in
    /// the order of their indices.
    ///
    /// # Panics
    /// If there are not as many as endpoints.
    pub fn with_probes(mut self, probed: Vec<Arc<Probed>>) -> Self {
        assert_eq!(probed.len(), self.endpoints.len(), "each endpoint is probed");
        self.probed = probed.into();
        self
    }

    /// What probes know of the endpoints, in the order of their indices; empty
    /// without a health check.
    pub fn probed(&self) -> &[Arc<Probed>] {
        &self.probed
    }

    /// The endpoints, in the order of their indices.
    pub fn endpoints(&self) -> &[Arc<EndpointState>] {
        &self.endpoints
    }

    /// How it is chosen from.
    pub fn choosing(&self) -> &Choosing {
        &self.choosing
    }

    /// The number of endpoints.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Chooses an endpoint that was not tried; one that is passed over or ejected
    /// only if there is no other; one that probes took out only if they took out
    /// all. `None` if all that are left were tried, or are full. It allocates nothing, but when
    /// the condition of an endpoint has changed and for a first choice.
    pub fn choose(&self, asked: &Asked, tried: &Tried) -> Option<Choice<'_>> {
        if tried.len() >= self.endpoints.len() {
            return None;
        }
        let open = |index: usize| !tried.contains(index) && self.endpoints[index].has_room();
        let mut outlook = self.outlook(asked.worker).lock();
        self.refresh(&mut outlook, asked);
        if let Some(index) = asked.stay_with.filter(|index| open(*index)) {
            let trial = self.trial_of(index, &outlook, asked.now_ms);
            if trial.is_some() || outlook.is_fit(index) {
                return Some(self.chosen(index, trial));
            }
        } else if asked.key.is_none() || self.slots.is_none() {
            // A key waits for the trial of its own endpoint; others take any.
            for index in outlook.due.iter().copied().filter(|index| open(*index)) {
                if let Some(trial) = Trial::begin(&self.endpoints[index], asked.now_ms) {
                    return Some(self.chosen(index, Some(trial)));
                }
            }
        }
        if let (Some(key), Some(slots)) = (asked.key, &self.slots) {
            let (index, trial) =
                self.choose_for_key(key, slots, (&outlook, asked.now_ms), tried, open)?;
            return Some(self.chosen(index, trial));
        }
        let index = self
            .choose_among(&mut outlook, asked, open)
            .or_else(|| self.choose_unfit(&outlook, asked.random, tried, open))?;
        Some(self.chosen(index, None))
    }

    /// A trial that is due, and a place there, for a request that `may` go there.
    pub(super) fn enter_for_trial(
        &self,
        asked: &Asked,
        may: impl Fn(usize) -> bool,
    ) -> Option<(Choice<'_>, Lease)> {
        let mut outlook = self.outlook(asked.worker).lock();
        self.refresh(&mut outlook, asked);
        let due = outlook.due.iter().copied().filter(|index| may(*index));
        due.filter(|index| self.endpoints[*index].has_room()).find_map(|index| {
            let trial = Trial::begin(&self.endpoints[index], asked.now_ms)?;
            let lease = self.endpoints[index].try_lease(asked.worker)?;
            Some((self.chosen(index, Some(trial)), lease))
        })
    }

    fn chosen<'a>(&'a self, index: usize, trial: Option<Trial<'a>>) -> Choice<'a> {
        Choice { index, endpoint: &self.endpoints[index], trial }
    }

    fn outlook(&self, worker: usize) -> &Mutex<Outlook> {
        let workers = self.choosing.workers.max(1);
        let own = self.outlooks.get_or_init(|| {
            let new = || OwnLine(Mutex::new(Outlook::new()));
            std::iter::repeat_with(new).take(workers).collect()
        });
        &own[worker % workers].0
    }

    fn trial_of(&self, index: usize, outlook: &Outlook, now_ms: u64) -> Option<Trial<'_>> {
        let due = !outlook.due.is_empty() && outlook.due.contains(&index);
        due.then(|| Trial::begin(&self.endpoints[index], now_ms)).flatten()
    }

    /// By the balance, among those that are fit.
    fn choose_among(
        &self,
        outlook: &mut Outlook,
        asked: &Asked,
        open: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let lot = key::spin(asked.random);
        let first = outlook.first_group(lot);
        if outlook.is_ramping() {
            let let_through = |o: &Outlook, index| open(index) && o.lets_through(index, lot);
            let chosen = self
                .choose_in(outlook, first, asked, let_through)
                .or_else(|| self.choose_in(outlook, 1 - first, asked, let_through));
            if chosen.is_some() {
                return chosen;
            }
        }
        self.choose_in(outlook, first, asked, |_, index| open(index))
            .or_else(|| self.choose_in(outlook, 1 - first, asked, |_, index| open(index)))
    }

    fn choose_in(
        &self,
        outlook: &mut Outlook,
        group: usize,
        asked: &Asked,
        may_be_chosen: impl Fn(&Outlook, usize) -> bool,
    ) -> Option<usize> {
        let walk = outlook.groups[group].walk;
        let chosen = &outlook.groups[group];
        let (members, weights) = (&chosen.members, &chosen.weights);
        if members.is_empty() {
            return None;
        }
        let may = |place: usize| may_be_chosen(outlook, members[place]);
        if self.choosing.balance == Balance::LeastRequests {
            let load = |place: usize| {
                let index = members[place];
                let endpoint = &self.endpoints[index];
                let load = endpoint.load_seen_by(asked.worker, asked.now_ms);
                Load { requests: outlook.weigh(index, load.requests), ..load }
            };
            return least_requests::choose(weights, members.len(), asked.random, may, load)
                .map(|place| members[place]);
        }
        let mut walk = walk?;
        let index = walk.choose(weights, may).map(|place| members[place]);
        outlook.groups[group].walk = Some(walk);
        index
    }

    /// The owner of a key, else whoever is next for it. What is decided by lot
    /// elsewhere is decided by the key here, so that it is the same every time.
    fn choose_for_key<'a>(
        &'a self,
        key: u64,
        slots: &[Slots; 2],
        (outlook, now_ms): (&Outlook, u64),
        tried: &Tried,
        open: impl Fn(usize) -> bool,
    ) -> Option<(usize, Option<Trial<'a>>)> {
        let lot = key::spin(key);
        let first = outlook.first_group(lot);
        for group in [first, 1 - first] {
            let turns = if outlook.groups[group].members.is_empty() { 0 } else { MOST_TURNS };
            for turn in 0..turns {
                let Some(index) = slots[group].owner(key, turn) else { break };
                if !open(index) {
                    continue;
                }
                if outlook.is_fit(index) && outlook.lets_through(index, lot) {
                    return Some((index, None));
                }
                if let Some(trial) = self.trial_of(index, outlook, now_ms) {
                    return Some((index, Some(trial)));
                }
            }
        }
        let members = outlook.groups.iter().flat_map(|group| &group.members).copied();
        let left = members.clone().filter(|index| open(*index)).count() as u64;
        let nth = (lot % left.max(1)) as usize;
        let index = members.filter(|index| open(*index)).nth(nth);
        Some((index.or_else(|| self.choose_unfit(outlook, lot, tried, open))?, None))
    }

    fn refresh(&self, outlook: &mut Outlook, asked: &Asked) {
        let moment = (asked.worker, asked.now_ms, asked.random);
        let all = All {
            endpoints: &self.endpoints,
            places: &self.places,
            probed: &self.probed,
            choosing: &self.choosing,
        };
        outlook.refresh(all, moment);
    }

    /// Which endpoints a request would be sent to or waits for, by index,
    /// whether they have room or not: of those that `may`, the fit ones; if
    /// there is none, those that are only passed over, else any that are up.
    pub(super) fn wanted(&self, asked: &Asked, may: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut outlook = self.outlook(asked.worker).lock();
        self.refresh(&mut outlook, asked);
        let classes: [&dyn Fn(usize) -> bool; 3] =
            [&|index| outlook.is_fit(index), &|index| outlook.is_passed_over(index), &|index| {
                !outlook.is_down(index)
            }];
        for class in classes {
            let wanted: Vec<bool> = (0..self.len()).map(|i| may(i) && class(i)).collect();
            if wanted.contains(&true) {
                return wanted;
            }
        }
        vec![false; self.len()]
    }

    /// From a random place on, who is only passed over, else anyone; nobody
    /// while one that is fit was not `tried`: to be full is not to be gone.
    fn choose_unfit(
        &self,
        outlook: &Outlook,
        random: u64,
        tried: &Tried,
        open: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if (0..self.len()).any(|index| outlook.is_fit(index) && !tried.contains(index)) {
            return None;
        }
        let start = (random % self.len() as u64) as usize;
        let mut all = (start..self.len()).chain(0..start).filter(|index| open(*index));
        let passed_over = all.clone().find(|index| outlook.is_passed_over(*index));
        passed_over.or_else(|| all.find(|index| !outlook.is_down(*index)))
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
