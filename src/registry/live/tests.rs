use super::*;
use crate::config;
use crate::lifecycle::Health;
use crate::telemetry::metrics::RouteLabel;

fn settings(more: &str) -> config::Settings {
    let text = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{more}");
    config::parse(&text, "test").unwrap()
}

fn shared(more: &str) -> Arc<Shared> {
    Arc::new(Shared::new(settings(more), 2, Health::embedded()).unwrap())
}

fn file_route(host: &str) -> String {
    format!("[[route]]\nhost = \"{host}\"\nendpoints = [\"192.0.2.9:80\"]\n")
}

fn register(host: &str, port: u16) -> Change {
    let address = ([192, 0, 2, 1], port).into();
    Change::Register(Registration::new(host.parse().unwrap(), PathPrefix::ROOT, address))
}

fn sources(shared: &Shared, host: &str) -> Vec<Source> {
    let snapshot = shared.snapshots.current();
    let top = snapshot.entries().get_text(host, "/");
    top.iter().flat_map(|top| top.layers()).map(|layer| layer.source).collect()
}

#[test]
fn a_reload_replaces_the_files_routes_and_no_others() {
    let shared = shared(&(file_route("a.test") + &file_route("b.test")));
    let live = LiveRoutes::of(&shared);
    let changes = vec![register("a.test", 1), register("c.test", 1)];
    live.apply(Source::Admin, changes, Instant::now());
    assert_eq!(sources(&shared, "a.test"), [Source::File, Source::Admin]);
    shared.reload(settings(&(file_route("b.test") + &file_route("c.test")))).unwrap();
    assert_eq!(sources(&shared, "a.test"), [Source::Admin]);
    assert_eq!(sources(&shared, "b.test"), [Source::File]);
    assert_eq!(sources(&shared, "c.test"), [Source::File, Source::Admin]);
    shared.reload(settings("[timeouts]\nconnect = \"7s\"\n")).unwrap();
    assert_eq!(sources(&shared, "c.test"), [Source::Admin]);
    let snapshot = shared.snapshots.current();
    let route = snapshot.route(snapshot.lookup("c.test", b"/").unwrap());
    assert_eq!(route.timeouts.connect, Duration::from_secs(7), "the new options count");
    assert_eq!(snapshot.len(), 2);
}

#[test]
fn another_zone_or_weight_of_the_same_address_is_taken_up_by_a_reload() {
    let with = |zone: &str, weight: u16| {
        format!(
            "[[route]]\nhost = \"a.test\"\nendpoints = \
             [{{ address = \"192.0.2.9:80\", zone = \"{zone}\", weight = {weight} }}]\n"
        )
    };
    let shared = shared(&with("a", 1));
    for (zone, weight) in [("a", 1), ("b", 1), ("b", 7)] {
        shared.reload(settings(&with(zone, weight))).unwrap();
        let snapshot = shared.snapshots.current();
        let endpoint = &snapshot.entries().get_text("a.test", "/").unwrap().endpoints[0];
        assert_eq!((endpoint.zone(), endpoint.weight), (Some(zone), weight));
    }
}

#[test]
fn what_is_known_of_an_endpoint_survives_changes_of_its_route_and_reloads() {
    let shared = shared("");
    let live = LiveRoutes::of(&shared);
    let state = |port: u16| {
        let snapshot = shared.snapshots.current();
        let route = snapshot.route(snapshot.lookup("a.test", b"/").unwrap());
        let address = ([192, 0, 2, 1], port).into();
        let of = route.endpoints(shared.makings()).endpoints();
        Arc::clone(of.iter().find(|state| state.address() == address).unwrap())
    };
    live.apply(Source::Nats, vec![register("a.test", 1)], Instant::now());
    assert!(shared.endpoints.in_use().is_empty(), "nobody has used it");
    state(1).pass_over(1_000, crate::endpoint::Reason::New);
    live.apply(Source::Nats, vec![register("a.test", 2)], Instant::now());
    assert!(state(1).is_passed_over(1_001));
    shared.reload(settings(&file_route("b.test"))).unwrap();
    assert!(state(1).is_passed_over(1_001));
    live.apply(Source::Admin, vec![register("a.test", 3)], Instant::now());
    let remove = Change::RemoveRoute { host: "a.test".parse().unwrap(), path: PathPrefix::ROOT };
    live.apply(Source::Admin, vec![remove], Instant::now());
    assert!(state(1).is_passed_over(1_001), "what is overridden stays as it was");
}

#[test]
fn ten_thousand_swaps_leave_the_table_and_the_calendar_where_they_were() {
    let shared = shared("");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    for n in 0..10_000 {
        let Change::Register(mut one) = register(&format!("a-{}.test", n % 10), 1) else {
            unreachable!("it registers")
        };
        one.ttl = Some(Duration::from_secs(n));
        let (host, path) = (one.host.clone(), one.path.clone());
        live.apply(Source::Nats, vec![Change::Register(one)], now);
        live.apply(Source::Nats, vec![Change::RemoveRoute { host, path }], now);
    }
    let held = shared.live.lock();
    assert!(held.ledger.table.is_empty());
    assert!(held.ledger.calendar.len() <= 4_097, "{}", held.ledger.calendar.len());
    assert_eq!((held.ledger.endpoints(), held.version), (0, 20_000));
    let current = shared.snapshots.current();
    assert_eq!(Arc::strong_count(&current), 2, "nobody holds an old table");
}

#[test]
fn what_has_left_is_forgotten_in_time_even_if_nothing_else_leaves() {
    let shared = shared("[registry]\ntombstone_ttl = \"5s\"\n");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    let left = Change::Unregister {
        host: "a.test".parse().unwrap(),
        path: PathPrefix::ROOT,
        endpoint: ([192, 0, 2, 1], 1).into(),
        instance_id: None,
        updated_at_ns: Some(1),
    };
    live.apply(Source::Nats, vec![left], now);
    let remembered = || shared.live.lock().ledger.tombstones.len();
    assert_eq!(remembered(), 1);
    live.expire(now + Duration::from_secs(4));
    assert_eq!(remembered(), 1);
    // Nothing else has to be due then.
    live.expire(now + Duration::from_secs(6));
    assert_eq!(remembered(), 0);
}

#[test]
fn a_time_to_live_beyond_the_longest_is_looked_at_when_that_is_over() {
    let shared = shared("[registry]\ngrace = \"0s\"\n");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    let Change::Register(mut long) = register("a.test", 1) else { unreachable!("it registers") };
    long.ttl = Some(Duration::from_secs(i64::MAX.unsigned_abs()));
    live.apply(Source::Nats, vec![Change::Register(long)], now);
    let days = |days: u64| now + Duration::from_secs(days * 86_400);
    assert!(!live.expire(days(49)));
    assert_eq!(sources(&shared, "a.test"), [Source::Nats]);
    // One look ends its endpoint, another the route.
    live.expire(days(50));
    live.expire(days(51));
    assert!(sources(&shared, "a.test").is_empty());
}

#[test]
fn a_longer_grace_holds_for_routes_that_have_expired_already() {
    let grace = |grace: &str| format!("[registry]\ngrace = \"{grace}\"\n");
    let shared = shared(&grace("1s"));
    let live = LiveRoutes::of(&shared);
    // Long after the start, so that it counts when the route expired.
    let now = Instant::now() + Duration::from_secs(100_000);
    let Change::Register(mut brief) = register("a.test", 1) else { unreachable!("it registers") };
    brief.ttl = Some(Duration::from_secs(1));
    live.apply(Source::Nats, vec![Change::Register(brief)], now);
    live.expire(now + Duration::from_secs(2));
    shared.reload(settings(&grace("1h"))).unwrap();
    live.expire(now + Duration::from_secs(60));
    assert_eq!(sources(&shared, "a.test"), [Source::Nats]);
    live.expire(now + Duration::from_secs(3_700));
    assert!(sources(&shared, "a.test").is_empty());
}

#[test]
fn live_routes_have_labels_as_long_as_there_are_some_and_give_way_to_flagged_ones() {
    let shared = shared("");
    let live = LiveRoutes::of(&shared);
    let changes = (0..1_001).map(|n| register(&format!("a-{n}.test"), 1)).collect();
    live.apply(Source::Nats, changes, Instant::now());
    let unlabelled = || {
        let snapshot = shared.snapshots.current();
        snapshot.routes().filter(|route| route.label == RouteLabel::OTHER).count()
    };
    assert_eq!(unlabelled(), 1);
    shared.reload(settings(&(file_route("b.test") + "metrics = true\n"))).unwrap();
    assert_eq!(unlabelled(), 2);
    let remove = |n| Change::RemoveRoute {
        host: format!("a-{n}.test").parse().unwrap(),
        path: PathPrefix::ROOT,
    };
    live.apply(Source::Nats, (0..1_001).map(remove).collect(), Instant::now());
    live.apply(Source::Nats, vec![register("new.test", 1)], Instant::now());
    assert_eq!(unlabelled(), 0);
}

#[test]
fn a_source_has_an_age_once_it_was_heard() {
    let shared = shared("");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    assert_eq!(live.age(Source::Nats, now), None);
    live.heard_from(Source::Nats, now);
    let later = now + Duration::from_secs(3);
    assert_eq!(live.age(Source::Nats, later).map(|age| age.as_secs()), Some(3));
    assert_eq!(live.age(Source::Admin, later), None);
}

#[test]
fn changes_that_do_not_all_find_room_leave_no_trace() {
    let shared = shared("[registry]\nendpoints = 2\n");
    let live = LiveRoutes::of(&shared);
    let wholly = |changes: Vec<Change>| {
        let version = live.version();
        let outcomes = live.apply_wholly(Source::Admin, changes, Instant::now());
        assert!(outcomes.is_some() || live.version() == version);
        outcomes
    };
    let unregister = |port: u16| Change::Unregister {
        host: "a.test".parse().unwrap(),
        path: PathPrefix::ROOT,
        endpoint: ([192, 0, 2, 1], port).into(),
        instance_id: None,
        updated_at_ns: None,
    };
    use Outcome::{Added, Refreshed, Removed};
    assert_eq!(wholly(vec![register("a.test", 1)]), Some(vec![Added]));
    let three = vec![register("a.test", 1), register("a.test", 2), register("a.test", 3)];
    assert_eq!(wholly(three), None);
    assert_eq!(live.route(Source::Admin, &"a.test".parse().unwrap(), &PathPrefix::ROOT).len(), 1);
    assert_eq!(wholly(vec![register("a.test", 2), register("b.test", 2)]), None);
    assert!(sources(&shared, "b.test").is_empty());
    let twice = vec![register("a.test", 2), register("a.test", 2), register("a.test", 1)];
    assert_eq!(wholly(twice), Some(vec![Added, Refreshed, Refreshed]), "one counts once");
    let instead = vec![unregister(1), unregister(1), register("a.test", 3)];
    assert_eq!(wholly(instead), Some(vec![Removed, Outcome::Unknown, Added]));
    let late = vec![register("a.test", 4), unregister(2)];
    assert_eq!(wholly(late), None, "room that comes later is none");
}

#[test]
fn endpoints_of_the_file_and_of_live_routes_are_counted_together() {
    let file = "[[route]]\nhost = \"b.test\"\nendpoints = [\"192.0.2.8:80\", \"192.0.2.9:80\"]\n";
    let shared = shared(file);
    let live = LiveRoutes::of(&shared);
    let changes = vec![register("a.test", 1), register("a.test", 2), register("c.test", 3)];
    live.apply(Source::Nats, changes, Instant::now());
    assert_eq!(shared.live.lock().ledger.endpoints(), 5);
}

#[test]
fn a_route_without_endpoints_stays_for_its_whole_grace_and_no_longer() {
    let shared = shared("[registry]\ngrace = \"10s\"\n");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    let at = |seconds: u64| now + Duration::from_secs(seconds);
    let Change::Register(mut brief) = register("a.test", 1) else { unreachable!("it registers") };
    brief.ttl = Some(Duration::from_secs(60));
    live.apply(Source::Nats, vec![Change::Register(brief)], now);
    live.expire(at(61));
    assert_eq!(live.route(Source::Nats, &"a.test".parse().unwrap(), &PathPrefix::ROOT), []);
    live.expire(at(70));
    assert_eq!(sources(&shared, "a.test"), [Source::Nats]);
    // A tick of the calendar later.
    live.expire(at(71) + Duration::from_millis(50));
    assert!(sources(&shared, "a.test").is_empty());
}

#[test]
fn while_a_source_is_away_its_routes_are_looked_at_now_and_then_only() {
    let shared = shared("");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    let Change::Register(mut brief) = register("a.test", 1) else { unreachable!("it registers") };
    brief.ttl = Some(Duration::from_secs(1));
    live.apply(Source::Nats, vec![Change::Register(brief)], now);
    live.set_connected(Source::Nats, false, now);
    let later = now + Duration::from_secs(100);
    live.expire(later);
    let due = |at: Instant| {
        let at_ms = shared.now_ms(at);
        shared.live.lock().ledger.calendar.take_due(at_ms, 9).len()
    };
    assert_eq!(due(later + Duration::from_millis(900)), 0, "it was looked at just now");
    assert_eq!(due(later + Duration::from_millis(1_100)), 1);
}

#[test]
fn a_sweep_of_the_calendar_forgets_no_route_that_is_there() {
    let shared = shared("[registry]\ngrace = \"0s\"\n");
    let live = LiveRoutes::of(&shared);
    let now = Instant::now();
    let one = |host: &str, seconds| {
        let Change::Register(mut one) = register(host, 1) else { unreachable!("it registers") };
        one.ttl = Some(Duration::from_secs(seconds));
        one
    };
    live.apply(Source::Nats, vec![Change::Register(one("there.test", 50))], now);
    let looks = || shared.live.lock().ledger.calendar.len();
    // Each comes with another time to live, so that looks pile up; the last one
    // is about to be there when they are swept.
    let swept = (1..10_000).any(|seconds| {
        let said = one("hand.test", seconds);
        let (host, path, before) = (said.host.clone(), said.path.clone(), looks());
        live.apply(Source::Nats, vec![Change::Register(said)], now);
        let swept = looks() < before;
        if !swept {
            live.apply(Source::Nats, vec![Change::RemoveRoute { host, path }], now);
        }
        swept
    });
    assert!(swept && looks() == 2, "{} looks for two routes", looks());
    let later = now + Duration::from_secs(20_000);
    while live.expire(later) {}
    assert_eq!(live.route(Source::Nats, &"there.test".parse().unwrap(), &PathPrefix::ROOT), []);
    assert_eq!(live.route(Source::Nats, &"hand.test".parse().unwrap(), &PathPrefix::ROOT), []);
}
