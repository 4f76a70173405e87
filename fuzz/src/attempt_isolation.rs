//! Any request and any failures through planner and derivation: what an
//! attempt carries is what it would carry had nothing happened before it, and
//! no retry is outside the rules.

use std::net::SocketAddr;

use bytes::BytesMut;
use pointsman::attempt::{
    Action, AttemptHead, Body, Event, Exchange, Failure, Forwarded, Plan, Planner, Progress, Via,
    derive, is_idempotent,
};
use pointsman::http1::encode_request_head;
use pointsman::request::RequestHead;
use pointsman::request::admission::Rules;

use super::admission::{admitted, policy};
use super::input::Input;

/// Choices up to the first byte 0x1e, then the request.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut choices = Input::new(input.until(0x1e));
    let wire = input.rest();
    let trusted = choices.flag();
    let rules = Rules { body_limit_bytes: 0, via: None };
    let fresh = || admitted(wire, trusted, rules);
    let Some(head) = fresh() else { return };
    play(&head, &mut choices, |endpoint, number| {
        // The reference: the same bytes anew, to which nothing ever happened.
        written(derive(&fresh().unwrap(), &usual(), endpoint, number))
    });
}

fn usual() -> pointsman::attempt::HeadPolicy {
    policy(Forwarded::Append, Via::new("pointsman", "n1"))
}

fn play(head: &RequestHead, choices: &mut Input<'_>, fresh: impl Fn(SocketAddr, u32) -> Vec<u8>) {
    let idempotent = is_idempotent(head.method());
    let endpoints = 1 + choices.below(4);
    let attempts = 1 + u32::from(choices.byte() % 6);
    let plan = Plan { attempts, endpoints, idempotent, deadline_ms: Some(500), wait_ms: (1, 2) };
    let mut planner = Planner::new(plan);
    let policy = usual();
    let (mut begun, mut waits, mut now_ms) = (0, 0, 0);
    let mut budget = choices.below(4);
    let mut last: Option<(Progress, Body)> = None;
    let mut event = Event::Start;
    loop {
        let mut retry = |_| {
            let left = budget > 0;
            budget -= usize::from(left);
            left
        };
        match planner.step(event, now_ms, &mut retry) {
            Action::GiveUp(_) => break,
            Action::Wait { .. } => {
                waits += 1;
                event = Event::Waited;
            }
            Action::Attempt { number, .. } => {
                begun += 1;
                assert_eq!(number, begun);
                allowed(last, idempotent);
                // Endpoints not tried yet come first; past them only stale
                // reuse and the one wait lead back to one.
                let index = (0..endpoints).find(|index| !planner.tried().contains(*index));
                let index = index.unwrap_or(0);
                let endpoint = SocketAddr::from(([192, 0, 2, 100], index as u16));
                assert_eq!(
                    written(derive(head, &policy, endpoint, number)),
                    fresh(endpoint, number)
                );
                if choices.flag() {
                    // A head derived and dropped unwritten leaves nothing.
                    drop(derive(head, &policy, endpoint, number + 1));
                }
                let failure = failure(choices);
                let body = *choices.pick(&[Body::Untouched, Body::Buffered, Body::Spent]);
                last = Some((failure.progress(), body));
                event = Event::Failed { failure, endpoint: index, body };
            }
        }
        now_ms += u64::from(choices.byte());
    }
    assert!(begun <= attempts && waits <= 1, "{begun} attempts and {waits} waits");
}

/// Whether an attempt may follow what failed last.
fn allowed(last: Option<(Progress, Body)>, idempotent: bool) {
    let Some((progress, body)) = last else { return };
    assert_ne!(progress, Progress::ResponseBegun, "a retry after an answer began");
    assert!(progress == Progress::NothingSent || idempotent, "a retry that may repeat");
    assert_ne!(body, Body::Spent, "a retry without its content");
}

fn failure(choices: &mut Input<'_>) -> Failure {
    let exchange = Exchange {
        reused: choices.flag(),
        bytes_sent: u64::from(choices.byte() & 3),
        bytes_received: u64::from(choices.byte() & 3),
        status: None,
    };
    match choices.below(10) {
        0 => Failure::connect_refused(),
        1 => Failure::connect_timeout(),
        2 => Failure::reset(exchange),
        3 => Failure::head_timeout(exchange),
        4 => Failure::protocol_error(exchange, "garbage"),
        5 => Failure::head_too_large(exchange),
        6 => Failure::write_timeout(exchange),
        7 => Failure::connect_failed("no route"),
        _ => Failure::upgrade_failed("x"),
    }
}

/// Writes a head, which consumes it, as the round trip does.
fn written(head: AttemptHead) -> Vec<u8> {
    let mut out = BytesMut::from(head.endpoint().to_string().as_bytes());
    let parts = head.into_parts();
    encode_request_head(&mut out, &parts.method, &parts.target, &parts.fields, parts.framing);
    out.to_vec()
}
