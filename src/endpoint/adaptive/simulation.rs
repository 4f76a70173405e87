//! The limit against endpoints that queue, in virtual time: what it settles at,
//! and how it follows.
//!
//! Requests come at random, independent of each other; those that are let in
//! wait in line for one of the endpoint's servers, which work on one each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{AdaptiveTerms, Door, Permit};

const TERMS: AdaptiveTerms = AdaptiveTerms {
    min_limit: 2,
    max_limit: 1_000,
    initial_limit: 20,
    tolerance_percent: 25,
    window_ms: 100,
    measure_every_ms: 30_000,
};

const SECOND: u64 = 1_000_000;

#[path = "simulation_mixed.rs"]
mod mixed;

/// How long one request is worked on, in microseconds.
#[derive(Clone, Copy)]
enum Service {
    /// Always the same.
    Fixed(f64),
    /// As memory-less work is: the mean.
    Exponential(f64),
    /// Half of them are answered from a cache.
    Cached(f64, f64),
    /// So many of a hundred take the second time, the others the first.
    Mixed(f64, f64, u32),
    /// Log-normal: the mean, and how far it is spread.
    Spread(f64, f64),
    /// One in two hundred hangs for ten seconds on something else, and holds no
    /// server.
    Polled(f64),
}

struct World {
    door: &'static Door,
    now_us: u64,
    dice: fastrand::Rng,
    servers: usize,
    service: Service,
    per_second: f64,
    busy: usize,
    line: VecDeque<usize>,
    requests: Vec<Option<(Permit<'static>, u64)>>,
    free: Vec<usize>,
    events: BinaryHeap<Reverse<(u64, usize, bool)>>,
    next_arrival_us: u64,
    /// Nothing is worked on before.
    paused_until_us: u64,
    /// By how much everything takes longer than it does.
    slower: f64,
    seen: Seen,
}

/// What happened in a stretch of time.
#[derive(Clone, Debug, Default)]
struct Seen {
    arrived: u64,
    shed: u64,
    done: u64,
    latency_us: u64,
    latencies_us: Vec<u64>,
    most: u64,
    /// The limit at each arrival.
    limits: Vec<u64>,
}

impl Seen {
    fn limit(&self) -> f64 {
        self.limits.iter().sum::<u64>() as f64 / self.limits.len() as f64
    }

    fn latency_ms(&self) -> f64 {
        self.latency_us as f64 / self.done as f64 / 1_000.0
    }

    /// What one in a hundred exceeds.
    fn slow_ms(&self) -> f64 {
        let mut all = self.latencies_us.clone();
        all.sort_unstable();
        all.get(all.len() * 99 / 100).map_or(0.0, |us| *us as f64 / 1_000.0)
    }

    fn shed_percent(&self) -> f64 {
        100.0 * self.shed as f64 / self.arrived.max(1) as f64
    }

    fn least(&self) -> u64 {
        self.limits.iter().copied().min().unwrap_or(0)
    }
}

impl World {
    fn new(servers: usize, service: Service, per_second: f64, seed: u64) -> Self {
        Self {
            door: Box::leak(Box::new(Door::new(TERMS))),
            now_us: 0,
            dice: fastrand::Rng::with_seed(seed),
            servers,
            service,
            per_second,
            busy: 0,
            line: VecDeque::new(),
            requests: Vec::new(),
            free: Vec::new(),
            events: BinaryHeap::new(),
            next_arrival_us: 0,
            paused_until_us: 0,
            slower: 1.0,
            seen: Seen::default(),
        }
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.dice.f64()).ln()
    }

    fn normal(&mut self) -> f64 {
        self.exponential(2.0).sqrt() * (std::f64::consts::TAU * self.dice.f64()).cos()
    }

    /// Lets time pass; what happened.
    fn run(&mut self, seconds: f64) -> Seen {
        let end_us = self.now_us + (seconds * SECOND as f64) as u64;
        loop {
            let event = self.events.peek().map_or(u64::MAX, |Reverse(event)| event.0);
            let arrives = self.next_arrival_us <= event;
            let at = self.next_arrival_us.min(event);
            if at >= end_us {
                self.now_us = end_us;
                return std::mem::take(&mut self.seen);
            }
            self.now_us = at;
            if arrives {
                let gap = self.exponential(SECOND as f64 / self.per_second);
                self.next_arrival_us = at + 1 + gap as u64;
                self.arrive();
            } else {
                let Some(Reverse((_, request, holds_server))) = self.events.pop() else { continue };
                self.finish(request, holds_server);
            }
        }
    }

    fn arrive(&mut self) {
        let now_ms = self.now_us / 1_000;
        self.seen.arrived += 1;
        self.seen.limits.push(self.door.seen().limit);
        let Some(permit) = self.door.enter(now_ms) else {
            self.seen.shed += 1;
            return;
        };
        let request = self.free.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() - 1
        });
        self.requests[request] = Some((permit, self.now_us));
        self.seen.most = self.seen.most.max(self.door.seen().in_flight);
        if matches!(self.service, Service::Polled(_)) && self.dice.u32(..200) == 0 {
            self.events.push(Reverse((self.now_us + 10 * SECOND, request, false)));
            return;
        }
        self.line.push_back(request);
        self.serve();
    }

    fn serve(&mut self) {
        while self.busy < self.servers {
            let Some(request) = self.line.pop_front() else { return };
            self.busy += 1;
            let takes_us = match self.service {
                Service::Fixed(us) | Service::Polled(us) => us,
                Service::Exponential(mean) => self.exponential(mean),
                Service::Spread(mean, spread) => {
                    mean * (spread * self.normal() - spread * spread / 2.0).exp()
                }
                Service::Mixed(quick, slow, percent) => {
                    [quick, slow][usize::from(self.dice.u32(..100) < percent)]
                }
                Service::Cached(hit, miss) => [hit, miss][self.dice.usize(..2)],
            };
            let start_us = self.now_us.max(self.paused_until_us);
            let ends_us = start_us + (self.slower * takes_us) as u64;
            self.events.push(Reverse((ends_us, request, true)));
        }
    }

    fn finish(&mut self, request: usize, held_server: bool) {
        let Some((permit, began_us)) = self.requests[request].take() else { return };
        let took_us = self.now_us - began_us;
        permit.worked(took_us, self.now_us / 1_000);
        permit.leave(self.now_us / 1_000);
        self.free.push(request);
        self.seen.done += 1;
        self.seen.latency_us += took_us;
        self.seen.latencies_us.push(took_us);
        if held_server {
            self.busy -= 1;
            self.serve();
        }
    }
}

/// Several seeds: what holds for one draw only does not hold.
fn for_seeds(check: impl Fn(u64)) {
    (1..=8).for_each(check);
}

/// Ten servers that take 50 ms do 200 requests a second.
const TEN: (usize, f64) = (10, 50_000.0);

fn settled(service: Service, per_second: f64, seed: u64) -> World {
    let mut world = World::new(TEN.0, service, per_second, seed);
    world.run(30.0);
    world
}

#[test]
fn under_twice_the_load_it_settles_where_the_endpoint_is_busy_and_the_queue_short() {
    for_seeds(|seed| {
        for (servers, service, capacity, latency_ms) in [
            (10, Service::Exponential(50_000.0), 200.0, 50.0),
            (10, Service::Fixed(50_000.0), 200.0, 50.0),
            (8, Service::Cached(1_000.0, 100_000.0), 158.0, 50.5),
            (100, Service::Exponential(20_000.0), 5_000.0, 20.0),
            (3, Service::Fixed(200_000.0), 15.0, 200.0),
        ] {
            let mut world = World::new(servers, service, 2.0 * capacity, seed);
            world.run(30.0);
            let seen = world.run(60.0);
            let done = seen.done as f64 / 60.0;
            let about = (seed, servers, seen.limit(), done, seen.latency_ms());
            assert!(done > 0.92 * capacity, "{about:?}");
            assert!(seen.latency_ms() < 2.6 * latency_ms, "{about:?}");
        }
    });
}

#[test]
fn an_endpoint_that_works_on_one_at_a_time_gets_few() {
    for_seeds(|seed| {
        let mut world = World::new(1, Service::Fixed(20_000.0), 100.0, seed);
        world.run(30.0);
        let seen = world.run(60.0);
        let about = (seed, seen.limit(), seen.done, seen.latency_ms());
        assert!(seen.done as f64 > 0.92 * 60.0 * 50.0, "{about:?}");
        assert!(seen.latency_ms() < 70.0, "{about:?}");
    });
}

#[test]
fn it_follows_when_half_of_the_servers_go_and_when_they_come_back() {
    for_seeds(|seed| {
        let mut world = settled(Service::Exponential(TEN.1), 400.0, seed);
        world.servers = 5;
        world.run(5.0);
        let half = world.run(20.0);
        let about = (seed, half.limit(), half.done, half.latency_ms());
        assert!(half.done as f64 > 0.9 * 20.0 * 100.0, "{about:?}");
        assert!(half.latency_ms() < 130.0, "{about:?}");
        world.servers = 10;
        world.run(5.0);
        let whole = world.run(20.0);
        let about = (seed, whole.limit(), whole.done, whole.latency_ms());
        assert!(whole.done as f64 > 0.9 * 20.0 * 200.0, "{about:?}");
        assert!(whole.latency_ms() < 130.0, "{about:?}");
    });
}

#[test]
fn one_pause_does_not_make_it_collapse() {
    for_seeds(|seed| {
        let mut world = settled(Service::Exponential(TEN.1), 400.0, seed);
        world.paused_until_us = world.now_us + SECOND / 2;
        let pause = world.run(2.0);
        assert!(pause.least() >= 5, "{seed}: {}", pause.least());
        let after = world.run(5.0);
        assert!(after.done as f64 > 0.9 * 5.0 * 200.0, "{seed}: {}", after.done);
    });
}

#[test]
fn little_traffic_leaves_it_where_it_was_whatever_its_latency() {
    for_seeds(|seed| {
        let mut world = World::new(TEN.0, Service::Exponential(TEN.1), 5.0, seed);
        world.run(60.0);
        let calm = world.run(600.0);
        assert_eq!((calm.shed, calm.least()), (0, 20), "{seed}");
        world.paused_until_us = world.now_us + 2 * SECOND;
        assert_eq!(world.run(60.0).shed, 0, "{seed}");
        world.service = Service::Exponential(4.0 * TEN.1);
        let slower = world.run(600.0);
        assert!(slower.shed * 100 < slower.arrived, "{seed}: {} shed", slower.shed);
        assert!(world.door.seen().limit >= 10, "{seed}");
    });
}

#[test]
fn a_load_the_endpoint_can_take_is_let_in() {
    for_seeds(|seed| {
        let mut world = settled(Service::Exponential(TEN.1), 120.0, seed);
        let seen = world.run(300.0);
        assert!(seen.shed * 200 < seen.arrived, "{seed}: {} of {}", seen.shed, seen.arrived);
    });
}

#[test]
fn work_that_has_become_slower_is_not_taken_for_a_queue() {
    for_seeds(|seed| {
        // Overloaded, and then at less than half of what it can do.
        for (per_second, expected) in [(400.0, 0.7 * 66.7), (30.0, 0.95 * 30.0)] {
            let mut world = settled(Service::Exponential(TEN.1), per_second, seed);
            world.service = Service::Exponential(3.0 * TEN.1);
            world.run(12.0);
            let seen = world.run(60.0);
            let about = (seed, per_second, seen.limit(), seen.done, seen.latency_ms());
            assert!(seen.done as f64 > 60.0 * expected, "{about:?}");
            assert!(seen.latency_ms() < 390.0, "{about:?}");
        }
    });
}

#[test]
fn work_that_has_become_quicker_does_not_hide_a_queue() {
    for_seeds(|seed| {
        let mut world = settled(Service::Exponential(TEN.1), 2_000.0, seed);
        world.service = Service::Exponential(TEN.1 / 5.0);
        world.run(60.0);
        let seen = world.run(60.0);
        let about = (seed, seen.limit(), seen.done, seen.latency_ms());
        assert!(seen.done as f64 > 0.92 * 60.0 * 1_000.0, "{about:?}");
        assert!(seen.latency_ms() < 25.0, "{about:?}");
    });
}

#[test]
fn a_start_under_overload_finds_its_way_down() {
    for_seeds(|seed| {
        let terms = AdaptiveTerms { initial_limit: 500, ..TERMS };
        let mut world = World::new(TEN.0, Service::Exponential(TEN.1), 2_000.0, seed);
        world.door = Box::leak(Box::new(Door::new(terms)));
        world.run(40.0);
        let seen = world.run(20.0);
        let about = (seed, seen.limit(), seen.done, seen.latency_ms());
        assert!(seen.latency_ms() < 120.0, "{about:?}");
        assert!(seen.done as f64 > 0.9 * 20.0 * 200.0, "{about:?}");
    });
}

#[test]
fn requests_that_hang_on_something_else_do_not_count_as_a_queue() {
    for_seeds(|seed| {
        let mut world = World::new(TEN.0, Service::Polled(TEN.1), 400.0, seed);
        world.run(120.0);
        let seen = world.run(240.0);
        let about = (seed, seen.limit(), seen.done, seen.latency_ms());
        assert!(seen.done as f64 > 0.9 * 240.0 * 200.0, "{about:?}");
        // Ten of them hang.
        assert!(seen.limit() < 36.0, "{about:?}");
    });
}

#[test]
fn no_more_are_ever_under_way_than_the_limit_was() {
    for_seeds(|seed| {
        let mut world = World::new(TEN.0, Service::Exponential(TEN.1), 400.0, seed);
        let seen = world.run(60.0);
        assert!(seen.most <= *seen.limits.iter().max().unwrap(), "{seed}");
        assert!(seen.most > 10, "{seed}");
    });
}
