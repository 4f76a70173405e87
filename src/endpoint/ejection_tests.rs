use super::*;

const TERMS: EjectionTerms = EjectionTerms { base_ms: 1_000, max_ms: 5_000 };
const LENT_MS: u64 = 100;

fn out_until(ejection: &Ejection, now_ms: u64) -> u64 {
    match ejection.standing(now_ms, LENT_MS) {
        Standing::Out { until_ms } => until_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_out_for_its_time_then_tried_by_one_request_at_a_time() {
    let ejection = Ejection::new();
    assert_eq!(ejection.begin_trial(0, LENT_MS), None, "who is in needs no trial");
    assert!(ejection.eject(100, TERMS, 0));
    assert!(!ejection.eject(101, TERMS, 0), "it is out already");
    assert_eq!(out_until(&ejection, 1_099), 1_100);
    assert_eq!(ejection.begin_trial(1_099, LENT_MS), None);
    assert_eq!(ejection.standing(1_100, LENT_MS), Standing::Due { since_ms: 1_100 });
    let [first, second] = [1_100, 1_100].map(|at| ejection.begin_trial(at, LENT_MS));
    let first = first.expect("its time is up");
    assert!(first.is_first() && second.is_none());
    assert_eq!(ejection.standing(9_999, LENT_MS), Standing::OnTrial, "however long it takes");
    assert!(!ejection.eject(1_100, TERMS, 0), "older news does not end a trial");
    ejection.abandon(first);
    assert_eq!(ejection.standing(1_101, LENT_MS), Standing::Due { since_ms: 1_100 });
    let second = ejection.begin_trial(1_101, LENT_MS).expect("the second");
    assert!(!second.is_first());
    assert_eq!(ejection.pass(1_102), Some(true));
    assert_eq!(ejection.standing(1_102, LENT_MS), Standing::In);
}

#[test]
fn each_ejection_in_a_row_is_twice_as_long_up_to_the_cap() {
    let ejection = Ejection::new();
    assert!(ejection.eject(0, TERMS, 0));
    let mut now_ms = 1_000;
    for length_ms in [2_000, 4_000, 5_000, 5_000] {
        assert!(ejection.begin_trial(now_ms, LENT_MS).is_some());
        assert!(ejection.fail(now_ms, TERMS, 0));
        assert_eq!(out_until(&ejection, now_ms), now_ms + length_ms);
        now_ms += length_ms;
    }
    assert!(ejection.begin_trial(now_ms, LENT_MS).is_some());
    // It is in since its trial passed, which took its time.
    now_ms += 2_000;
    assert!(ejection.pass(now_ms).is_some());
    assert!(ejection.eject(now_ms + 4_999, TERMS, 0));
    assert_eq!(out_until(&ejection, now_ms + 4_999), now_ms + 9_999, "not forgiven yet");
}

#[test]
fn who_stayed_in_for_the_longest_time_starts_again_with_the_first() {
    let ejection = Ejection::new();
    assert!(ejection.eject(0, TERMS, 0) && ejection.begin_trial(1_000, LENT_MS).is_some());
    assert!(ejection.pass(1_000).is_some());
    assert!(ejection.eject(6_000, TERMS, 0));
    assert_eq!(out_until(&ejection, 6_000), 7_000);
}

#[test]
fn chance_takes_off_a_tenth_at_most() {
    let until = |random| {
        let ejection = Ejection::new();
        assert!(ejection.eject(0, TERMS, random));
        out_until(&ejection, 0)
    };
    assert_eq!((until(0), until(u64::MAX)), (1_000, 900));
}

#[test]
fn a_trial_that_waits_for_its_client_is_taken_over_after_a_while_and_not_before() {
    let ejection = Ejection::new();
    assert!(ejection.eject(0, TERMS, 0));
    let slow = ejection.begin_trial(1_000, LENT_MS).expect("its time is up");
    assert!(ejection.lend(slow) && !ejection.lend(slow), "news once");
    let lent = Standing::OnLentTrial { until_ms: 1_100 };
    assert_eq!(ejection.standing(1_099, LENT_MS), lent);
    assert_eq!(ejection.begin_trial(1_099, LENT_MS), None);
    assert_eq!(ejection.standing(1_100, LENT_MS), Standing::Due { since_ms: 1_000 });
    let next = ejection.begin_trial(1_100, LENT_MS).expect("nobody waits for ever");
    assert!(!next.is_first());
    assert!(!ejection.keep(slow), "it is no longer its own");
    ejection.abandon(slow);
    assert_eq!(ejection.standing(1_100, LENT_MS), Standing::OnTrial, "the next goes on");
    assert_eq!(ejection.begin_trial(9_999, LENT_MS), None, "it waits for the endpoint");
    assert_eq!(ejection.pass(1_200), Some(true), "whoever is answered");
    assert!(ejection.is_in() && ejection.pass(1_201).is_none());
    assert!(!ejection.fail(1_201, TERMS, 0), "who was taken over fails too late");
    assert!(ejection.is_in());
}

#[test]
fn a_trial_whose_client_has_sent_all_in_time_is_not_taken_over() {
    let ejection = Ejection::new();
    assert!(ejection.eject(0, TERMS, 0));
    let trial = ejection.begin_trial(1_000, LENT_MS).expect("its time is up");
    assert!(ejection.lend(trial) && ejection.keep(trial) && !ejection.keep(trial));
    assert_eq!(ejection.begin_trial(9_999, LENT_MS), None);
    assert!(ejection.fail(10_000, TERMS, 0));
    assert_eq!(out_until(&ejection, 10_000), 12_000);
}

#[test]
fn who_is_suspected_is_tried_at_once_and_cleared_by_any_answer() {
    let ejection = Ejection::new();
    assert!(ejection.suspect(500) && !ejection.suspect(501), "news once");
    assert!(!ejection.eject(501, TERMS, 0), "a trial will tell");
    assert_eq!(ejection.standing(501, LENT_MS), Standing::Due { since_ms: 500 });
    let first = ejection.begin_trial(510, LENT_MS).expect("at once");
    assert!(!first.is_first());
    assert_eq!(ejection.begin_trial(609, LENT_MS), None);
    let second = ejection.begin_trial(610, LENT_MS).expect("it is taken over");
    ejection.abandon(first);
    assert_eq!(ejection.begin_trial(611, LENT_MS), None);
    ejection.abandon(second);
    assert!(ejection.begin_trial(612, LENT_MS).is_some());
    assert!(ejection.clear(613) && ejection.is_in() && !ejection.clear(614));
    assert!(ejection.suspect(700) && ejection.begin_trial(700, LENT_MS).is_some());
    assert_eq!(ejection.pass(701), Some(false), "it never was out");
    assert!(ejection.suspect(800) && ejection.begin_trial(800, LENT_MS).is_some());
    assert!(ejection.fail(900, TERMS, 0));
    assert_eq!(out_until(&ejection, 900), 1_900, "for the first time");
    assert!(!ejection.clear(901), "that is no suspicion");
}

#[test]
fn who_answered_is_in_since_then() {
    let ejection = Ejection::new();
    assert!(ejection.eject(0, TERMS, 0) && ejection.begin_trial(1_000, 0).is_some());
    assert!(ejection.pass(1_000).is_some() && ejection.suspect(1_500));
    assert!(ejection.clear(5_900));
    assert!(ejection.eject(6_600, TERMS, 0));
    assert_eq!(ejection.standing(6_600, 0), Standing::Out { until_ms: 8_600 }, "not forgiven");
}
