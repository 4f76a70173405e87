//! What comes as messages, and is in force when they are through.

use std::time::Instant;

use pointsman::registry::{Intake, Source, Subject};

use crate::{S, expire_all, live, ports};

fn message(uris: &[&str], more: &str) -> String {
    let uris = uris.iter().map(|uri| format!("\"{uri}\"")).collect::<Vec<_>>().join(",");
    format!("{{\"host\":\"192.0.2.1\",\"port\":1,\"uris\":[{uris}]{more}}}")
}

#[test]
fn a_refresh_does_not_overtake_what_was_said_before_it() {
    let (_router, live) = live("");
    let (now, mut intake) = (Instant::now(), Intake::of(live.clone()));
    let one = message(&["a.test"], "");
    let mut take = |subject, at| intake.take(subject, one.as_bytes(), 120 * S, at);
    take(Subject::Register, now);
    take(Subject::Unregister, now);
    take(Subject::Register, now);
    intake.flush(now);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1]);
    let mut take = |subject, at| intake.take(subject, one.as_bytes(), 120 * S, at);
    take(Subject::Unregister, now);
    take(Subject::Register, now);
    intake.flush(now);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1], "it left, and came again");
}

#[test]
fn a_message_that_is_wrong_in_part_confirms_nothing() {
    let (_router, live) = live("");
    let (now, mut intake) = (Instant::now(), Intake::of(live.clone()));
    intake.take(Subject::Register, message(&["a.test"], "").as_bytes(), 10 * S, now);
    intake.flush(now);
    let wrong = message(&["a.test", "b..test"], "");
    intake.take(Subject::Register, wrong.as_bytes(), 10 * S, now + 9 * S);
    intake.flush(now + 9 * S);
    expire_all(&live, now + 11 * S);
    assert!(ports(&live, Source::Nats, "a.test").is_empty());
}

#[test]
fn what_is_collected_is_bounded_and_in_force_before_it_is_too_much() {
    let (_router, live) = live("");
    let (now, mut intake) = (Instant::now(), Intake::of(live.clone()));
    for at in 0..5_000 {
        let one = message(&[&format!("a{at}.test")], "");
        intake.take(Subject::Register, one.as_bytes(), 120 * S, now);
    }
    assert_eq!(live.export(Source::Nats).count(), 4_096);
    intake.flush(now);
    assert_eq!(live.export(Source::Nats).count(), 5_000);
}

#[test]
fn a_refresh_confirms_every_route_that_it_names() {
    let (_router, live) = live("");
    let (now, mut intake) = (Instant::now(), Intake::of(live.clone()));
    let all = message(&["a.test", "b.test", "c.test"], "");
    for at in [now, now + 9 * S] {
        intake.take(Subject::Register, all.as_bytes(), 10 * S, at);
        intake.flush(at);
    }
    expire_all(&live, now + 11 * S);
    for host in ["a.test", "b.test", "c.test"] {
        assert_eq!(ports(&live, Source::Nats, host), [1], "{host}");
    }
}

#[test]
fn a_source_that_says_nothing_new_has_been_heard_all_the_same() {
    let (_router, live) = live("");
    let (now, mut intake) = (Instant::now(), Intake::of(live.clone()));
    let one = message(&["a.test"], "");
    for at in [now, now + 9 * S] {
        intake.take(Subject::Register, one.as_bytes(), 120 * S, at);
        intake.flush(at);
    }
    let age = live.age(Source::Nats, now + 10 * S).unwrap();
    assert!(age <= S, "heard a second ago, and not {age:?}");
}
