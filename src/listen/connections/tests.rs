//! Who is evicted, and who is closed when the router closes.

use super::*;
use crate::telemetry::metrics::Metrics;

#[test]
fn the_longest_idle_goes_first_though_others_come_and_are_used() {
    let connections = Connections::new(Metrics::new(1).worker(0));
    let enter = |since_us: u64| {
        let entry = connections.enter(([127, 0, 0, 1], 40_000).into());
        entry.state.idle_since_us.store(since_us, Ordering::Relaxed);
        entry
    };
    assert!(!connections.evict_longest_idle(), "there is none");
    let count = EVICTIONS_A_LOOK as u64 + 100;
    // Not in their order.
    let mut all: Vec<_> = (0..count).map(|at| enter(1 + at * 7919 % count)).collect();
    all.sort_by_key(|entry| entry.state.idle_since_us.load(Ordering::Relaxed));
    assert!(connections.evict_longest_idle());
    assert!(all[0].is_evicted());
    // One is used, one has gone, one is used and idle again.
    all[1].active();
    all[3].active();
    all[3].idle(Instant::now());
    let again_us = count + 10;
    all[3].state.idle_since_us.store(again_us, Ordering::Relaxed);
    drop(all.remove(2));
    let late = enter(again_us + 1);
    for _ in 4..count {
        assert!(connections.evict_longest_idle());
    }
    let spared: Vec<_> = (1..all.len()).filter(|at| !all[*at].is_evicted()).collect();
    assert_eq!(spared, [1, 2], "the used one, and the one idle again");
    assert!(!late.is_evicted());
    assert!(connections.evict_longest_idle() && all[2].is_evicted());
    assert!(connections.evict_longest_idle() && late.is_evicted());
    assert!(!connections.evict_longest_idle(), "one is in use, all else has gone");
}

#[test]
fn closing_spares_who_has_just_come_until_silence_is_over() {
    let connections = Connections::new(Metrics::new(1).worker(0));
    let enter = || connections.enter(([127, 0, 0, 1], 40_000).into());
    let (fresh, used, busy, silent) = (enter(), enter(), enter(), enter());
    used.active();
    used.idle(Instant::now());
    busy.active();
    let now_us = 10_000_000;
    fresh.state.idle_since_us.store(now_us - 400_000, Ordering::Relaxed);
    silent.state.idle_since_us.store(now_us - 600_000, Ordering::Relaxed);
    connections.close_idle_at(now_us);
    assert!(!fresh.closes_idle());
    assert!(used.closes_idle() && busy.closes_idle() && silent.closes_idle());
    connections.close_silent();
    assert!(fresh.closes_idle());
}

#[test]
fn a_first_request_gets_its_time_from_when_it_could_come() {
    let mut connections = Connections::new(Metrics::new(1).worker(0));
    let ten_seconds = Duration::from_secs(10);
    Arc::get_mut(&mut connections).unwrap().start -= ten_seconds;
    let enter = || connections.enter(([127, 0, 0, 1], 40_000).into());
    let (shakes_hands, used) = (enter(), enter());
    used.active();
    used.idle(Instant::now());
    // Accepted long ago.
    shakes_hands.state.first_request_us.store(0, Ordering::Relaxed);
    assert_eq!(shakes_hands.closes_idle_in(), None, "nobody asks for it");
    connections.close_silent();
    assert_eq!(used.closes_idle_in(), Some(Duration::ZERO));
    assert_eq!(shakes_hands.closes_idle_in(), Some(Duration::ZERO));
    shakes_hands.greeted();
    let since_us = shakes_hands.state.first_request_us.load(Ordering::Relaxed);
    assert!(since_us >= micros(ten_seconds));
    assert!(shakes_hands.closes_idle_in().is_some_and(|left| left <= FIRST_REQUEST_COMES));
}
