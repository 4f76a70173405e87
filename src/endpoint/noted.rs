//! What requests tell a set of its endpoints, and what it tells an operator.

use std::sync::Arc;

use crate::endpoint::choice::Asked;
use crate::endpoint::condition::{Change, Condition, Reason, Seen};
use crate::endpoint::outlier::Failing;
use crate::endpoint::set::EndpointSet;
use crate::endpoint::state::{EndpointState, SeenOn};
use crate::endpoint::trial::Trial;

impl EndpointSet {
    /// The condition of an endpoint as an operator sees it; `None` if there is
    /// none of this index.
    pub fn seen(&self, index: usize, now_ms: u64) -> Option<Seen> {
        let endpoint = self.endpoints().get(index)?;
        let probed = self.probed().get(index);
        if let Some(down) = probed.filter(|probed| probed.is_down()) {
            let (_, since_ms) = down.standing();
            let (condition, reason) = (Condition::Down, Reason::Probes);
            return Some(Seen { condition, since_ms, reason, until_ms: None });
        }
        let on = SeenOn {
            slow_start_ms: self.choosing().slow_start_ms,
            brought_back_ms: probed.and_then(|probed| probed.returned_ms()),
            ejection_counts: self.heeds_ejection(index),
        };
        Some(endpoint.seen(now_ms, on))
    }

    /// Whether an ejection of this endpoint, which is not down, counts here, on
    /// whatever route it was: not where endpoints are not ejected, nor beyond half
    /// of them.
    fn heeds_ejection(&self, index: usize) -> bool {
        if self.choosing().outlier.is_none() {
            return false;
        }
        // They did not take out all: this one is not down.
        let is_down =
            |index: usize| self.probed().get(index).is_some_and(|probed| probed.is_down());
        let before = self.endpoints().iter().enumerate().take(index);
        let is_out =
            |(index, other): &(usize, &Arc<EndpointState>)| !is_down(*index) && !other.is_in();
        before.filter(is_out).count() < self.len() / 2
    }

    /// Notes how a request on an endpoint of this set ended; what the endpoint
    /// is now, if that is news. A trial ends with it.
    pub fn note(
        &self,
        index: usize,
        trial: Option<Trial<'_>>,
        worked: bool,
        asked: &Asked,
    ) -> Option<Change> {
        let policy = self.choosing().outlier.as_ref()?;
        let Asked { worker, now_ms, random, .. } = *asked;
        if let Some(endpoint) = trial.and_then(Trial::into_verdict)
            && let Some(change) = endpoint.end_trial(worked, now_ms, random, policy)
        {
            return Some(change);
        }
        let endpoint = self.endpoints().get(index)?;
        if worked {
            return endpoint.worked(worker, now_ms, policy);
        }
        endpoint.failed(Failing::Head, asked, policy, || self.may_eject())
    }

    /// Notes that an answer's head came, and its content did not come whole;
    /// what the endpoint is now, if that is news.
    pub fn note_broken_off(&self, index: usize, asked: &Asked) -> Option<Change> {
        let policy = self.choosing().outlier.as_ref()?;
        let endpoint = self.endpoints().get(index)?;
        endpoint.failed(Failing::Content, asked, policy, || self.may_eject())
    }

    /// Notes that a client left that had waited for this endpoint's answer for so
    /// long; what the endpoint is now, if that is news.
    pub fn note_left(&self, index: usize, waited_ms: u64, now_ms: u64) -> Option<Change> {
        let policy = self.choosing().outlier.as_ref()?;
        if waited_ms < policy.silence_ms {
            return None;
        }
        self.endpoints().get(index)?.left(now_ms, policy, || self.may_eject())
    }

    /// Whether another one may be ejected: never more than half are.
    fn may_eject(&self) -> bool {
        let is_out = |other: &&Arc<EndpointState>| !other.is_in();
        self.endpoints().iter().filter(is_out).count() < self.len() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::rise_fall::Standing as Probes;
    use crate::endpoint::{
        Balance, Choosing, EjectionTerms, HealthCheck, LastProbe, Member, OutlierPolicy,
        ProbeRegistry,
    };

    fn policy() -> OutlierPolicy {
        OutlierPolicy {
            failures_in_a_row: 2,
            success_percent: 0,
            min_requests: 1,
            window_ms: 1_000,
            ejection: EjectionTerms { base_ms: 1_000, max_ms: 9_000 },
            silence_ms: 500,
        }
    }

    fn states(count: u16) -> Vec<Arc<EndpointState>> {
        let state = |port| Arc::new(EndpointState::new(([192, 0, 2, 1], port).into(), 1));
        (0..count).map(state).collect()
    }

    fn set(states: &[Arc<EndpointState>], outlier: Option<OutlierPolicy>) -> EndpointSet {
        let member = |endpoint| Member { endpoint, weight: 1, near: true, since_ms: 0 };
        let members = states.iter().cloned().map(member).collect();
        let choosing = Choosing { outlier, ..Choosing::by(Balance::RoundRobin, 1) };
        EndpointSet::new(members, choosing)
    }

    fn asked(now_ms: u64) -> Asked {
        Asked { now_ms, ..Asked::default() }
    }

    fn conditions(set: &EndpointSet, now_ms: u64) -> Vec<Condition> {
        (0..set.len()).map(|index| set.seen(index, now_ms).unwrap().condition).collect()
    }

    /// Ejects these on a route of their own among four others.
    fn eject(states: &[Arc<EndpointState>]) {
        let large = set(&[states.to_vec(), self::states(4)].concat(), Some(policy()));
        for index in 0..states.len() {
            assert_eq!(large.note(index, None, false, &asked(0)), None);
            assert!(large.note(index, None, false, &asked(0)).is_some());
        }
    }

    use Condition::{Available, Down, Ejected};

    #[test]
    fn an_ejection_is_shown_where_it_counts() {
        let states = states(4);
        eject(&states[..3]);
        let seen = |states: &[Arc<EndpointState>], outlier| conditions(&set(states, outlier), 1);
        let on = || Some(policy());
        assert_eq!(seen(&states, on()), [Ejected, Ejected, Available, Available]);
        assert_eq!(seen(&states[1..], on()), [Ejected, Available, Available]);
        assert_eq!(seen(&states[2..], on()), [Ejected, Available]);
        assert_eq!(seen(&states[..1], on()), [Available], "alone");
        assert_eq!(seen(&states, None), [Available; 4], "where nobody is ejected");
        assert_eq!(set(&states, on()).seen(4, 1), None);
    }

    #[test]
    fn who_is_down_is_none_of_the_half_that_may_be_ejected_unless_all_are_down() {
        let states = states(4);
        eject(&states[..3]);
        let registry = ProbeRegistry::default();
        let check = HealthCheck::default().of_route("a");
        let seen = |down: &[usize]| {
            let probed = states.iter().enumerate().map(|(index, state)| {
                let probed = registry.resolve(state.address(), 0, &check);
                let standing = if down.contains(&index) { Probes::Down } else { Probes::Up };
                probed.note(LastProbe { at_ms: 1, fault: None }, Some(standing));
                probed
            });
            conditions(&set(&states, Some(policy())).with_probes(probed.collect()), 1)
        };
        assert_eq!(seen(&[]), [Ejected, Ejected, Available, Available]);
        assert_eq!(seen(&[0]), [Down, Ejected, Ejected, Available]);
        assert_eq!(seen(&[3]), [Ejected, Ejected, Available, Down]);
        assert_eq!(seen(&[0, 1, 2, 3]), [Down; 4]);
    }

    #[test]
    fn a_request_that_works_ends_a_row_of_failures() {
        let set = set(&states(2), Some(policy()));
        for _ in 0..9 {
            assert_eq!(set.note(0, None, false, &asked(0)), None);
            assert_eq!(set.note(0, None, true, &asked(0)), None);
        }
        assert_eq!(set.note(0, None, false, &asked(0)), None);
        let ejected = Change { to: Ejected, reason: Reason::FailuresInARow };
        assert_eq!(set.note(0, None, false, &asked(0)), Some(ejected));
    }

    #[test]
    fn answers_that_break_off_eject_up_to_half() {
        let set = set(&states(2), Some(policy()));
        for index in [0, 1] {
            assert!(set.note(index, None, true, &asked(0)).is_none());
            assert_eq!(set.note_broken_off(index, &asked(0)), None);
            assert!(set.note(index, None, true, &asked(0)).is_none());
        }
        let ejected = Change { to: Ejected, reason: Reason::FailuresInARow };
        assert_eq!(set.note_broken_off(1, &asked(0)), Some(ejected));
        assert_eq!(set.note_broken_off(0, &asked(0)), None, "half is out");
        assert!(set.endpoints()[0].breaks_off());
        assert_eq!(conditions(&set, 1), [Available, Ejected]);
    }

    #[test]
    fn who_breaks_off_after_its_trial_too_is_out_again_at_once_and_for_longer() {
        let states = states(2);
        let set = set(&states, Some(policy()));
        let break_off = |now_ms| set.note_broken_off(0, &asked(now_ms));
        let ejected = Some(Change { to: Ejected, reason: Reason::FailuresInARow });
        assert_eq!([break_off(0), break_off(0)], [None, ejected]);
        let pass_trial = |now_ms| {
            let trial = Trial::begin(&states[0], now_ms, 500).expect("its time is up");
            let passed = set.note(0, Some(trial), true, &asked(now_ms)).expect("it is news");
            assert_eq!(passed.to, Available);
        };
        pass_trial(1_000);
        assert_eq!(break_off(1_001), ejected);
        assert_eq!(conditions(&set, 2_900)[0], Ejected, "twice as long");
        pass_trial(3_001);
        states[0].delivered();
        assert_eq!(break_off(3_002), None, "one that came whole ended the row");
    }

    #[test]
    fn clients_that_leave_early_say_nothing_and_the_others_make_suspects_of_up_to_half() {
        let set = set(&states(2), Some(policy()));
        let leave = |index, waited_ms, now_ms| set.note_left(index, waited_ms, now_ms);
        assert!((0..9).all(|n| leave(0, 499, 1_000 * n).is_none()), "too early to tell");
        assert_eq!([leave(0, 500, 1_000), leave(1, 500, 1_000)], [None; 2]);
        let suspected = Change { to: Condition::HalfOpen, reason: Reason::ClientsLeft };
        assert_eq!(leave(0, 500, 1_500), Some(suspected));
        assert_eq!(leave(1, 500, 1_500), None, "half is");
        let back = Change { to: Available, reason: Reason::TrialPassed };
        assert_eq!(set.note(0, None, true, &asked(1_600)), Some(back), "it has answered");
        assert_eq!(conditions(&set, 1_600), [Available; 2]);
        assert_eq!(leave(1, 500, 1_600), Some(suspected));
    }

    #[test]
    fn where_nobody_is_ejected_nothing_is_noted() {
        let set = set(&states(2), None);
        for _ in 0..9 {
            assert_eq!(set.note(0, None, false, &asked(0)), None);
            assert_eq!(set.note_broken_off(0, &asked(0)), None);
        }
        assert!(!set.endpoints()[0].breaks_off());
    }
}
