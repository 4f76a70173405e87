//! Changes made together come to what they come to one by one, for less work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::config;
use crate::lifecycle::Health;
use crate::registry::LiveRoutes;
use crate::route::PathPrefix;
use crate::router::Shared;

fn shared(more: &str) -> Arc<Shared> {
    let text = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{more}");
    let settings = config::parse(&text, "test").unwrap();
    Arc::new(Shared::new(settings, 1, Health::embedded()).unwrap())
}

fn host(n: usize) -> HostPattern {
    format!("h{n}.test").parse().unwrap()
}

fn at(n: usize) -> SocketAddr {
    let [.., high, low] = n.to_be_bytes();
    ([192, 0, 2, 1], u16::from_be_bytes([high, low])).into()
}

fn register(route: usize, endpoint: usize) -> Change {
    Change::Register(Registration::new(host(route), PathPrefix::ROOT, at(endpoint)))
}

fn unregister(route: usize, endpoint: usize) -> Change {
    let (host, path, endpoint) = (host(route), PathPrefix::ROOT, at(endpoint));
    Change::Unregister { host, path, endpoint, instance_id: None, updated_at_ns: None }
}

/// How many endpoints are put into new versions of routes by these changes.
fn copied(shared: &Arc<Shared>, changes: Vec<Change>) -> usize {
    shared.live.lock().ledger.copied = 0;
    LiveRoutes::of(shared).apply(Source::Admin, changes, Instant::now());
    shared.live.lock().ledger.copied
}

#[test]
fn a_list_copies_each_route_once_however_it_is_mixed() {
    let shared = shared("");
    const ALL: usize = 10_000;
    let two_routes = (0..ALL).flat_map(|n| [register(0, n), register(1, n)]).collect();
    assert_eq!(copied(&shared, two_routes), 2 * ALL);
    // In use, each version also has its state of balancing made.
    let snapshot = shared.snapshots.current();
    snapshot.route(snapshot.lookup("h0.test", b"/").unwrap()).endpoints(shared.makings());
    let half_leaves = (0..ALL / 2).flat_map(|n| [unregister(0, 2 * n), register(0, n)]).collect();
    assert!(copied(&shared, half_leaves) <= ALL);
    assert_eq!(copied(&shared, vec![register(1, ALL)]), ALL + 1);
}

#[test]
fn what_says_nothing_new_copies_nothing() {
    let shared = shared("");
    let said = |time| {
        let mut one = Registration::new(host(0), PathPrefix::ROOT, at(1));
        one.updated_at_ns = Some(time);
        Change::Register(one)
    };
    let live = LiveRoutes::of(&shared);
    live.apply(Source::Admin, vec![said(20), register(0, 2)], Instant::now());
    let version = live.version();
    let nothing = vec![said(20), said(10), unregister(0, 3), said(30), register(0, 2)];
    assert_eq!((copied(&shared, nothing), live.version()), (0, version));
}

#[test]
fn what_came_back_before_a_restart_is_there_after_it_and_may_come_back_again() {
    let shared = shared("");
    let live = LiveRoutes::of(&shared);
    let said = |time| {
        let mut one = Registration::new(host(0), PathPrefix::ROOT, at(1));
        one.updated_at_ns = Some(time);
        Change::Register(one)
    };
    // Its leaving was forgotten when the older word came, or that would not be here.
    let changes = [said(20), unregister(0, 1), said(10)];
    live.restore(Source::Nats, &changes, Instant::now());
    live.restored();
    let now = Instant::now();
    assert_eq!(live.route(Source::Nats, &host(0), &PathPrefix::ROOT).len(), 1);
    let again = live.apply(Source::Nats, vec![unregister(0, 1), said(9), said(10)], now);
    assert_eq!(again, [Outcome::Removed, Outcome::Stale, Outcome::Added]);
}

/// Few routes, endpoints and times, so that changes meet.
fn change() -> impl Strategy<Value = Change> {
    let time = prop::option::of(1..4_i64);
    let instance = prop::option::of(prop_oneof![Just("a"), Just("b")]);
    let balance = prop::option::of(prop_oneof![Just("round-robin"), Just("least-requests")]);
    let ttl = prop::option::of(1..4_u64);
    let parts = (0..6, 0..2_usize, 0..4_usize, time, instance, balance, ttl);
    parts.prop_map(|(what, route, endpoint, time, instance, balance, ttl)| {
        let (host, path, endpoint) = (host(route), PathPrefix::ROOT, at(endpoint));
        let instance_id = instance.map(Box::from);
        match what {
            0 => Change::RemoveRoute { host, path },
            1 | 2 => Change::Unregister { host, path, endpoint, instance_id, updated_at_ns: time },
            _ => Change::Register(Registration {
                updated_at_ns: time,
                instance_id,
                balance: balance.map(|balance| balance.parse().unwrap()),
                // Never due just when somebody looks.
                ttl: ttl.map(|seconds| Duration::from_millis(seconds * 1_000 - 500)),
                ..Registration::new(host, path, endpoint)
            }),
        }
    })
}

proptest! {
    #[test]
    fn together_and_one_by_one_come_to_the_same(
        lists in prop::collection::vec(
            (prop::collection::vec(change(), 1..12), prop_oneof![Just(Source::Admin), Just(Source::Nats)], 0..3_u64),
            1..5,
        ),
    ) {
        let more = "[registry]\nendpoints = 5\ngrace = \"0s\"\n";
        let [one, other] = [(); 2].map(|()| shared(more));
        let [together, singly] = [&one, &other].map(LiveRoutes::of);
        let mut now = Instant::now();
        for (list, source, seconds) in lists {
            let outcomes = together.apply(source, list.clone(), now);
            let each = list.into_iter().flat_map(|change| singly.apply(source, vec![change], now));
            prop_assert_eq!(outcomes, each.collect::<Vec<_>>());
            for (source, route) in [(Source::Admin, 0), (Source::Admin, 1), (Source::Nats, 0), (Source::Nats, 1)] {
                let of = |live: &LiveRoutes| live.route(source, &host(route), &PathPrefix::ROOT);
                prop_assert_eq!(of(&together), of(&singly));
            }
            let counted = |shared: &Shared| shared.live.lock().ledger.endpoints();
            prop_assert_eq!(counted(&one), counted(&other));
            // One look ends endpoints and another their route: a route that waits for
            // some is let go by whoever has it for a moment, but not within a list.
            for wait in [Duration::from_secs(seconds), Duration::from_millis(60)] {
                now += wait;
                together.expire(now);
                singly.expire(now);
            }
        }
    }
}
