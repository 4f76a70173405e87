//! Changes made together come to what they come to one by one, for less work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
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

/// What a journal was told, in its order.
type Told = Vec<(Source, Vec<Change>)>;

/// Has what changes told to a list.
fn journal(live: &LiveRoutes) -> Arc<Mutex<Told>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    live.journal(move |source, changes, _| tell.lock().push((source, changes.to_vec())));
    told
}

/// A router that was restarted, and had kept this.
fn restarted(told: &[(Source, Vec<Change>)], more: &str, now: Instant) -> Arc<Shared> {
    let shared = shared(more);
    let live = LiveRoutes::of(&shared);
    told.iter().for_each(|(source, changes)| live.restore(*source, changes, now));
    live.restored();
    shared
}

#[test]
fn what_expired_may_be_said_again_by_an_older_word_after_a_restart_as_before_it() {
    let now = Instant::now();
    let said = |route, time| {
        let mut one = Registration::new(host(route), PathPrefix::ROOT, at(1));
        (one.updated_at_ns, one.ttl) = (Some(time), Some(Duration::from_secs(1)));
        Change::Register(one)
    };
    let before = shared("");
    let live = LiveRoutes::of(&before);
    let told = journal(&live);
    live.apply(Source::Nats, vec![said(0, 20), said(1, 20), said(2, 20)], now);
    live.apply(Source::Nats, vec![unregister(1, 1)], now);
    let later = now + Duration::from_secs(2);
    while live.expire(later) {}
    let after = restarted(&told.lock(), "", later);
    for shared in [before, after] {
        let live = LiveRoutes::of(&shared);
        let again = live.apply(Source::Nats, vec![said(0, 19), said(1, 19), said(2, 21)], later);
        assert_eq!(again, [Outcome::Added, Outcome::Stale, Outcome::Added]);
    }
}

#[test]
fn what_left_with_its_route_is_remembered_after_a_restart_by_its_last_time() {
    let now = Instant::now();
    let said = |time| {
        let mut one = Registration::new(host(0), PathPrefix::ROOT, at(1));
        one.updated_at_ns = Some(time);
        Change::Register(one)
    };
    let remove = || Change::RemoveRoute { host: host(0), path: PathPrefix::ROOT };
    for leave in [remove(), unregister(0, 1)] {
        let before = shared("");
        let live = LiveRoutes::of(&before);
        let told = journal(&live);
        // The second only confirms, and is not told.
        live.apply(Source::Nats, vec![said(20)], now);
        live.apply(Source::Nats, vec![said(30)], now);
        live.apply(Source::Nats, vec![leave], now);
        let after = restarted(&told.lock(), "", now);
        let late = LiveRoutes::of(&after).apply(Source::Nats, vec![said(29), said(30)], now);
        assert_eq!(late, [Outcome::Stale, Outcome::Added]);
    }
}

#[test]
fn a_word_without_a_time_counts_and_leaves_the_time_that_was_known() {
    let now = Instant::now();
    let said = |app: &str, time| {
        let mut one = Registration::new(host(0), PathPrefix::ROOT, at(1));
        (one.updated_at_ns, one.app) = (time, Some(app.into()));
        Change::Register(one)
    };
    for again in ["the same", "another"] {
        let before = shared("");
        let live = LiveRoutes::of(&before);
        let told = journal(&live);
        let changes = vec![said("the same", Some(20)), said(again, None), said("late", Some(19))];
        assert_eq!(live.apply(Source::Nats, changes, now)[2], Outcome::Stale, "{again}");
        // It has left at that time, and what comes back without one does not undo that.
        let changes = vec![unregister(0, 1), said(again, None), said("late", Some(19))];
        let outcomes = [Outcome::Removed, Outcome::Added, Outcome::Stale];
        assert_eq!(live.apply(Source::Nats, changes, now), outcomes, "{again}");
        let after = restarted(&told.lock(), "", now);
        let late = LiveRoutes::of(&after).apply(Source::Nats, vec![said("late", Some(19))], now);
        assert_eq!(late, [Outcome::Stale], "{again}, after a restart");
    }
}

#[test]
fn what_was_made_once_is_made_again_whatever_was_remembered_then() {
    let said = |app: &str, time| {
        let mut one = Registration::new(host(0), PathPrefix::ROOT, at(1));
        (one.updated_at_ns, one.app) = (time, Some(app.into()));
        Change::Register(one)
    };
    // By the time of the last its leaving was forgotten, or that would not be here.
    let told = vec![said("a", Some(20)), unregister(0, 1), said("b", None), said("c", Some(10))];
    let shared = restarted(&[(Source::Nats, told)], "", Instant::now());
    let there = LiveRoutes::of(&shared).route(Source::Nats, &host(0), &PathPrefix::ROOT);
    assert_eq!(there[0].app.as_deref(), Some("c"));
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

    #[test]
    fn a_restarted_router_decides_as_the_one_that_was_there(
        lists in prop::collection::vec(
            (prop::collection::vec(change(), 1..8), prop_oneof![Just(Source::Admin), Just(Source::Nats)], 0..3_u64),
            1..6,
        ),
        then in prop::collection::vec(change(), 1..8),
    ) {
        // A confirmation is not written, nor is its time: here a time has its instance.
        let timed = |mut list: Vec<Change>| {
            for change in &mut list {
                if let Change::Register(said) = change {
                    said.app = said.updated_at_ns.map(|time| time.to_string().into());
                }
            }
            list
        };
        let more = "[registry]\ngrace = \"0s\"\n";
        let before = shared(more);
        let live = LiveRoutes::of(&before);
        let told = journal(&live);
        let mut now = Instant::now();
        for (list, source, seconds) in lists {
            live.apply(source, timed(list), now);
            now += Duration::from_secs(seconds);
            for _ in 0..2 {
                while live.expire(now) {}
                now += Duration::from_millis(60);
            }
        }
        let after = restarted(&told.lock(), more, now);
        let [live, again] = [&before, &after].map(LiveRoutes::of);
        let then = timed(then);
        for source in [Source::Admin, Source::Nats] {
            for route in 0..2 {
                let of = |live: &LiveRoutes| live.route(source, &host(route), &PathPrefix::ROOT);
                prop_assert_eq!(of(&live), of(&again));
            }
            prop_assert_eq!(live.apply(source, then.clone(), now), again.apply(source, then.clone(), now));
        }
    }
}
