//! Who of a set is fit to be chosen, as one worker remembers it.
//!
//! To ask every endpoint for every request would cost what the set is long, so a
//! worker asks once and remembers: until something changed anywhere
//! ([`changes`]), or until time alone changes something, such as the end of a
//! pass-over. What is remembered are the endpoints to choose from, in two groups
//! by zone, so that a choice costs the same however many are out.

use std::sync::Arc;

use crate::endpoint::changes;
use crate::endpoint::ejection::Standing;
use crate::endpoint::key;
use crate::endpoint::probed::Probed;
use crate::endpoint::round_robin::Walk;
use crate::endpoint::set::Choosing;
use crate::endpoint::state::EndpointState;
use crate::endpoint::weights::Weights;

/// Shares of a whole, in so many parts.
const WHOLE: u64 = 1 << 16;
/// The least share of an endpoint in its slow start: without requests at all
/// nothing in it would get warm.
const LEAST_RAMP: u64 = WHOLE / 10;
/// Shares that differ by so little are the same: endpoints that came together
/// did so within a moment.
const ALIKE: u64 = WHOLE / 32;
/// How often a growing share is looked at again, in milliseconds.
const RAMP_STEP_MS: u64 = 50;

/// An endpoint as its set knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) weight: u16,
    /// Whether it is in the router's zone, or the router in none.
    pub(super) near: bool,
}

/// How good an endpoint is, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// Probes found it ill.
    Down,
    /// Ejected.
    Out,
    PassedOver,
    Fit,
}

/// What one worker remembers of a set.
#[derive(Debug)]
pub(super) struct Outlook {
    /// The count of changes it was made at; 0 if it never was.
    made_at: u64,
    stale_at_ms: u64,
    fitness: Vec<Fitness>,
    /// Near ones, then far ones.
    pub(super) groups: [Group; 2],
    /// How much of the traffic stays near.
    near_share: u64,
    /// Ejected ones that wait for a trial.
    pub(super) due: Vec<usize>,
    /// The share of each endpoint that is let through; empty if all is.
    ramp: Vec<u64>,
}

/// A set, as it is judged.
#[derive(Clone, Copy)]
pub(super) struct All<'a> {
    pub(super) endpoints: &'a [Arc<EndpointState>],
    pub(super) places: &'a [Place],
    /// Empty without a health check.
    pub(super) probed: &'a [Arc<Probed>],
    pub(super) choosing: &'a Choosing,
}

/// Endpoints that may be chosen.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: Vec<usize>,
    pub(super) weights: Weights,
    pub(super) walk: Option<Walk>,
}

impl Outlook {
    pub(super) fn new() -> Self {
        let group = || Group {
            members: Vec::new(),
            weights: Weights::new([0u16; 0].into_iter()),
            walk: None,
        };
        Self {
            made_at: 0,
            stale_at_ms: 0,
            fitness: Vec::new(),
            groups: [group(), group()],
            near_share: WHOLE,
            due: Vec::new(),
            ramp: Vec::new(),
        }
    }

    /// Looks again if anything may have changed, and says whether it did.
    /// `random` places the walks.
    pub(super) fn refresh(
        &mut self,
        all: All<'_>,
        (worker, now_ms, random): (usize, u64, u64),
    ) -> bool {
        let changes = changes::count();
        if self.made_at == changes && now_ms < self.stale_at_ms {
            return false;
        }
        self.made_at = changes;
        self.stale_at_ms = u64::MAX;
        self.judge(all, now_ms);
        self.fail_open();
        self.ramp(all, now_ms);
        self.group(all.places, all.choosing, worker, random);
        true
    }

    fn judge(&mut self, All { endpoints, probed, choosing, .. }: All<'_>, now_ms: u64) {
        // If probes took all out, more likely the check is wrong than every
        // endpoint ill, and they say nothing.
        let probes_speak = probed.iter().any(|probed| !probed.is_down());
        // Never more than half of a set is out, whatever other routes to the
        // same addresses think of them.
        let mut may_be_out = endpoints.len() / 2;
        self.fitness.clear();
        self.due.clear();
        for (index, endpoint) in endpoints.iter().enumerate() {
            if probes_speak && probed.get(index).is_some_and(|probed| probed.is_down()) {
                self.fitness.push(Fitness::Down);
                continue;
            }
            let passed_until_ms = endpoint.passed_over_until_ms();
            let mut fitness = Fitness::Fit;
            if passed_until_ms > now_ms {
                self.stale_at_ms = self.stale_at_ms.min(passed_until_ms);
                fitness = Fitness::PassedOver;
            }
            let standing = match &choosing.outlier {
                Some(policy) => endpoint.standing(now_ms, policy.silence_ms),
                None => Standing::In,
            };
            match standing {
                Standing::In => {}
                Standing::Out { until_ms } | Standing::OnLentTrial { until_ms } => {
                    self.stale_at_ms = self.stale_at_ms.min(until_ms);
                }
                Standing::Due { .. } if fitness == Fitness::Fit => self.due.push(index),
                Standing::Due { .. } | Standing::OnTrial => {}
            }
            if standing != Standing::In && may_be_out > 0 {
                may_be_out -= 1;
                fitness = Fitness::Out;
            }
            self.fitness.push(fitness);
        }
    }

    /// Where none is fit, those are used that are the least unfit.
    fn fail_open(&mut self) {
        let best = self.fitness.iter().max().copied().unwrap_or(Fitness::Fit);
        for fitness in &mut self.fitness {
            if *fitness == best {
                *fitness = Fitness::Fit;
            }
        }
    }

    /// The shares of endpoints that came a short while ago, or came back, beside
    /// what the oldest of their zone has: where all that are fit are new there is
    /// nobody to spare them, and those that came together share alike.
    fn ramp(&mut self, all: All<'_>, now_ms: u64) {
        self.ramp.clear();
        let slow_start_ms = all.choosing.slow_start_ms;
        if slow_start_ms == 0 {
            return;
        }
        let grown = |index: usize| {
            let returned_ms = all.probed.get(index).and_then(|probed| probed.returned_ms());
            let came_ms = all.endpoints[index].came_ms().max(returned_ms.unwrap_or(0));
            let age_ms = now_ms.saturating_sub(came_ms);
            (age_ms.saturating_mul(WHOLE) / slow_start_ms).clamp(LEAST_RAMP, WHOLE)
        };
        let (mut least, mut most) = ([WHOLE; 2], [LEAST_RAMP; 2]);
        for index in (0..all.endpoints.len()).filter(|i| self.fitness[*i] == Fitness::Fit) {
            let (zone, grown) = (usize::from(!all.places[index].near), grown(index));
            (least[zone], most[zone]) = (least[zone].min(grown), most[zone].max(grown));
        }
        if least.iter().any(|least| *least < WHOLE) {
            self.stale_at_ms = self.stale_at_ms.min(now_ms + RAMP_STEP_MS);
        }
        if [0, 1].iter().any(|zone| least[*zone] + ALIKE < most[*zone]) {
            let share = |index: usize| {
                let most = most[usize::from(!all.places[index].near)];
                (grown(index) * WHOLE / most).min(WHOLE)
            };
            self.ramp.extend((0..all.endpoints.len()).map(share));
        }
    }

    fn group(&mut self, places: &[Place], choosing: &Choosing, worker: usize, random: u64) {
        for (group, near) in self.groups.iter_mut().zip([true, false]) {
            group.members.clear();
            let fit = (0..places.len())
                .filter(|i| places[*i].near == near && self.fitness[*i] == Fitness::Fit);
            group.members.extend(fit);
            group.weights = Weights::new(group.members.iter().map(|index| places[*index].weight));
            group.walk = Some(match group.walk {
                Some(walk) => walk.over(&group.weights),
                None => Walk::new(&group.weights, worker, choosing.workers, random),
            });
        }
        let weight = |indices: &mut dyn Iterator<Item = usize>| -> u64 {
            indices.map(|index| u64::from(places[index].weight.max(1))).sum()
        };
        let all = weight(&mut (0..places.len()).filter(|index| places[*index].near));
        let fit = weight(&mut self.groups[0].members.iter().copied());
        self.near_share = near_share(fit, all, choosing.enough_percent);
    }

    /// The count of changes it was made at, if every endpoint was fit and will
    /// be until the next change.
    pub(super) fn well_at(&self) -> Option<u64> {
        let all_fit = self.fitness.iter().all(|fitness| *fitness == Fitness::Fit);
        let lasts = self.stale_at_ms == u64::MAX && self.due.is_empty() && self.ramp.is_empty();
        (all_fit && lasts).then_some(self.made_at)
    }

    /// Whether this endpoint is among those chosen from.
    pub(super) fn is_fit(&self, index: usize) -> bool {
        self.fitness.get(index) == Some(&Fitness::Fit)
    }

    /// Whether this endpoint is only passed over, and not out.
    pub(super) fn is_passed_over(&self, index: usize) -> bool {
        self.fitness.get(index) == Some(&Fitness::PassedOver)
    }

    /// Whether probes took this endpoint out, and not all.
    pub(super) fn is_down(&self, index: usize) -> bool {
        self.fitness.get(index) == Some(&Fitness::Down)
    }

    /// Whether any endpoint is in its slow start.
    pub(super) fn is_ramping(&self) -> bool {
        !self.ramp.is_empty()
    }

    /// The group to choose from first, for a request with this lot.
    pub(super) fn first_group(&self, lot: u64) -> usize {
        let near = lot % WHOLE < self.near_share;
        let (chosen, other) = if near { (0, 1) } else { (1, 0) };
        if self.groups[chosen].members.is_empty() { other } else { chosen }
    }

    /// Whether the request with this lot is one of those an endpoint in its slow
    /// start is given.
    pub(super) fn lets_through(&self, index: usize, lot: u64) -> bool {
        let Some(share) = self.ramp.get(index) else { return true };
        // One multiplication is mixing enough: the lot is spun.
        *share == WHOLE || key::stir(lot, index as u64) % WHOLE < *share
    }

    /// A load as it weighs for an endpoint that is given less than its share.
    pub(super) fn weigh(&self, index: usize, load: u64) -> u64 {
        match self.ramp.get(index) {
            // A division costs as much as the rest of a choice.
            None | Some(&WHOLE) => load,
            Some(share) => load * WHOLE / share,
        }
    }
}

/// How much of the traffic stays near: all of it while enough of what is near is
/// fit, and then as much less as is missing.
fn near_share(fit: u64, all: u64, enough_percent: u64) -> u64 {
    if all == 0 {
        return 0;
    }
    (WHOLE * fit * 100 / (all * enough_percent.max(1))).min(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Asked, Balance, EndpointSet, Member, OutlierPolicy, Reason};

    /// Endpoints that came at these times; one failure ejects.
    fn set(came_ms: &[u64], slow_start_ms: u64) -> EndpointSet {
        let member = |(port, since_ms): (u16, &u64)| Member {
            endpoint: Arc::new(EndpointState::new(([192, 0, 2, 1], port).into(), 1)),
            weight: 1,
            near: true,
            since_ms: *since_ms,
        };
        let outlier = OutlierPolicy {
            failures_in_a_row: 1,
            success_percent: 0,
            min_requests: 1,
            window_ms: 1_000,
            ejection: crate::endpoint::EjectionTerms { base_ms: 1_000, max_ms: 9_000 },
            silence_ms: 500,
        };
        let by = Choosing::by(Balance::RoundRobin, 1);
        let choosing = Choosing { slow_start_ms, outlier: Some(outlier), ..by };
        EndpointSet::new((0..).zip(came_ms).map(member).collect(), choosing)
    }

    fn look<R>(set: &EndpointSet, now_ms: u64, look: impl FnOnce(&Outlook) -> R) -> R {
        let asked = Asked { now_ms, ..Asked::default() };
        look(&set.outlook(set.views(&asked).of(0), &asked))
    }

    #[test]
    fn all_are_well_if_they_are_and_time_alone_changes_nothing() {
        (0..3).for_each(|_| changes::note());
        let is_well = |set: &EndpointSet, now_ms| {
            let before = changes::count();
            let well_at = look(set, now_ms, Outlook::well_at);
            // Other tests change theirs meanwhile.
            assert!(well_at.is_none_or(|at| (before..=changes::count()).contains(&at)));
            well_at.is_some()
        };
        assert!(is_well(&set(&[0, 0], 0), 1));
        let came = set(&[0, 500], 1_000);
        assert_eq!([600, 1_200, 1_500].map(|at| is_well(&came, at)), [false, false, true]);
        let passed_over = set(&[0, 0], 0);
        passed_over.endpoints().iter().for_each(|one| _ = one.pass_over(0, Reason::New));
        assert_eq!([1, 5_000].map(|at| is_well(&passed_over, at)), [false, true]);
        // One that is alone is used although it is out, and waits for its trial.
        let two = set(&[0, 0], 0);
        let one =
            Member { endpoint: two.endpoints()[0].clone(), weight: 1, near: true, since_ms: 0 };
        let alone = EndpointSet::new(vec![one], two.choosing().clone());
        assert!(two.note(0, None, false, &Asked::default()).is_some());
        assert_eq!([1, 1_000].map(|at| is_well(&alone, at)), [false; 2]);
        assert!(look(&alone, 1_001, |outlook| outlook.is_fit(0)));
    }

    #[test]
    fn a_load_weighs_by_the_share_beside_the_oldest_and_alike_for_those_that_came_together() {
        let weighs = |set: &EndpointSet, now_ms| {
            look(set, now_ms, |o| ([0, 1].map(|index| o.weigh(index, 3)), o.is_ramping()))
        };
        let later = set(&[0, 500], 1_000);
        assert_eq!(weighs(&later, 600), ([3, 18], true), "a sixth");
        assert_eq!(weighs(&later, 1_000), ([3, 6], true), "half");
        assert_eq!(weighs(&later, 1_500), ([3, 3], false));
        let together = set(&[0, 31], 1_000);
        assert_eq!(weighs(&together, 600), ([3, 3], false));
    }

    #[test]
    fn traffic_stays_near_while_enough_is_fit_and_then_goes_in_proportion() {
        let percent = |fit, all| near_share(fit, all, 70) * 100 / WHOLE;
        assert_eq!(percent(10, 10), 100);
        assert_eq!(percent(7, 10), 100);
        assert_eq!(percent(6, 10), 85);
        assert_eq!(percent(3, 10), 42);
        assert_eq!(percent(0, 10), 0);
        assert_eq!(percent(0, 0), 0);
    }
}
