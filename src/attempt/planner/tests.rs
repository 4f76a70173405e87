use super::*;
use crate::attempt::failure::Exchange;

const WAIT_MS: (u64, u64) = (20, 60);

fn plan(attempts: u32, endpoints: usize) -> Plan {
    Plan { attempts, endpoints, idempotent: true, deadline_ms: None, wait_ms: WAIT_MS }
}

fn reset(reused: bool) -> Failure {
    Failure::reset(Exchange { reused, bytes_sent: 1, bytes_received: 0, status: None })
}

fn started(plan: Plan) -> Planner {
    let mut planner = Planner::new(plan);
    assert_eq!(planner.step(Event::Start, 0, unasked), attempt(1));
    planner
}

fn attempt(number: u32) -> Action {
    Action::Attempt { number, fresh: false }
}

fn wait() -> Action {
    Action::Wait { min_ms: WAIT_MS.0, max_ms: WAIT_MS.1 }
}

fn failed(failure: Failure, endpoint: usize) -> Event {
    Event::Failed { failure, endpoint, body: Body::Untouched }
}

fn unasked(_: u64) -> bool {
    panic!("the budget was asked")
}

#[track_caller]
fn assert_given_up(action: Action, reason: Reason) -> GiveUp {
    match action {
        Action::GiveUp(given_up) if given_up.reason == reason => given_up,
        other => panic!("{reason:?} expected, got {other:?}"),
    }
}

#[test]
fn the_idempotent_methods_are_those_of_rfc_9110() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(is_idempotent(&method.parse().unwrap()), "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "get", "PURGE"] {
        assert!(!is_idempotent(&method.parse().unwrap()), "{method}");
    }
}

#[test]
fn a_route_without_endpoints_has_no_attempt() {
    let action = Planner::new(plan(3, 0)).step(Event::Start, 0, unasked);
    let given_up = assert_given_up(action, Reason::NoEndpointLeft);
    assert_eq!(given_up.code(), Code::NoEndpoint);
}

#[test]
fn a_request_of_which_nothing_was_sent_is_repeated_whatever_its_method() {
    let mut planner = started(Plan { idempotent: false, ..plan(3, 2) });
    let action = planner.step(failed(Failure::connect_refused(), 1), 0, unasked);
    assert_eq!(action, attempt(2));
    assert!(planner.tried().contains(1) && !planner.tried().contains(0));
}

#[test]
fn a_request_that_may_have_been_processed_is_repeated_only_if_idempotent() {
    let mut planner = started(plan(3, 2));
    assert_eq!(planner.step(failed(reset(false), 0), 0, |_| true), attempt(2));
    let mut planner = started(Plan { idempotent: false, ..plan(3, 2) });
    let action = planner.step(failed(reset(false), 0), 0, unasked);
    let given_up = assert_given_up(action, Reason::NotIdempotent);
    assert_eq!(given_up.code(), Code::UpstreamReset);
}

#[test]
fn nothing_follows_a_response_that_has_begun() {
    let mut planner = started(plan(3, 2));
    let action = planner.step(failed(Failure::upgrade_failed("x"), 0), 0, unasked);
    assert_given_up(action, Reason::ResponseBegun);
}

#[test]
fn a_body_is_sent_again_only_if_it_is_whole() {
    for (body, repeated) in [(Body::Untouched, true), (Body::Buffered, true), (Body::Spent, false)]
    {
        let mut planner = started(plan(3, 2));
        let failure = Failure::connect_refused();
        let action = planner.step(Event::Failed { failure, endpoint: 0, body }, 0, unasked);
        if repeated {
            assert_eq!(action, attempt(2));
        } else {
            assert_given_up(action, Reason::BodySpent);
        }
    }
}

#[test]
fn attempts_are_limited_in_all() {
    let mut planner = started(plan(2, 9));
    assert_eq!(planner.step(failed(reset(false), 0), 0, |_| true), attempt(2));
    let action = planner.step(failed(Failure::connect_refused(), 1), 0, unasked);
    let given_up = assert_given_up(action, Reason::Attempts);
    assert_eq!(given_up.last, Some(Failure::connect_refused()));
    assert_eq!(planner.attempts(), 2);
}

#[test]
fn an_exhausted_budget_gives_the_last_error_and_says_so() {
    let mut planner = started(plan(3, 2));
    let action = planner.step(failed(reset(false), 0), 0, |_| false);
    let given_up = assert_given_up(action, Reason::Budget);
    assert!(given_up.is_budget_exhausted());
    assert_eq!(given_up.code(), Code::UpstreamReset);
}

#[test]
fn the_budget_is_not_asked_when_there_is_nowhere_to_go() {
    let mut planner = started(plan(3, 1));
    let action = planner.step(failed(reset(false), 0), 0, unasked);
    let given_up = assert_given_up(action, Reason::NoEndpointLeft);
    assert!(!given_up.is_budget_exhausted());
}

#[test]
fn when_all_endpoints_refuse_there_is_one_wait_and_no_second() {
    let mut planner = started(plan(9, 2));
    let refused = |endpoint| failed(Failure::connect_refused(), endpoint);
    assert_eq!(planner.step(refused(0), 0, unasked), attempt(2));
    assert_eq!(planner.step(refused(1), 0, unasked), wait());
    assert_eq!(planner.tried().len(), 0);
    assert_eq!(planner.step(Event::Waited, 40, unasked), attempt(3));
    assert_eq!(planner.step(refused(1), 40, unasked), attempt(4));
    let given_up = assert_given_up(planner.step(refused(0), 40, unasked), Reason::NoEndpointLeft);
    assert_eq!(given_up.code(), Code::ConnectRefused);
}

#[test]
fn there_is_no_wait_once_anything_was_sent() {
    let mut planner = started(plan(9, 2));
    assert_eq!(planner.step(failed(reset(false), 0), 0, |_| true), attempt(2));
    let action = planner.step(failed(Failure::connect_refused(), 1), 0, unasked);
    assert_given_up(action, Reason::NoEndpointLeft);
}

#[test]
fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let mut planner = started(Plan { deadline_ms: Some(100), ..plan(9, 1) });
    let action = planner.step(failed(Failure::connect_refused(), 0), 40, unasked);
    assert_given_up(action, Reason::NoEndpointLeft);
    let mut planner = started(Plan { deadline_ms: Some(101), ..plan(9, 1) });
    assert_eq!(planner.step(failed(Failure::connect_refused(), 0), 40, unasked), wait());
}

#[test]
fn no_attempt_begins_after_the_deadline() {
    let late = Plan { deadline_ms: Some(100), ..plan(9, 2) };
    let mut planner = started(late);
    let action = planner.step(failed(Failure::connect_refused(), 0), 100, unasked);
    assert_eq!(assert_given_up(action, Reason::Deadline).code(), Code::DeadlineExceeded);
    let mut planner = started(Plan { endpoints: 1, ..late });
    assert_eq!(planner.step(failed(Failure::connect_refused(), 0), 0, unasked), wait());
    let given_up = assert_given_up(planner.step(Event::Waited, 100, unasked), Reason::Deadline);
    assert_eq!(given_up.last, Some(Failure::connect_refused()));
}

#[test]
fn stale_reuse_leaves_a_single_endpoint_in_play_on_a_fresh_connection() {
    let mut planner = started(plan(3, 1));
    let mut asked = 0;
    let action = planner.step(failed(reset(true), 0), 0, |_| {
        asked += 1;
        true
    });
    assert_eq!(action, Action::Attempt { number: 2, fresh: true });
    assert_eq!(asked, 1);
    let action = planner.step(failed(reset(false), 0), 0, unasked);
    assert_given_up(action, Reason::NoEndpointLeft);
}

#[test]
fn stale_reuse_is_no_licence_to_repeat_a_post() {
    let mut planner = started(Plan { idempotent: false, ..plan(3, 1) });
    let given_up =
        assert_given_up(planner.step(failed(reset(true), 0), 0, unasked), Reason::NotIdempotent);
    assert!(given_up.last.is_some_and(|failure| failure.is_stale_reuse()));
}

#[test]
fn a_reused_connection_that_took_nothing_is_replaced_for_any_method() {
    let mut planner = started(Plan { idempotent: false, ..plan(3, 1) });
    let unsent = Exchange { reused: true, bytes_sent: 0, bytes_received: 0, status: None };
    let failure = Failure::reset(unsent);
    let action = planner.step(failed(failure, 0), 0, unasked);
    assert_eq!(action, Action::Attempt { number: 2, fresh: true });
}
