//! Work that is not all alike: what is refused of a load that could be taken, and
//! what the endpoint does of one that it cannot. Where the algorithm takes slow
//! work for a queue is told in docs/endpoints.md.

use super::{SECOND, Seen, Service, World, for_seeds};

/// Nine in ten from a cache, else 200 ms: 21.8 ms in the mean.
const MIXED: Service = Service::Mixed(2_000.0, 200_000.0, 10);

/// Half of each: 50.5 ms in the mean.
const HALVES: Service = Service::Mixed(1_000.0, 100_000.0, 50);

/// 50 ms in the mean; one in a hundred takes over half a second.
const SPREAD: Service = Service::Spread(50_000.0, 1.5);

/// At a load that the servers can take, after a start of 20 seconds.
fn under(servers: usize, service: Service, per_second: f64, seed: u64) -> Seen {
    let mut world = World::new(servers, service, per_second, seed);
    world.run(20.0);
    world.run(60.0)
}

/// At so many times what the servers can take; and the part of it that they do.
fn over(servers: usize, service: Service, mean_us: f64, times: f64, seed: u64) -> (f64, Seen) {
    let capacity = servers as f64 * SECOND as f64 / mean_us;
    let mut world = World::new(servers, service, times * capacity, seed);
    world.run(30.0);
    let seen = world.run(60.0);
    (seen.done as f64 / 60.0 / capacity, seen)
}

/// A minute with two requests a second, and then many: the first five seconds of
/// those, and twenty more.
fn burst(servers: usize, service: Service, per_second: f64, seed: u64) -> [Seen; 2] {
    let mut world = World::new(servers, service, 2.0, seed);
    world.run(60.0);
    world.per_second = per_second;
    world.next_arrival_us = world.now_us;
    [5.0, 20.0].map(|seconds| world.run(seconds))
}

/// Everything takes five times as long for 25 seconds: the last 20 of them, the
/// first five after them, and thirty more.
fn slowed(servers: usize, service: Service, per_second: f64, seed: u64) -> [Seen; 3] {
    let mut world = World::new(servers, service, per_second, seed);
    world.run(40.0);
    world.slower = 5.0;
    world.run(5.0);
    let slow = world.run(20.0);
    world.slower = 1.0;
    [slow, world.run(5.0), world.run(30.0)]
}

#[track_caller]
fn assert_taken(seed: u64, what: &str, seen: &Seen) {
    let shed = seen.shed_percent();
    assert!(shed < 2.0, "seed {seed}, {what}: {shed:.1} % refused at {:.0}", seen.limit());
}

#[test]
fn a_load_of_two_kinds_or_of_spread_work_that_can_be_taken_is_let_in() {
    for_seeds(|seed| {
        assert_taken(seed, "halves", &under(100, HALVES, 1_290.0, seed));
        assert_taken(seed, "spread", &under(100, SPREAD, 1_300.0, seed));
        assert_taken(seed, "few mixed", &under(10, MIXED, 5.0, seed));
        assert_taken(seed, "mixed on 20 servers", &under(20, MIXED, 550.0, seed));
    });
}

#[test]
fn servers_stay_busy_and_lines_short_under_twice_the_load_of_two_kinds_of_work() {
    for_seeds(|seed| {
        for servers in [8, 100] {
            let (part, seen) = over(servers, HALVES, 50_500.0, 2.0, seed);
            let slow_ms = seen.slow_ms();
            assert!(part > 0.9 && slow_ms < 260.0, "{seed}, {servers}: {part:.2}, {slow_ms:.0} ms");
        }
    });
}

#[test]
fn a_burst_after_a_quiet_minute_is_let_in() {
    for_seeds(|seed| {
        let [first, then] = burst(10, Service::Fixed(50_000.0), 150.0, seed);
        assert_taken(seed, "fixed, first", &first);
        assert_taken(seed, "fixed", &then);
        let [_, then] = burst(100, Service::Exponential(20_000.0), 4_000.0, seed);
        assert_taken(seed, "exponential, after five seconds", &then);
        let [_, then] = burst(100, MIXED, 3_000.0, seed);
        assert_taken(seed, "mixed, after five seconds", &then);
    });
}

#[test]
fn servers_that_were_slow_for_a_while_are_given_all_again_within_five_seconds() {
    for_seeds(|seed| {
        let [_, _, then] = slowed(10, Service::Exponential(50_000.0), 120.0, seed);
        assert_taken(seed, "exponential", &then);
    });
}
