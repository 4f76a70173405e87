use super::*;
use crate::endpoint::choice::Asked;
use crate::endpoint::ejection::EjectionTerms;
use crate::endpoint::outlier::{Failing, OutlierPolicy};
use crate::error::Code;

const REFUSED: Reason = Reason::Attempt(Code::ConnectRefused);

fn state() -> EndpointState {
    EndpointState::new(SocketAddr::from(([192, 0, 2, 1], 80)), 2)
}

#[test]
fn an_operator_sees_what_is_in_flight_and_how_long_an_endpoint_is_passed_over() {
    let state = state();
    assert_eq!((state.in_flight(), state.passed_over_for_ms(10)), (0, None));
    let leases = [state.try_lease(0), state.try_lease(1)];
    let change = Change { to: Condition::PassedOver, reason: REFUSED };
    assert_eq!(state.pass_over(10, REFUSED), Some(change));
    assert_eq!(state.pass_over(10, REFUSED), None, "no news");
    assert_eq!((state.in_flight(), state.passed_over_for_ms(11)), (2, Some(4_999)));
    drop(leases);
    assert_eq!((state.in_flight(), state.passed_over_for_ms(5_010)), (0, None));
}

#[test]
fn an_operator_sees_since_when_and_why() {
    let policy = OutlierPolicy {
        failures_in_a_row: 1,
        success_percent: 0,
        min_requests: 1,
        window_ms: 1_000,
        ejection: EjectionTerms { base_ms: 1_000, max_ms: 5_000 },
        silence_ms: 100,
    };
    let state = state();
    let seen = |now_ms| {
        let seen = state.seen(now_ms, SeenOn { slow_start_ms: 100, ..SeenOn::default() });
        (seen.condition, seen.since_ms, seen.reason, seen.until_ms)
    };
    state.enter_table(50);
    state.enter_table(60);
    assert_eq!(seen(60), (Condition::SlowStart, 50, Reason::New, Some(150)));
    assert_eq!(seen(150), (Condition::Available, 50, Reason::New, None));
    state.pass_over(200, REFUSED);
    state.pass_over(300, Reason::RetryAfter);
    assert_eq!(seen(5_299), (Condition::PassedOver, 200, REFUSED, Some(5_300)));
    assert_eq!(seen(5_300), (Condition::Available, 5_300, Reason::PassOverEnded, None));
    let asked_at = |now_ms| Asked { now_ms, ..Asked::default() };
    let asked = asked_at(6_000);
    assert_eq!(state.failed(Failing::Head, &asked, &policy, || false), None);
    assert!(state.failed(Failing::Head, &asked, &policy, || true).is_some());
    let out = (Condition::Ejected, 6_000, Reason::FailuresInARow, Some(7_000));
    assert_eq!(seen(6_999), out);
    let half_open = (Condition::HalfOpen, 7_000, Reason::EjectionEnded, None);
    assert_eq!(seen(7_000), half_open);
    let trial = state.begin_trial(7_001, 100).expect("its time is up");
    assert_eq!(seen(7_001), half_open, "on trial, too");
    state.abandon_trial(trial);
    assert_eq!(seen(7_002), half_open, "after one without a verdict, too");
    assert!(state.begin_trial(7_002, 100).is_some());
    assert_eq!(seen(7_002), half_open);
    let back = Change { to: Condition::Available, reason: Reason::TrialPassed };
    assert_eq!(state.end_trial(true, 7_003, 0, &policy), Some(back));
    assert_eq!(seen(7_103), (Condition::Available, 7_003, Reason::TrialPassed, None));
    assert_eq!(state.end_trial(true, 7_003, 0, &policy), None, "that is no news");
    assert_eq!(state.left(8_000, &policy, || true), None);
    assert_eq!(state.left(8_100, &policy, || false), None);
    let suspected = Change { to: Condition::HalfOpen, reason: Reason::ClientsLeft };
    assert_eq!(state.left(8_100, &policy, || true), Some(suspected));
    assert_eq!(seen(8_200), (Condition::HalfOpen, 8_100, Reason::ClientsLeft, None));
    assert!(state.begin_trial(8_200, 100).is_some());
    assert_eq!(seen(8_200), (Condition::HalfOpen, 8_100, Reason::ClientsLeft, None));
    assert_eq!(state.worked(0, 8_300, &policy), Some(back), "whoever is answered");
    let since = (Condition::Available, 7_003, Reason::TrialPassed, None);
    assert_eq!(seen(8_300), since, "its share was never another's");
    assert!(state.failed(Failing::Head, &asked_at(9_000), &policy, || true).is_some());
    let (condition, due_ms, ..) = seen(14_000);
    assert!(condition == Condition::HalfOpen && due_ms > 9_000, "its second ejection is over");
}

#[test]
fn there_is_room_up_to_the_limit_and_always_without_one() {
    let state = state();
    let mut leases: Vec<_> = (0..9).map(|_| state.try_lease(0).expect("no limit")).collect();
    assert!(state.has_room());
    state.set_max_requests(Some(2));
    let mut room = Vec::new();
    while !leases.is_empty() {
        room.push(state.has_room());
        leases.pop();
    }
    assert_eq!(room, [false, false, false, false, false, false, false, false, true]);
    state.set_max_requests(None);
    leases.extend((0..9).filter_map(|_| state.try_lease(0)));
    assert!(state.has_room() && leases.len() == 9);
}

#[test]
fn a_worker_sees_its_own_requests_and_how_long_answers_take() {
    let state = state();
    let leases = [0, 0, 0].map(|worker| state.try_lease(worker));
    assert_eq!(state.in_flight_seen_by(0, 0), 3);
    let unknown = state.load_seen_by(0, 0).level;
    state.answered(0, 0, 200_000);
    assert_ne!(state.load_seen_by(0, 0).level, unknown);
    drop(leases);
}

#[test]
fn what_brought_an_endpoint_back_last_is_what_is_told() {
    let state = state();
    state.enter_table(50);
    let told = |now_ms, brought_back_ms| {
        let seen = state.seen(now_ms, SeenOn { brought_back_ms, ..SeenOn::default() });
        (seen.since_ms, seen.reason)
    };
    assert_eq!([None, Some(49), Some(50)].map(|back| told(60, back)), [(50, Reason::New); 3]);
    assert_eq!(told(60, Some(51)), (51, Reason::Probes));
    state.pass_over(100, REFUSED);
    state.come_back(5_100, Reason::TrialPassed);
    assert_eq!(told(5_100, Some(51)), (5_100, Reason::TrialPassed), "and not the pass-over's end");
}
