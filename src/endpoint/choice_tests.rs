use std::sync::Arc;
use std::task::Poll;

use super::*;
use crate::endpoint::{
    Choosing, EjectionTerms, Entrance, HashOn, Member, OutlierPolicy, Queued, Reason, changes,
};

const HASH: Balance = Balance::Hash(HashOn::SourceIp);
const ALL: [Balance; 3] = [Balance::RoundRobin, Balance::LeastRequests, HASH];

/// Endpoints that are near or far.
fn members(near: &[bool]) -> Vec<Member> {
    let member = |(port, near): (u16, &bool)| Member {
        endpoint: Arc::new(EndpointState::new(([192, 0, 2, 1], port).into(), 1)),
        weight: 1,
        near: *near,
        since_ms: 0,
    };
    (0..).zip(near).map(member).collect()
}

/// A set where one failure ejects for a second.
fn set(members: Vec<Member>, balance: Balance) -> EndpointSet {
    let policy = OutlierPolicy {
        failures_in_a_row: 1,
        success_percent: 0,
        min_requests: 1,
        window_ms: 1_000,
        ejection: EjectionTerms { base_ms: 1_000, max_ms: 9_000 },
        silence_ms: 500,
    };
    EndpointSet::new(members, Choosing { outlier: Some(policy), ..Choosing::by(balance, 1) })
}

/// What a request asks at `now_ms` that is number `n`.
fn asked(balance: &Balance, now_ms: u64, n: u64) -> Asked {
    let n = key::spin(n);
    let key = matches!(balance, Balance::Hash(_)).then_some(n);
    Asked { now_ms, random: n, key, ..Asked::default() }
}

fn tried(indices: &[usize]) -> Tried {
    let mut tried = Tried::new();
    indices.iter().for_each(|index| tried.insert(*index));
    tried
}

#[test]
fn a_request_stays_with_its_endpoint_while_another_is_not_well() {
    for balance in ALL {
        let set = set(members(&[true; 4]), balance.clone());
        set.endpoints()[0].pass_over(0, Reason::New);
        for n in 0..20 {
            let own = Asked { stay_with: Some(2), ..asked(&balance, 1, n) };
            assert_eq!(set.choose(&own, &Tried::new()).map(|choice| choice.index), Some(2));
        }
    }
}

#[test]
fn a_request_that_would_stay_with_an_ejected_endpoint_is_its_trial_when_that_is_due() {
    for balance in ALL {
        let set = set(members(&[true; 2]), balance.clone());
        assert!(set.note(1, None, false, &asked(&balance, 0, 0)).is_some());
        let own = |now_ms| Asked { stay_with: Some(1), ..asked(&balance, now_ms, 0) };
        let chosen = |now_ms| {
            let choice = set.choose(&own(now_ms), &Tried::new()).unwrap();
            (choice.index, choice.trial.is_some())
        };
        assert_eq!(chosen(899), (0, false));
        assert_eq!(chosen(1_000), (1, true));
    }
}

#[test]
fn a_request_without_a_key_tries_whatever_is_due() {
    let set = set(members(&[true; 2]), HASH);
    let asked = |now_ms| Asked { key: None, ..asked(&HASH, now_ms, 0) };
    assert!(set.note(1, None, false, &asked(0)).is_some());
    let choice = set.choose(&asked(1_000), &Tried::new()).unwrap();
    assert_eq!((choice.index, choice.trial.is_some()), (1, true));
}

#[test]
fn where_all_of_one_zone_were_tried_the_other_is_gone_to() {
    for slow_start_ms in [0, 1_000] {
        for balance in ALL {
            let mut members = members(&[true, true, false, false]);
            // In its slow start, where there is one; each other one is done with it.
            members[2].since_ms = 100_000;
            let choosing = Choosing { slow_start_ms, ..Choosing::by(balance.clone(), 1) };
            let set = EndpointSet::new(members, choosing);
            set.endpoints()[0].pass_over(100_000, Reason::New);
            for n in 0..50 {
                let index = |tried: &[usize]| {
                    let choice = set.choose(&asked(&balance, 100_001, n), &self::tried(tried));
                    choice.map(|choice| choice.index)
                };
                assert_eq!(index(&[2, 3]), Some(1), "whichever zone it would come to first");
                assert!(index(&[1]).is_some_and(|index| index > 1));
            }
        }
    }
}

#[test]
fn a_key_whose_every_turn_leads_to_who_was_tried_goes_to_any_other() {
    let mut members = members(&[true; 3]);
    members[0].weight = u16::MAX;
    let set = set(members, HASH);
    let chosen = (0..50).map(|n| set.choose(&asked(&HASH, 0, n), &tried(&[0])).unwrap().index);
    let mut chosen: Vec<_> = chosen.collect();
    chosen.sort_unstable();
    chosen.dedup();
    assert_eq!(chosen, [1, 2]);
}

#[test]
fn who_is_only_passed_over_goes_before_who_is_ejected() {
    for balance in ALL {
        let set = set(members(&[true; 4]), balance.clone());
        set.endpoints()[1].pass_over(0, Reason::New);
        assert!(set.note(2, None, false, &asked(&balance, 0, 0)).is_some());
        assert!(set.note(3, None, false, &asked(&balance, 0, 0)).is_some());
        for n in 0..20 {
            let asked = asked(&balance, 1, n);
            let index = |tried| set.choose(&asked, &tried).map(|choice| choice.index);
            assert_eq!(index(tried(&[0])), Some(1));
            assert!(index(tried(&[0, 1])).is_some_and(|index| index > 1));
            assert_eq!(set.wanted(&asked, |index| index != 0), [false, true, false, false]);
            assert_eq!(set.wanted(&asked, |index| index > 1), [false, false, true, true]);
        }
    }
}

#[test]
fn the_turns_of_a_light_endpoint_are_spread_over_the_round() {
    let mut members = members(&[true; 2]);
    (members[0].weight, members[1].weight) = (30, 11);
    let set = set(members, Balance::RoundRobin);
    let views = set.views(&Asked::default());
    let chosen = (0..82).map(|_| views.whole.walk(views.of(0), |_| true).unwrap());
    let light: Vec<_> = chosen.enumerate().filter(|(_, index)| *index == 1).collect();
    assert!(light.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 5), "{light:?}");
}

#[test]
fn a_worker_remembers_that_all_are_well_until_something_changes() {
    let set = set(members(&[true; 2]), Balance::RoundRobin);
    let is_well = |worker, now_ms| {
        let asked = Asked { worker, now_ms, ..Asked::default() };
        let view = set.views(&asked).of(worker);
        loop {
            // Other tests change their endpoints meanwhile.
            let before = changes::count();
            drop(set.outlook(view, &asked));
            let is_well = view.is_well();
            if changes::count() == before {
                return is_well;
            }
        }
    };
    assert!(is_well(0, 0));
    set.endpoints()[1].pass_over(0, Reason::New);
    assert_eq!([1, 4_999, 5_000].map(|now_ms| is_well(0, now_ms)), [false, false, true]);
    assert!(is_well(7, 5_001), "a worker beyond the number has the view of another");
}

#[test]
fn one_that_waits_for_its_own_endpoint_tries_no_other() {
    let line = crate::endpoint::EndpointRegistry::new(1).line(&"a.test".into(), 9);
    let set = set(members(&[true; 2]), Balance::RoundRobin).with_line(line);
    set.endpoints()[0].set_max_requests(Some(1));
    assert!(set.note(1, None, false, &Asked::default()).is_some());
    let _full = set.endpoints()[0].try_lease(0).unwrap();
    let mut queued = Queued::join(&set, 0, None).unwrap();
    let mut poll = |stay_with| {
        let asked = Asked { now_ms: 1_000, stay_with, ..Asked::default() };
        queued.poll(std::task::Waker::noop(), &Tried::new(), |_| false, &asked)
    };
    assert!(poll(Some(0)).is_pending(), "although the other is due");
    let Poll::Ready(Entrance::In(choice, _)) = poll(None) else { panic!("it waits") };
    assert!(choice.index == 1 && choice.trial.is_some());
}
