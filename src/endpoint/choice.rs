//! The choice of an endpoint for one request.

use std::sync::Arc;

use crate::endpoint::balance::Balance;
use crate::endpoint::in_flight::Load;
use crate::endpoint::lease::Lease;
use crate::endpoint::outlook::Outlook;
use crate::endpoint::set::EndpointSet;
use crate::endpoint::slots::Slots;
use crate::endpoint::state::EndpointState;
use crate::endpoint::trial::Trial;
use crate::endpoint::tried::Tried;
use crate::endpoint::view::{View, Whole};
use crate::endpoint::{key, least_requests};

/// Turns of a key before it goes to whoever is fit: with half of a set out, one
/// key in a million gets there.
const MOST_TURNS: u64 = 20;

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
    /// Chooses an endpoint that was not tried; one that is passed over or
    /// ejected only if there is no other; one that probes took out only if they
    /// took out all. `None` if all that are left were tried, or are full. It
    /// allocates nothing, but when the condition of an endpoint has changed and
    /// for a first choice.
    pub fn choose(&self, asked: &Asked, tried: &Tried) -> Option<Choice<'_>> {
        if tried.len() >= self.endpoints.len() {
            return None;
        }
        let open = |index: usize| !tried.contains(index) && self.endpoints[index].has_room();
        let views = self.views(asked);
        let view = views.of(asked.worker);
        if view.is_well()
            && let Some(index) = self.choose_well(&views.whole, view, asked, open)
        {
            return Some(self.chosen(index, None));
        }
        let mut outlook = self.outlook(view, asked);
        if view.is_well()
            && let Some(index) = self.choose_well(&views.whole, view, asked, open)
        {
            // A first choice, or the first after a change that was not here.
            return Some(self.chosen(index, None));
        }
        if let Some(index) = asked.stay_with.filter(|index| open(*index)) {
            let trial = self.trial_of(index, &outlook, asked.now_ms);
            if trial.is_some() || outlook.is_fit(index) {
                return Some(self.chosen(index, trial));
            }
        } else if asked.key.is_none() || self.slots.is_none() {
            // A key waits for the trial of its own endpoint; others take any.
            for index in outlook.due.iter().copied().filter(|index| open(*index)) {
                if let Some(trial) = self.begin_trial(index, asked.now_ms) {
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
        let outlook = self.outlook(self.views(asked).of(asked.worker), asked);
        let due = outlook.due.iter().copied().filter(|index| may(*index));
        due.filter(|index| self.endpoints[*index].has_room()).find_map(|index| {
            let trial = self.begin_trial(index, asked.now_ms)?;
            let lease = self.endpoints[index].try_lease(asked.worker)?;
            Some((self.chosen(index, Some(trial)), lease))
        })
    }

    fn chosen<'a>(&'a self, index: usize, trial: Option<Trial<'a>>) -> Choice<'a> {
        Choice { index, endpoint: &self.endpoints[index], trial }
    }

    /// By the balance where all are well; `None` if those are tried or full that
    /// it would come to then.
    fn choose_well(
        &self,
        whole: &Whole,
        view: &View,
        asked: &Asked,
        open: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if let Some(index) = asked.stay_with.filter(|index| open(*index)) {
            return Some(index);
        }
        if let (Some(key), Some(slots)) = (asked.key, &self.slots) {
            return slots[whole.group].owner(key, 0).filter(|index| open(*index));
        }
        if self.choosing.balance == Balance::LeastRequests {
            let load = |place: usize| {
                let endpoint = &self.endpoints[whole.member(place)];
                endpoint.load_seen_by(asked.worker, asked.now_ms)
            };
            let may = |place: usize| open(whole.member(place));
            return least_requests::choose(&whole.weights, asked.random, may, load)
                .map(|place| whole.member(place));
        }
        whole.walk(view, open)
    }

    fn begin_trial(&self, index: usize, now_ms: u64) -> Option<Trial<'_>> {
        let policy = self.choosing.outlier.as_ref()?;
        Trial::begin(&self.endpoints[index], now_ms, policy.silence_ms)
    }

    fn trial_of(&self, index: usize, outlook: &Outlook, now_ms: u64) -> Option<Trial<'_>> {
        let due = outlook.due.contains(&index);
        due.then(|| self.begin_trial(index, now_ms)).flatten()
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
            return least_requests::choose(weights, asked.random, may, load)
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
#[path = "choice_tests.rs"]
mod tests;
