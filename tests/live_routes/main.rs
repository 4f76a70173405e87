//! Live routes through the library's front door: what sources say, and what
//! the table then has.
#![cfg(feature = "router")]
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod messages;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pointsman::registry::{Change, LiveRoutes, Outcome, Registration, Source};
use pointsman::{Router, config};

const S: Duration = Duration::from_secs(1);

fn live(more: &str) -> (Router, LiveRoutes) {
    let text = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{more}");
    let router = Router::new(config::parse(&text, "test").unwrap()).unwrap();
    let live = router.live_routes();
    (router, live)
}

fn address(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn said(host: &str, port: u16, ttl: Option<Duration>) -> Registration {
    let mut one = Registration::new(host.parse().unwrap(), "/".parse().unwrap(), address(port));
    one.ttl = ttl;
    one.instance_id = Some(format!("i-{port}").into());
    one.tags.insert("org".into(), "test".into());
    one
}

fn register(host: &str, port: u16, ttl: Option<Duration>) -> Change {
    Change::Register(said(host, port, ttl))
}

fn unregister(host: &str, port: u16, instance: Option<&str>) -> Change {
    Change::Unregister {
        host: host.parse().unwrap(),
        path: "/".parse().unwrap(),
        endpoint: address(port),
        instance_id: instance.map(Box::from),
        updated_at_ns: None,
    }
}

fn ports(live: &LiveRoutes, source: Source, host: &str) -> Vec<u16> {
    let of = live.route(source, &host.parse().unwrap(), &"/".parse().unwrap());
    of.iter().map(|one| one.endpoint.port()).collect()
}

fn refresh(live: &LiveRoutes, source: Source, one: &Registration, now: Instant) -> bool {
    confirm(live, source, one, now).is_some()
}

fn confirm(live: &LiveRoutes, source: Source, one: &Registration, now: Instant) -> Option<Outcome> {
    let tags: Vec<(&str, &str)> = one.tags.iter().map(|(n, v)| (&**n, &**v)).collect();
    live.refresh(source, &one.host.to_string(), "/", &one.heard(), &tags, now)
}

fn expire_all(live: &LiveRoutes, now: Instant) {
    while live.expire(now) {}
}

#[test]
fn what_is_registered_is_there_until_it_is_unregistered() {
    let (_router, live) = live("");
    let now = Instant::now();
    let changes = vec![register("a.test", 1, None), register("a.test", 2, None)];
    assert_eq!(live.apply(Source::Nats, changes, now), [Outcome::Added, Outcome::Added]);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1, 2]);
    let changes = vec![unregister("a.test", 1, None), unregister("a.test", 1, None)];
    assert_eq!(live.apply(Source::Nats, changes, now), [Outcome::Removed, Outcome::Unknown]);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [2]);
}

#[test]
fn an_instance_that_leaves_late_does_not_take_its_successor_along() {
    let (_router, live) = live("");
    let now = Instant::now();
    live.apply(Source::Nats, vec![register("a.test", 1, None)], now);
    let other = unregister("a.test", 1, Some("i-of-another"));
    assert_eq!(live.apply(Source::Nats, vec![other], now), [Outcome::Unknown]);
    let own = unregister("a.test", 1, Some("i-1"));
    assert_eq!(live.apply(Source::Nats, vec![own], now), [Outcome::Removed]);
}

#[test]
fn a_source_cannot_touch_what_another_brought() {
    let (_router, live) = live("[[route]]\nhost = \"a.test\"\nendpoints = [\"192.0.2.1:9\"]\n");
    let now = Instant::now();
    live.apply(Source::Admin, vec![register("a.test", 1, None)], now);
    live.apply(Source::Nats, vec![register("a.test", 1, None)], now);
    live.apply(Source::Nats, vec![unregister("a.test", 1, None)], now);
    assert_eq!(ports(&live, Source::Admin, "a.test"), [1]);
    assert_eq!(ports(&live, Source::File, "a.test"), [9]);
    let path = "/".parse().unwrap();
    let remove = Change::RemoveRoute { host: "a.test".parse().unwrap(), path };
    assert_eq!(live.apply(Source::Nats, vec![remove.clone()], now), [Outcome::Unknown]);
    assert_eq!(live.apply(Source::Admin, vec![remove], now), [Outcome::Removed]);
    assert_eq!(ports(&live, Source::File, "a.test"), [9]);
}

#[test]
fn what_is_not_confirmed_expires_and_what_is_does_not() {
    let (_router, live) = live("");
    let now = Instant::now();
    let kept = said("a.test", 1, Some(10 * S));
    live.apply(Source::Nats, vec![Change::Register(kept.clone())], now);
    live.apply(Source::Nats, vec![register("a.test", 2, Some(10 * S))], now);
    assert!(refresh(&live, Source::Nats, &kept, now + 9 * S));
    expire_all(&live, now + 9 * S);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1, 2]);
    expire_all(&live, now + 11 * S);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1]);
    expire_all(&live, now + 20 * S);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [] as [u16; 0]);
    assert!(!refresh(&live, Source::Nats, &kept, now + 20 * S), "what is gone registers anew");
}

#[test]
fn nothing_expires_while_its_source_is_away_nor_for_a_whole_ttl_after() {
    let (_router, live) = live("");
    let now = Instant::now();
    let silent = register("a.test", 1, Some(10 * S));
    live.apply(Source::Nats, vec![silent, register("b.test", 2, Some(10 * S))], now);
    live.apply(Source::Admin, vec![register("c.test", 3, Some(10 * S))], now);
    live.set_connected(Source::Nats, false, now + 5 * S);
    expire_all(&live, now + 100 * S);
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1]);
    assert!(ports(&live, Source::Admin, "c.test").is_empty(), "another source's does expire");
    live.set_connected(Source::Nats, true, now + 100 * S);
    // That it is still there is no return.
    live.set_connected(Source::Nats, true, now + 108 * S);
    expire_all(&live, now + 109 * S);
    assert!(refresh(&live, Source::Nats, &said("b.test", 2, Some(10 * S)), now + 109 * S));
    assert_eq!(ports(&live, Source::Nats, "a.test"), [1]);
    expire_all(&live, now + 112 * S);
    assert!(ports(&live, Source::Nats, "a.test").is_empty());
    assert_eq!(ports(&live, Source::Nats, "b.test"), [2]);
}

#[test]
fn an_older_word_on_an_endpoint_is_ignored() {
    let (_router, live) = live("");
    let now = Instant::now();
    let at = |ns, port_weight| {
        let mut one = said("a.test", 1, None);
        (one.updated_at_ns, one.weight) = (Some(ns), port_weight);
        one
    };
    let changes = vec![Change::Register(at(200, 5)), Change::Register(at(100, 6))];
    assert_eq!(live.apply(Source::Nats, changes, now), [Outcome::Added, Outcome::Stale]);
    let leave = |ns| Change::Unregister {
        host: "a.test".parse().unwrap(),
        path: "/".parse().unwrap(),
        endpoint: address(1),
        instance_id: None,
        updated_at_ns: Some(ns),
    };
    assert_eq!(live.apply(Source::Nats, vec![leave(199)], now), [Outcome::Stale]);
    assert!(refresh(&live, Source::Nats, &at(300, 5), now), "newer, and the same otherwise");
    assert_eq!(live.apply(Source::Nats, vec![leave(200)], now), [Outcome::Stale]);
    assert_eq!(live.apply(Source::Nats, vec![leave(300)], now), [Outcome::Removed]);
}

#[test]
fn a_late_word_renews_nothing() {
    let (_router, live) = live("");
    let now = Instant::now();
    let mut one = said("a.test", 1, Some(10 * S));
    one.updated_at_ns = Some(200);
    live.apply(Source::Nats, vec![Change::Register(one.clone())], now);
    one.updated_at_ns = Some(100);
    assert_eq!(confirm(&live, Source::Nats, &one, now + 9 * S), Some(Outcome::Stale));
    one.updated_at_ns = Some(200);
    assert_eq!(confirm(&live, Source::Nats, &one, now), Some(Outcome::Refreshed));
    expire_all(&live, now + 11 * S);
    assert!(ports(&live, Source::Nats, "a.test").is_empty());
}

#[test]
fn what_has_left_is_not_brought_back_by_what_was_said_before() {
    let (_router, live) = live("");
    let now = Instant::now();
    let at = |ns| {
        let mut one = said("a.test", 1, None);
        one.updated_at_ns = ns;
        Change::Register(one)
    };
    let apply = |changes| live.apply(Source::Nats, changes, now);
    // It had a time, and what ended it had none.
    assert_eq!(
        apply(vec![at(Some(20)), unregister("a.test", 1, None)]),
        [Outcome::Added, Outcome::Removed]
    );
    assert_eq!(apply(vec![at(Some(19))]), [Outcome::Stale]);
    let Change::Unregister { host, path, instance_id, .. } = unregister("b.test", 1, None) else {
        unreachable!("it unregisters")
    };
    let endpoint = address(1);
    let updated_at_ns = Some(20);
    let first_heard = Change::Unregister { host, path, endpoint, instance_id, updated_at_ns };
    let mut late = said("b.test", 1, None);
    late.updated_at_ns = Some(19);
    let late = Change::Register(late);
    assert_eq!(apply(vec![first_heard, late]), [Outcome::Unknown, Outcome::Stale]);
    assert_eq!(live.apply(Source::Admin, vec![at(Some(19))], now), [Outcome::Added], "another's");
    assert_eq!(
        apply(vec![at(Some(20)), unregister("a.test", 1, None)]),
        [Outcome::Added, Outcome::Removed]
    );
    assert_eq!(apply(vec![at(None)]), [Outcome::Added], "without a time there is no order");
    let later = now + Duration::from_secs(301);
    apply(vec![unregister("a.test", 1, None)]);
    assert_eq!(live.apply(Source::Nats, vec![at(Some(1))], later), [Outcome::Added]);
}

#[test]
fn another_balance_is_a_change_even_if_nothing_else_is() {
    let (_router, live) = live("");
    let now = Instant::now();
    let mut one = said("a.test", 1, None);
    live.apply(Source::Nats, vec![Change::Register(one.clone())], now);
    one.balance = Some(pointsman::config::Balance::LeastRequests);
    let changes = vec![Change::Register(one.clone()), Change::Register(one.clone())];
    assert_eq!(live.apply(Source::Nats, changes, now), [Outcome::Updated, Outcome::Refreshed]);
    assert_eq!(live.export(Source::Nats).next().unwrap().balance, one.balance);
}

#[test]
fn many_that_are_due_at_once_all_go() {
    let (_router, live) = live("");
    let now = Instant::now();
    let changes = (0..1_000).map(|at| register(&format!("a{at}.test"), 1, Some(S))).collect();
    live.apply(Source::Nats, changes, now);
    expire_all(&live, now + 2 * S);
    assert_eq!(live.export(Source::Nats).count(), 0);
}

#[test]
fn an_expired_route_gives_way_to_another_sources() {
    let (router, live) = live("");
    let now = Instant::now();
    live.apply(Source::Nats, vec![register("a.test", 1, Some(S))], now);
    expire_all(&live, now + 2 * S);
    assert!(router.has_route("a.test", "/"), "for its grace");
    live.apply(Source::Admin, vec![register("a.test", 2, None)], now + 2 * S);
    live.apply(Source::Admin, vec![unregister("a.test", 2, None)], now + 2 * S);
    assert!(!router.has_route("a.test", "/"), "who unregisters is gone at once");
}

#[test]
fn with_more_tags_than_are_compared_a_refresh_is_a_change() {
    let (_router, live) = live("");
    let now = Instant::now();
    let mut one = said("a.test", 1, None);
    for at in 0..70 {
        one.tags.insert(format!("t{at}").into(), "x".into());
    }
    live.apply(Source::Nats, vec![Change::Register(one.clone())], now);
    assert!(!refresh(&live, Source::Nats, &one, now));
    assert_eq!(live.apply(Source::Nats, vec![Change::Register(one)], now), [Outcome::Refreshed]);
}

#[test]
fn a_refresh_is_one_only_if_nothing_is_new() {
    let (_router, live) = live("");
    let now = Instant::now();
    let one = said("a.test", 1, Some(10 * S));
    assert!(!refresh(&live, Source::Nats, &one, now));
    live.apply(Source::Nats, vec![Change::Register(one.clone())], now);
    let version = live.version();
    assert!(refresh(&live, Source::Nats, &one, now));
    assert!(!refresh(&live, Source::Admin, &one, now), "another source has not said it");
    let changes: [fn(&mut Registration); 6] = [
        |r| r.ttl = Some(11 * S),
        |r| r.weight = 2,
        |r| r.tls = true,
        |r| r.app = Some("x".into()),
        |r| drop(r.tags.insert("more".into(), "x".into())),
        |r| r.balance = Some(pointsman::config::Balance::LeastRequests),
    ];
    for change in changes {
        let mut other = one.clone();
        change(&mut other);
        assert!(!refresh(&live, Source::Nats, &other, now), "{other:?}");
    }
    let same = live.apply(Source::Nats, vec![Change::Register(one.clone())], now);
    assert_eq!((same, live.version()), (vec![Outcome::Refreshed], version), "no new table");
    let mut other = one;
    other.weight = 2;
    let updated = live.apply(Source::Nats, vec![Change::Register(other.clone())], now);
    assert_eq!((updated, live.version()), (vec![Outcome::Updated], version + 1));
    assert!(refresh(&live, Source::Nats, &other, now));
}

#[test]
fn as_many_endpoints_as_are_allowed_are_taken() {
    let (_router, live) = live("[registry]\nendpoints = 2\n");
    let now = Instant::now();
    let changes = (1..=3).map(|port| register("a.test", port, None)).collect();
    let outcomes = live.apply(Source::Nats, changes, now);
    assert_eq!(outcomes, [Outcome::Added, Outcome::Added, Outcome::Full]);
    let changes = vec![unregister("a.test", 1, None), register("b.test", 3, None)];
    assert_eq!(live.apply(Source::Admin, vec![register("b.test", 3, None)], now), [Outcome::Full]);
    assert_eq!(live.apply(Source::Nats, changes, now), [Outcome::Removed, Outcome::Added]);
}

#[test]
fn what_is_exported_can_be_imported() {
    let (_router, one) = live("");
    let now = Instant::now();
    let mut full = said("*.a.test", 1, Some(10 * S));
    full.updated_at_ns = Some(7);
    full.balance = Some(pointsman::config::Balance::LeastRequests);
    let changes = vec![
        Change::Register(full),
        register("b.test", 2, None),
        register("b.test", 3, None),
        register("*", 4, Some(S)),
    ];
    one.apply(Source::Nats, changes, now);
    one.apply(Source::Admin, vec![register("b.test", 9, None)], now);
    let saved: Vec<_> = one.export(Source::Nats).collect();
    assert_eq!(saved.len(), 4);
    let (_other_router, other) = live("");
    assert_eq!(other.import(Source::Nats, saved.clone(), now), 4);
    let order = |mut all: Vec<Registration>| {
        all.sort_by_key(|one| (one.host.to_string(), one.endpoint));
        all
    };
    assert_eq!(order(other.export(Source::Nats).collect()), order(saved));
    assert_eq!(other.export(Source::Admin).count(), 0);
}

#[test]
fn the_journal_hears_every_change_in_order_and_no_refresh() {
    let (_router, live) = live("");
    let (tell, told) = std::sync::mpsc::channel();
    live.journal(move |source, changes, version| {
        tell.send((source, changes.to_vec(), version)).unwrap();
    });
    let now = Instant::now();
    let one = register("a.test", 1, Some(S));
    live.apply(Source::Nats, vec![one.clone(), one.clone(), unregister("b.test", 1, None)], now);
    live.apply(Source::Nats, vec![one.clone()], now);
    expire_all(&live, now + 5 * S);
    let heard: Vec<_> = told.try_iter().collect();
    assert_eq!(heard[0], (Source::Nats, vec![one], 1));
    let gone = unregister("a.test", 1, Some("i-1"));
    assert_eq!(heard[1..], [(Source::Nats, vec![gone], 2)]);
    live.import(Source::Nats, [said("c.test", 1, None)], now);
    assert_eq!(told.try_iter().count(), 0, "somebody else keeps what is imported");
}

#[test]
fn the_journal_hears_of_who_left_before_it_was_heard_of() {
    let (_router, live) = live("");
    let (tell, told) = std::sync::mpsc::channel();
    live.journal(move |_, changes, _| tell.send(changes.to_vec()).unwrap());
    let mut gone = unregister("a.test", 1, None);
    let outcome = live.apply(Source::Nats, vec![gone.clone()], Instant::now());
    assert_eq!((outcome, told.try_iter().count()), (vec![Outcome::Unknown], 0), "of no use later");
    if let Change::Unregister { updated_at_ns, .. } = &mut gone {
        *updated_at_ns = Some(20);
    }
    let outcome = live.apply(Source::Nats, vec![gone.clone()], Instant::now());
    assert_eq!(outcome, [Outcome::Unknown]);
    let heard: Vec<_> = told.try_iter().collect();
    assert_eq!(heard, [vec![gone]], "a late register is ignored after a restart, too");
}
