use std::task::Poll;

use super::*;
use crate::endpoint::rise_fall::Standing;
use crate::endpoint::{
    Change, Choice, Condition, Entrance, HealthCheck, LastProbe, ProbeRegistry, Queued, Reason,
    Trial, Tried,
};
use crate::error::Code;

fn members(count: u16) -> Vec<Member> {
    let member = |port| {
        let address = ([192, 0, 2, 1], port).into();
        Member {
            endpoint: Arc::new(EndpointState::new(address, 2)),
            weight: 1,
            near: true,
            since_ms: 0,
        }
    };
    (0..count).map(member).collect()
}

fn asked(now_ms: u64, random: u64) -> Asked {
    Asked { now_ms, random, ..Asked::default() }
}

fn set(count: u16, balance: Balance) -> EndpointSet {
    EndpointSet::new(members(count), Choosing::by(balance, 2))
}

fn tried(indices: &[usize]) -> Tried {
    let mut tried = Tried::new();
    indices.iter().for_each(|index| tried.insert(*index));
    tried
}

const REFUSED: Reason = Reason::Attempt(Code::ConnectRefused);
const BOTH: [Balance; 2] = [Balance::RoundRobin, Balance::LeastRequests];

#[test]
fn an_endpoint_passed_over_is_chosen_only_if_no_other_is_left() {
    for balance in BOTH {
        let set = set(3, balance);
        set.endpoints()[1].pass_over(1_000, REFUSED);
        set.endpoints()[2].pass_over(1_000, REFUSED);
        for random in 0..20 {
            let index = |tried: &[usize]| {
                set.choose(&asked(1_001, random), &self::tried(tried)).map(|choice| choice.index)
            };
            assert_eq!(index(&[]), Some(0));
            assert_eq!(index(&[0, 1]), Some(2));
            assert!(index(&[0]).is_some_and(|index| index > 0));
            assert_eq!(index(&[0, 1, 2]), None);
        }
    }
}

#[test]
fn a_pass_over_ends_after_five_seconds() {
    for balance in BOTH {
        let set = set(2, balance);
        set.endpoints()[1].pass_over(0, REFUSED);
        let seen = |now_ms| {
            (0..20u64).any(|random| {
                set.choose(&asked(now_ms, random), &Tried::new())
                    .is_some_and(|choice| choice.index == 1)
            })
        };
        assert!(!seen(4_999));
        assert!(seen(5_000));
    }
}

/// The set under a check, with these endpoints found ill.
fn probed(set: EndpointSet, down: &[usize]) -> EndpointSet {
    let registry = ProbeRegistry::default();
    let check = HealthCheck::default().of_route("a");
    let probed: Vec<_> =
        set.endpoints().iter().map(|e| registry.resolve(e.address(), 0, &check)).collect();
    for index in down {
        let probe = LastProbe { at_ms: 0, fault: Some("refused".into()) };
        probed[*index].note(probe, Some(Standing::Down));
    }
    set.with_probes(probed)
}

#[test]
fn an_endpoint_that_probes_took_out_is_not_chosen_even_if_the_others_are_passed_over_or_tried() {
    for balance in BOTH {
        let set = probed(set(3, balance), &[1]);
        set.endpoints()[0].pass_over(1_000, REFUSED);
        set.endpoints()[2].pass_over(1_000, REFUSED);
        for random in 0..20 {
            let index = |tried: &[usize]| {
                set.choose(&asked(1_001, random), &self::tried(tried)).map(|choice| choice.index)
            };
            assert!(index(&[]).is_some_and(|index| index != 1));
            assert_eq!(index(&[0]), Some(2));
            assert_eq!(index(&[0, 2]), None);
        }
    }
}

#[test]
fn if_probes_took_all_out_they_say_nothing() {
    for balance in BOTH {
        let set = probed(set(2, balance), &[0, 1]);
        let mut seen: Vec<_> = (0..20)
            .filter_map(|random| set.choose(&asked(0, random), &Tried::new()))
            .map(|choice| choice.index)
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1]);
        assert_eq!(set.choose(&asked(0, 0), &tried(&[0])).map(|choice| choice.index), Some(1));
        set.endpoints()[1].pass_over(0, REFUSED);
        let chosen = |random| set.choose(&asked(1, random), &Tried::new());
        assert!((0..20).all(|random| chosen(random).is_some_and(|choice| choice.index == 0)));
    }
}

#[test]
fn a_single_endpoint_is_chosen_until_it_was_tried() {
    let set = set(1, Balance::RoundRobin);
    assert!(!set.is_empty());
    set.endpoints()[0].pass_over(0, REFUSED);
    assert!(set.choose(&asked(1, 0), &Tried::new()).is_some());
    assert!(set.choose(&asked(1, 0), &tried(&[0])).is_none());
}

#[test]
fn of_no_endpoints_none_is_chosen() {
    for balance in BOTH {
        let set = set(0, balance);
        assert!(set.is_empty() && set.choose(&asked(0, 0), &Tried::new()).is_none());
    }
}

#[test]
fn least_requests_looks_at_what_is_in_flight() {
    let set = set(2, Balance::LeastRequests);
    let _lease = set.endpoints()[0].try_lease(0);
    for random in 0..50 {
        let choice = set.choose(&asked(0, random), &Tried::new()).unwrap();
        assert_eq!(choice.index, 1);
    }
}

fn policy() -> OutlierPolicy {
    OutlierPolicy {
        failures_in_a_row: 1,
        success_percent: 0,
        min_requests: 1,
        window_ms: 1_000,
        ejection: crate::endpoint::EjectionTerms { base_ms: 1_000, max_ms: 9_000 },
        silence_ms: 100,
    }
}

fn all_balances() -> [(Balance, Option<u64>); 3] {
    let hash = Balance::Hash(crate::endpoint::HashOn::SourceIp);
    [(Balance::RoundRobin, None), (Balance::LeastRequests, None), (hash, Some(7))]
}

#[path = "slow_start_tests.rs"]
mod slow_start;

#[test]
fn a_request_stays_with_its_endpoint_while_that_is_fit() {
    for (balance, key) in all_balances() {
        let set = set(4, balance);
        let asked = |now_ms| Asked { key, stay_with: Some(2), ..asked(now_ms, 3) };
        let index = |now_ms, tried: &[usize]| {
            set.choose(&asked(now_ms), &self::tried(tried)).map(|choice| choice.index)
        };
        assert_eq!(index(0, &[]), Some(2));
        assert_ne!(index(0, &[2]), Some(2));
        set.endpoints()[2].pass_over(0, REFUSED);
        assert_ne!(index(1, &[]), Some(2));
        assert_eq!(index(1, &[0, 1, 3]), Some(2), "there is no other");
        assert_eq!(index(5_000, &[]), Some(2));
    }
}

#[test]
fn one_request_tries_an_ejected_endpoint_and_another_if_that_one_has_no_verdict() {
    for (balance, key) in all_balances() {
        let choosing = Choosing { outlier: Some(policy()), ..Choosing::by(balance, 1) };
        let set = EndpointSet::new(members(2), choosing);
        let asked = |now_ms, n: u64| Asked { key: key.map(|_| key::spin(n)), ..asked(now_ms, n) };
        assert!(set.note(1, None, false, &asked(0, 0)).is_some());
        assert!(set.note(0, None, false, &asked(0, 0)).is_none(), "half of two is one");
        let chosen = |now_ms, n| set.choose(&asked(now_ms, n), &Tried::new()).unwrap();
        assert!((0..50).all(|n| chosen(899, n).index == 0));
        let tried = (0..50).map(|n| chosen(1_000, n)).find(|choice| choice.trial.is_some());
        let tried = tried.expect("some request is the trial");
        assert_eq!(tried.index, 1);
        let half_open = Change { to: Condition::HalfOpen, reason: Reason::EjectionEnded };
        assert_eq!(tried.trial.as_ref().and_then(Trial::change), Some(half_open));
        assert!((0..50).all(|n| chosen(1_001, n).index == 0), "there is one already");
        drop(tried);
        let again = (0..50).map(|n| chosen(1_002, n)).find(|choice| choice.trial.is_some());
        let Choice { index, trial, .. } = again.expect("another is the trial");
        assert_eq!(trial.as_ref().and_then(Trial::change), None, "it was half open before");
        assert!(set.note(index, trial, true, &asked(1_003, 0)).is_some());
        assert!((0..50).any(|n| chosen(1_004, n).index == 1), "it is back");
    }
}

#[test]
fn a_request_that_waits_tries_an_ejected_endpoint_when_that_is_due() {
    let choosing = Choosing { outlier: Some(policy()), ..Choosing::by(Balance::RoundRobin, 1) };
    let line = crate::sync::Arc::new(Line::new(10, Arc::new(Crowd::new(Arc::default()))));
    let set = EndpointSet::new(members(2), choosing).with_line(line);
    set.endpoints().iter().for_each(|endpoint| endpoint.set_max_requests(Some(1)));
    assert!(set.note(1, None, false, &asked(0, 0)).is_some());
    let _full = set.endpoints()[0].try_lease(0).unwrap();
    let mut queued = Queued::join(&set, 0, None).unwrap();
    let waker = std::task::Waker::noop();
    let mut poll = |now_ms| queued.poll(waker, &Tried::new(), |_| false, &asked(now_ms, 0));
    assert!(poll(899).is_pending());
    let Poll::Ready(Entrance::In(choice, lease)) = poll(1_000) else { panic!("it waits") };
    assert!(choice.index == 1 && choice.trial.is_some());
    drop((choice, lease));
    // Not one that is full itself, nor one that was tried or is gone.
    let _other = set.endpoints()[1].try_lease(0).unwrap();
    assert!(poll(1_001).is_pending());
    let mut waits = |gone| queued.poll(waker, &tried(&[1]), |_| gone, &asked(1_002, 0));
    assert!(waits(false).is_pending());
    assert!(matches!(waits(true), Poll::Ready(Entrance::NoneLeft)));
}

/// The members, these ejected on another route.
fn ejected_elsewhere(count: u16, ejected: &[usize]) -> Vec<Member> {
    let mine = members(count);
    let out: Vec<_> = ejected.iter().map(|index| mine[*index].clone()).collect();
    let others = (1_000..1_020).map(|port| Member {
        endpoint: Arc::new(EndpointState::new(([192, 0, 2, 1], port).into(), 2)),
        ..mine[0].clone()
    });
    let choosing = Choosing { outlier: Some(policy()), ..Choosing::by(Balance::RoundRobin, 1) };
    let elsewhere = EndpointSet::new(out.into_iter().chain(others).collect(), choosing);
    for index in 0..ejected.len() {
        assert!(elsewhere.note(index, None, false, &asked(0, 0)).is_some());
    }
    mine
}

#[test]
fn no_more_than_half_is_out_whatever_other_routes_think() {
    for (balance, key) in all_balances() {
        let choosing = || Choosing { outlier: Some(policy()), ..Choosing::by(balance.clone(), 1) };
        let used = |count: u16, ejected: &[usize]| {
            let set = EndpointSet::new(ejected_elsewhere(count, ejected), choosing());
            let asked = |n| Asked { key: key.map(|_| key::spin(n)), ..asked(1, key::spin(n)) };
            let chosen = (0..200).filter_map(|n| set.choose(&asked(n), &Tried::new()));
            let mut used: Vec<_> = chosen.map(|choice| choice.index).collect();
            used.sort_unstable();
            used.dedup();
            used
        };
        assert_eq!(used(4, &[1]), [0, 2, 3]);
        assert_eq!(used(4, &[0, 1]), [2, 3]);
        assert_eq!(used(4, &[0, 1, 2]), [2, 3]);
        assert_eq!(used(5, &[0, 1, 2, 3, 4]), [2, 3, 4]);
        assert_eq!(used(2, &[0, 1]), [1]);
        assert_eq!(used(1, &[0]), [0]);
    }
}

#[test]
fn where_all_are_passed_over_they_take_turns_all_the_same() {
    let set = set(3, Balance::RoundRobin);
    for endpoint in set.endpoints() {
        endpoint.pass_over(0, REFUSED);
    }
    let chosen = (0..9).filter_map(|_| set.choose(&asked(1, 0), &Tried::new()));
    let mut shares = [0; 3];
    chosen.for_each(|choice| shares[choice.index] += 1);
    assert_eq!(shares, [3; 3]);
}

#[test]
fn an_endpoint_that_is_passed_over_too_is_not_tried_before_that_ends() {
    let members = ejected_elsewhere(2, &[1]);
    let choosing = Choosing { outlier: Some(policy()), ..Choosing::by(Balance::RoundRobin, 1) };
    let set = EndpointSet::new(members, choosing);
    set.endpoints()[1].pass_over(0, REFUSED);
    let tries = |now_ms| {
        let choice = set.choose(&asked(now_ms, 0), &Tried::new()).unwrap();
        choice.trial.is_some()
    };
    assert_eq!([1_000, 4_999, 5_000].map(tries), [false, false, true]);
}

#[test]
fn an_ejected_endpoint_is_used_when_those_that_are_fit_were_tried() {
    let choosing = Choosing { outlier: Some(policy()), ..Choosing::by(Balance::RoundRobin, 1) };
    let set = EndpointSet::new(ejected_elsewhere(2, &[1]), choosing);
    assert_eq!(set.choose(&asked(1, 0), &tried(&[0])).map(|choice| choice.index), Some(1));
}

#[test]
fn traffic_leaves_the_zone_in_proportion_to_what_is_missing_there() {
    for (balance, key) in all_balances() {
        let near_of_700 = |passed_over: &[usize]| {
            let mut members = members(8);
            members.iter_mut().skip(4).for_each(|member| member.near = false);
            let set = EndpointSet::new(members, Choosing::by(balance.clone(), 1));
            for index in passed_over {
                set.endpoints()[*index].pass_over(0, REFUSED);
            }
            let asked = |n| Asked { key: key.map(|_| key::spin(n)), ..asked(1, key::spin(n)) };
            let chosen = (0..700).filter_map(|n| set.choose(&asked(n), &Tried::new()));
            chosen.filter(|choice| choice.index < 4).count()
        };
        // Three of four are more than the 70 % that are enough.
        assert_eq!((near_of_700(&[]), near_of_700(&[2])), (700, 700));
        let (half, quarter) = (near_of_700(&[0, 1]), near_of_700(&[0, 1, 2]));
        assert!((450..550).contains(&half), "{half} is not near 500");
        assert!((200..300).contains(&quarter), "{quarter} is not near 250");
        assert_eq!(near_of_700(&[0, 1, 2, 3]), 0);
        assert_eq!(near_of_700(&[4, 5, 6, 7]), 700);
    }
}

#[test]
fn a_load_weighs_more_at_an_endpoint_in_its_slow_start() {
    let mut members = members(2);
    members[1].since_ms = 10_000;
    let choosing = Choosing { slow_start_ms: 1_000, ..Choosing::by(Balance::LeastRequests, 1) };
    let set = EndpointSet::new(members, choosing);
    let [_one, _two] = [0, 1].map(|index| set.endpoints()[index].try_lease(0));
    let chosen = (0..200).filter_map(|n| set.choose(&asked(10_500, key::spin(n)), &Tried::new()));
    assert_eq!(chosen.filter(|choice| choice.index == 1).count(), 0, "one counts as two");
}

#[test]
fn an_endpoint_that_probes_bring_back_has_a_growing_share() {
    for (balance, key) in all_balances() {
        let choosing = Choosing { slow_start_ms: 1_000, ..Choosing::by(balance, 1) };
        let set = probed(EndpointSet::new(members(4), choosing), &[3]);
        let share = |now_ms| {
            let asked =
                |n: u64| Asked { key: key.map(|_| key::spin(n)), ..asked(now_ms, key::spin(n)) };
            let chosen = (0..4_000).filter_map(|n| set.choose(&asked(n), &Tried::new()));
            chosen.filter(|choice| choice.index == 3).count()
        };
        assert_eq!(share(9_999), 0);
        let back = LastProbe { at_ms: 10_000, fault: None };
        set.probed()[3].note(back, Some(Standing::Up));
        let (early, late, full) = (share(10_000), share(10_500), share(11_000));
        assert!((20..250).contains(&early), "{early}");
        assert!((early + 100..900).contains(&late), "{late}");
        assert!((850..1_150).contains(&full), "{full}");
        let seen = set.seen(3, 10_500).unwrap();
        assert_eq!((seen.condition, seen.since_ms), (Condition::SlowStart, 10_000));
        assert_eq!((seen.reason, seen.until_ms), (Reason::Probes, Some(11_000)));
        assert_eq!(set.seen(2, 10_500).unwrap().condition, Condition::Available);
    }
}
