//! Limits and endpoints that change under those who wait.

use super::{asking, held, limited, until_queued};
use crate::harness::{Config, Router, ScriptedEndpoint};

#[test]
fn a_limit_that_is_raised_lets_the_next_in() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let mut clients: Vec<_> = (0..5).map(|_| asking(&router, "/")).collect();
    until_queued(&router, 4);
    router.reload(&limited(3, &[&endpoint]));
    until_queued(&router, 2);
    endpoint.request_head(2);
    assert_eq!(endpoint.count(), 3);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}

#[test]
fn a_limit_that_is_lifted_lets_all_in() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let mut clients: Vec<_> = (0..5).map(|_| asking(&router, "/")).collect();
    until_queued(&router, 4);
    router.reload(&limited(0, &[&endpoint]));
    until_queued(&router, 0);
    endpoint.request_head(4);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}

#[test]
fn a_limit_that_is_lowered_throws_nobody_out_and_holds_from_then_on() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(3, &[&endpoint]));
    let mut clients: Vec<_> = (0..3).map(|_| asking(&router, "/")).collect();
    endpoint.request_head(2);
    clients.push(asking(&router, "/"));
    until_queued(&router, 1);
    router.reload(&limited(1, &[&endpoint]));
    clients.push(asking(&router, "/"));
    until_queued(&router, 2);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}

#[test]
fn who_waits_for_an_endpoint_that_is_taken_out_waits_for_those_that_are_left() {
    let ((gone, _shut), (left, gate)) = (held("gone"), held("left"));
    let router = Router::start(&limited(1, &[&gone, &left]));
    let _holding: Vec<_> = (0..2).map(|_| asking(&router, "/")).collect();
    gone.request_head(0);
    left.request_head(0);
    let mut waiting = asking(&router, "/");
    until_queued(&router, 1);
    router.reload(&limited(1, &[&left]));
    // The new table is in force once a newcomer is in line behind it.
    let mut behind = asking(&router, "/");
    until_queued(&router, 2);
    gate.open();
    assert_eq!(waiting.answer("GET").text(), "left");
    assert_eq!(behind.answer("GET").text(), "left");
    assert_eq!(gone.count(), 1);
}

#[test]
fn who_waits_for_endpoints_that_are_all_taken_out_is_told_so() {
    let ((gone, _shut), new) = (held("gone"), ScriptedEndpoint::echo("new"));
    let router = Router::start(&limited(1, &[&gone]));
    let _holding = asking(&router, "/");
    gone.request_head(0);
    let mut waiting = asking(&router, "/");
    until_queued(&router, 1);
    router.reload(&limited(1, &[&new]));
    let answer = waiting.answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("no-endpoint")));
    assert_eq!(asking(&router, "/").answer("GET").field("x-endpoint"), "new");
}

#[test]
fn a_route_that_is_taken_out_leaves_nobody_waiting() {
    let (endpoint, _shut) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let _holding = asking(&router, "/");
    endpoint.request_head(0);
    let mut waiting = asking(&router, "/");
    until_queued(&router, 1);
    router.reload(&Config::new().set("access_log.path", "-"));
    assert_eq!(waiting.answer("GET").code(), Some("no-endpoint"));
}
