use super::*;

const TERMS: AdaptiveTerms = AdaptiveTerms {
    min_limit: 2,
    max_limit: 1_000,
    initial_limit: 20,
    tolerance_percent: 25,
    window_ms: 100,
    measure_every_ms: 30_000,
};

const BASE_US: u64 = 49_000;

/// So many requests, one after the other, that take so long.
fn serve(door: &Door, count: u64, took_us: u64, now_ms: u64) {
    for _ in 0..count {
        let permit = door.enter(now_ms).expect("there is room");
        permit.worked(took_us, now_ms);
        permit.leave(now_ms);
    }
}

/// Samples that wait for a turn, and their sum.
fn tallied(door: &Door) -> (u64, u64) {
    let window = door.tally.window.load(Ordering::Relaxed);
    (window / SAMPLE, window % SAMPLE)
}

fn due(door: &Door) -> (u64, u64) {
    door.gradient.lock().due()
}

/// One that has measured its base at 0.
fn measured() -> Door {
    let door = Door::new(TERMS);
    serve(&door, 1 + 40 + 50, BASE_US, 0);
    assert_eq!((door.seen().base_us, due(&door)), (Some(BASE_US), (100, 25)));
    door
}

#[test]
fn it_lets_in_up_to_its_limit_and_counts_whom_it_refuses() {
    let door = Door::new(TERMS);
    let permits: Vec<_> = (0..22).filter_map(|_| door.enter(0)).collect();
    assert_eq!(permits.len(), 20);
    assert_eq!(door.seen(), DoorSeen { limit: 20, in_flight: 20, shed: 2, base_us: None });
    drop(permits);
    assert_eq!(door.seen().in_flight, 0);
    assert!(door.enter(0).is_some());
}

#[test]
fn answers_to_who_came_before_a_measurement_has_its_level_do_not_count() {
    let door = Door::new(TERMS);
    let earlier = door.enter(0).expect("there is room");
    serve(&door, 1, 9, 0);
    assert_eq!((due(&door), tallied(&door)), ((0, 40), (0, 0)));
    serve(&door, 39, 9, 0);
    earlier.worked(9, 0);
    assert_eq!((due(&door), tallied(&door)), ((0, 40), (39, 39 * 9)));
    serve(&door, 1, 9, 0);
    assert_eq!((due(&door), tallied(&door)), ((0, 50), (0, 0)));
}

#[test]
fn a_window_is_taken_whole_when_it_is_due_and_not_before() {
    let door = measured();
    serve(&door, 24, BASE_US, 100);
    serve(&door, 9, BASE_US, 99);
    assert_eq!(tallied(&door).0, 33);
    serve(&door, 1, BASE_US, 100);
    assert_eq!((tallied(&door), due(&door)), ((0, 0), (200, 25)));
    serve(&door, FULL_WINDOW - 1, BASE_US, 101);
    assert_eq!(tallied(&door).0, FULL_WINDOW - 1);
    serve(&door, 1, BASE_US, 101);
    assert_eq!((tallied(&door), due(&door)), ((0, 0), (201, 25)), "it is full");
}

#[test]
fn the_most_at_a_time_is_of_one_window() {
    let door = measured();
    let most = || door.tally.peak.load(Ordering::Relaxed);
    let permits: Vec<_> = (0..7).filter_map(|_| door.enter(50)).collect();
    drop(permits);
    serve(&door, 24, BASE_US, 100);
    assert_eq!(most(), 7);
    let still = [0; 3].map(|_| door.enter(100).expect("there is room"));
    serve(&door, 1, BASE_US, 100);
    assert_eq!((most(), tallied(&door)), (4, (0, 0)), "they and the one that ended it");
    drop(still);
}

#[test]
fn nobody_counts_as_longer_than_eight_times_the_base_nor_than_an_hour_before_it_is_known() {
    let door = measured();
    serve(&door, 1, 60_000_000, 1);
    serve(&door, 1, 2 * BASE_US, 1);
    assert_eq!(tallied(&door), (2, 8 * 50_000 + 2 * BASE_US));
    let door = Door::new(TERMS);
    let permits: Vec<_> = (0..20).filter_map(|_| door.enter(0)).collect();
    door.set_terms(AdaptiveTerms { max_limit: 2, ..TERMS });
    permits[0].worked(u64::MAX, 0);
    assert_eq!(tallied(&door), (1, (1 << 32) - 1));
    // While a measurement waits, windows that are full are put away.
    (1..FULL_WINDOW).for_each(|_| permits[0].worked(u64::MAX, 0));
    assert_eq!((tallied(&door), due(&door)), ((0, 0), (0, 0)));
}

#[test]
fn a_failure_counts_only_if_it_took_longer_than_an_answer_would() {
    let door = measured();
    let permit = door.enter(1).expect("there is room");
    permit.failed(BASE_US, 1);
    assert_eq!(tallied(&door), (0, 0));
    permit.failed(BASE_US + 1, 1);
    assert_eq!(tallied(&door), (1, BASE_US + 1));
    let new = Door::new(TERMS);
    new.enter(0).expect("there is room").failed(1_000_000, 0);
    assert_eq!(due(&new), (0, 0), "nothing has begun");
}

/// All of its 20 places taken, and a measurement that waits for 9 of them to be
/// free, until 30,249: four times what answers took last.
fn lowered(door: &Door) -> Vec<Permit<'_>> {
    let permits: Vec<_> = (0..20).filter_map(|_| door.enter(30_000)).collect();
    permits.iter().cycle().take(25).for_each(|permit| permit.worked(62_250, 30_000));
    assert_eq!((door.seen().limit, due(door)), (11, (0, 0)));
    permits
}

#[test]
fn a_measurement_goes_on_when_enough_have_left() {
    let door = measured();
    let mut permits = lowered(&door);
    for left in (11..20).rev() {
        assert_eq!(due(&door), (0, 0));
        permits.pop().expect("20").leave(30_001);
        assert_eq!(permits.len(), left);
    }
    assert_eq!(due(&door), (0, 22));
}

#[test]
fn a_measurement_that_waits_for_too_long_is_given_up_by_who_is_refused_or_leaves() {
    for refused in [true, false] {
        let door = measured();
        let mut permits = lowered(&door);
        let full = door.gradient.lock().settled_limit();
        assert_eq!((door.gradient.lock().late_ms(), full), (30_249, 22));
        let mut goes_on = |now_ms| {
            if refused {
                assert!(door.enter(now_ms).is_none());
            } else {
                permits.pop().expect("there are some").leave(now_ms);
            }
            door.seen().limit == 11
        };
        assert!(goes_on(30_248) && !goes_on(30_249));
        assert_eq!(door.seen().limit, full);
    }
}

#[test]
fn other_bounds_hold_at_once_and_the_same_ones_change_nothing() {
    let door = Door::new(TERMS);
    let permits: Vec<_> = (0..20).filter_map(|_| door.enter(0)).collect();
    door.set_terms(AdaptiveTerms { max_limit: 2, ..TERMS });
    assert_eq!((door.seen().limit, door.seen().in_flight), (2, 20));
    permits[0].worked(9, 5);
    assert_eq!(door.gradient.lock().late_ms(), 60_005);
    door.set_terms(AdaptiveTerms { max_limit: 2, ..TERMS });
    assert_eq!(door.gradient.lock().late_ms(), 60_005, "the measurement goes on");
}

#[test]
fn who_waits_for_its_client_holds_no_place() {
    let door = Door::new(TERMS);
    let mut permits: Vec<_> = (0..20).filter_map(|_| door.enter(0)).collect();
    permits[0].stand_aside();
    assert_eq!(door.seen().in_flight, 19);
    let other = door.enter(0).expect("there is room");
    permits[0].step_in();
    assert_eq!(door.seen().in_flight, 21);
    drop(other);
}
