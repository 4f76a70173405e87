//! Endpoints known by a name: its addresses are followed, and requests never
//! wait for a name server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::Value;

use crate::admin::json;
use crate::harness::dns::{DnsServer, Zone};
use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Held, RefusingEndpoint, Router, ScriptedEndpoint, get};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Two apps that differ in their address alone, as those of a name do.
fn apps() -> (ScriptedEndpoint, ScriptedEndpoint, u16) {
    loop {
        let one = ScriptedEndpoint::echo("one");
        let port = one.address().port();
        if let Some(two) = ScriptedEndpoint::echo_at("two", SocketAddr::from((TWO, port))) {
            return (one, two, port);
        }
    }
}

/// A router that asks `server` for `app.test`, again and again.
fn config(server: SocketAddr, port: u16, more: &str) -> Config {
    Config::new()
        .set("dns.servers", vec![server.to_string()])
        .set("dns.min_ttl", "20ms")
        .set("dns.timeout", "20s")
        .set("dns.attempts", 1)
        .route_with("a.test", &[SocketAddr::from((ONE, port))], more)
        .replacing(&format!("\"127.0.0.1:{port}\""), &format!("\"app.test:{port}\""))
}

/// Who answered.
fn answered_by(router: &Router) -> String {
    let answer = get(router.address(), "a.test", "/");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.fields.one("x-endpoint").expect("an app says who it is").to_owned()
}

/// The route, as the router shows it.
fn route(router: &Router) -> Value {
    json(&crate::admin::ask(router, "/routes"))["routes"][0].clone()
}

fn addresses(router: &Router) -> Vec<String> {
    let route = route(router);
    let endpoints = route["endpoints"].as_array().expect("a list of endpoints");
    endpoints.iter().map(|e| e["address"].as_str().expect("an address").to_owned()).collect()
}

fn until_addresses(router: &Router, expected: &[(Ipv4Addr, u16)]) {
    let expected: Vec<_> = expected.iter().map(|(ip, port)| format!("{ip}:{port}")).collect();
    eventually(&format!("{expected:?}"), || (addresses(router) == expected).then_some(()));
}

/// What `/health/ready` says of name servers.
fn source(router: &Router) -> Value {
    let ready = json(&crate::admin::ask(router, "/health/ready"));
    let sources = ready["sources"].as_array().expect("a list of sources").clone();
    assert_eq!(ready["ready"]["healthy"], true, "names decide nothing: {ready}");
    sources.into_iter().find(|source| source["name"] == "dns").expect("names are a source")
}

#[test]
fn all_addresses_of_a_name_are_used_and_their_changes_followed() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE]);
    let router = Router::start(&config(server.address(), port, ""));
    assert_eq!(answered_by(&router), "one", "the first request meets an answer");
    server.has("app.test", &[TWO, ONE, TWO]);
    until_addresses(&router, &[(ONE, port), (TWO, port)]);
    let mut both = [answered_by(&router), answered_by(&router)];
    both.sort();
    assert_eq!(both, ["one", "two"]);
    let shown = route(&router);
    assert_eq!(shown["endpoints"][0]["name"], format!("app.test:{port}"));
    let name = &shown["names"][0];
    assert_eq!((&name["name"], &name["state"]), (&"app.test".into(), &"resolved".into()));
    assert_eq!(name["addresses"], serde_json::json!(["127.0.0.1", "127.0.0.2"]));
    assert!(name["resolved_unix_ms"].is_u64() && name["ttl_left_ms"].is_u64(), "{name}");
    assert_eq!(source(&router)["state"], "current");
    server.has("app.test", &[TWO]);
    until_addresses(&router, &[(TWO, port)]);
    assert_eq!(answered_by(&router), "two");
    let metrics = ask(&router, "/metrics");
    assert!(sum(&metrics, "pointsman_dns_lookups_total{result=\"answered\"}") >= 3);
    assert_eq!(sum(&metrics, "pointsman_dns_names{state=\"resolved\"}"), 1);
}

#[test]
fn an_address_that_a_name_has_no_longer_is_not_counted_any_more() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE, TWO]);
    let router = Router::start(&config(server.address(), port, ""));
    router.signal("HUP");
    eventually("the reload", || router.stderr().contains("reloaded").then_some(()));
    let counted = |count: u64| {
        eventually(&format!("{count} endpoints"), || {
            (sum(&ask(&router, "/metrics"), "pointsman_endpoints") == count).then_some(())
        });
    };
    counted(2);
    server.has("app.test", &[TWO]);
    until_addresses(&router, &[(TWO, port)]);
    counted(1);
}

#[test]
fn addresses_that_are_nobodys_are_not_used() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    // What is said of a blocked name would lead to this machine.
    let nobodys = [[0, 0, 0, 0], [224, 0, 0, 1], [255, 255, 255, 255]].map(Ipv4Addr::from);
    server.has("app.test", &[&nobodys[..], &[TWO]].concat());
    let config = config(server.address(), port, "").set("dns.negative_hold", "20ms");
    let router = Router::start(&config);
    assert_eq!(addresses(&router), [format!("{TWO}:{port}")]);
    assert_eq!(answered_by(&router), "two");
    server.has("app.test", &nobodys);
    until_addresses(&router, &[]);
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("dns-failed")), "{}", answer.text());
}

#[test]
fn a_failing_name_server_changes_nothing_and_is_told_once() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE]);
    let router = Router::start(&config(server.address(), port, "").set("dns.max_ttl", "20ms"));
    assert_eq!(answered_by(&router), "one");
    server.set("app.test", Zone::ServFail);
    eventually("a stale name", || (source(&router)["state"] == "stale").then_some(()));
    let failures =
        || sum(&ask(&router, "/metrics"), "pointsman_dns_lookups_total{result=\"failed\"}");
    eventually("more failures", || (failures() >= 4).then_some(()));
    assert_eq!(answered_by(&router), "one");
    let name = &route(&router)["names"][0];
    assert_eq!(name["state"], "stale");
    assert_eq!(name["fault"], "the name server answered: Server Failure");
    assert!(name["failing_since_unix_ms"].is_u64(), "{name}");
    assert_eq!(sum(&ask(&router, "/metrics"), "pointsman_dns_names{state=\"stale\"}"), 1);
    let told = |what: &str| router.stderr().matches(what).count();
    eventually("it to be told", || (told("the name cannot be resolved") > 0).then_some(()));
    server.has("app.test", &[TWO]);
    until_addresses(&router, &[(TWO, port)]);
    assert_eq!(source(&router)["state"], "current");
    eventually("that to be told", || (told("the name is resolved again") > 0).then_some(()));
    assert_eq!((told("the name cannot be resolved"), told("the name is resolved again")), (1, 1));
}

#[test]
fn a_silent_name_server_changes_nothing_either() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE]);
    let config = config(server.address(), port, "").set("dns.timeout", "1s");
    let router = Router::start(&config);
    assert_eq!(answered_by(&router), "one");
    server.set("app.test", Zone::Silence);
    eventually("a stale name", || (source(&router)["state"] == "stale").then_some(()));
    assert_eq!(answered_by(&router), "one");
    assert_eq!(route(&router)["names"][0]["fault"], "no name server answered in time");
}

#[test]
fn a_name_never_resolved_is_an_error_of_its_own_until_it_is() {
    let (_one, _two, port) = apps();
    for (zone, status, code) in [
        (Zone::NxDomain, 502, "dns-failed"),
        (Zone::ServFail, 502, "dns-failed"),
        (Zone::Silence, 504, "dns-timeout"),
    ] {
        let server = DnsServer::start();
        server.set("app.test", zone);
        let config =
            config(server.address(), port, "").set("dns.timeout", "1s").set("dns.max_ttl", "50ms");
        let router = Router::start(&config);
        let answer = get(router.address(), "a.test", "/");
        assert_eq!(answer.status, status, "{}", answer.text());
        let fields = answer.fields.one("proxy-status").expect("an error of the router").to_owned();
        assert!(fields.contains(code), "{fields}");
        assert!(!answer.text().contains("app.test"), "{}", answer.text());
        assert_eq!(route(&router)["names"][0]["state"], "unresolved");
        assert_eq!(source(&router)["state"], "pending");
        server.has("app.test", &[ONE]);
        eventually("the app", || {
            (get(router.address(), "a.test", "/").status == 200).then_some(())
        });
    }
}

#[test]
fn an_answer_too_long_for_udp_is_asked_for_over_tcp() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    let all: Vec<IpAddr> = (1..=200).map(|last| IpAddr::from([127, 0, 0, last])).collect();
    server.set("app.test", Zone::TooLong(all, 3600));
    let router = Router::start(&config(server.address(), port, ""));
    assert_eq!(addresses(&router).len(), 200);
    assert!(server.queries("app.test").iter().any(|query| query.tcp));
}

#[test]
fn answers_hold_for_their_time_to_live_between_the_bounds() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    let has = |name: &str, ttl| server.set(name, Zone::Has(vec![ONE.into()], ttl));
    has("app.test", 3600);
    let config = config(server.address(), port, "").set("dns.max_ttl", "1h");
    let router = Router::start(&config);
    assert_eq!(answered_by(&router), "one");
    let left = route(&router)["names"][0]["ttl_left_ms"].as_u64().expect("a time");
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    assert!(server.queries("app.test").len() <= 4, "it is not asked again");
    let router = Router::start(&config.set("dns.max_ttl", "30ms"));
    let before = server.queries("app.test").len();
    eventually("more queries", || (server.queries("app.test").len() > before + 4).then_some(()));
    assert_eq!(answered_by(&router), "one");
}

#[test]
fn an_answer_that_holds_for_a_second_holds_for_a_second() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.set("app.test", Zone::Has(vec![ONE.into()], 1));
    let router = Router::start(&config(server.address(), port, "").set("dns.max_ttl", "1h"));
    assert_eq!(answered_by(&router), "one");
    let left = route(&router)["names"][0]["ttl_left_ms"].as_u64().expect("a time");
    assert!(left <= 1_000, "{left}");
    server.set("app.test", Zone::Has(vec![TWO.into()], 1));
    until_addresses(&router, &[(TWO, port)]);
}

#[test]
fn the_addresses_of_both_families_are_used() {
    let server = DnsServer::start();
    let both = vec![ONE.into(), IpAddr::from(Ipv6Addr::LOCALHOST)];
    server.set("app.test", Zone::Has(both, 0));
    let router = Router::start(&config(server.address(), 80, ""));
    let shown = || {
        let mut shown = addresses(&router);
        shown.sort();
        shown
    };
    let both = ["127.0.0.1:80", "[::1]:80"];
    eventually("both families", || (shown() == both).then_some(()));
    // Whichever is answered first.
    for _ in 0..10 {
        let before = server.queries("app.test").len();
        eventually("an answer more", || {
            (server.queries("app.test").len() > before + 2).then_some(())
        });
        assert_eq!(shown(), both);
    }
}

#[test]
fn other_name_servers_are_asked_at_once_whatever_the_old_ones_said() {
    let (_one, _two, port) = apps();
    // Asked again and again until the reload, and asked once.
    for ttl in [0, 3600] {
        let (old, new) = (DnsServer::start(), DnsServer::start());
        old.set("app.test", Zone::Has(vec![ONE.into()], ttl));
        new.set("app.test", Zone::Has(vec![TWO.into()], ttl));
        let with = |server: &DnsServer| config(server.address(), port, "").set("dns.max_ttl", "1h");
        let router = Router::start(&with(&old));
        assert_eq!(answered_by(&router), "one");
        if ttl == 0 {
            let asked = || old.queries("app.test").len();
            eventually("it to be asked again", || (asked() > 6).then_some(()));
        }
        router.reload(&with(&new));
        until_addresses(&router, &[(TWO, port)]);
        assert_eq!(answered_by(&router), "two");
    }
}

#[test]
fn the_hosts_file_needs_no_name_server() {
    let (_one, _two, port) = apps();
    let nobody = RefusingEndpoint::start();
    let config = config(nobody.address(), port, "").replacing("app.test", "localhost");
    let router = Router::start(&config);
    assert_eq!(answered_by(&router), "one");
    assert_eq!(source(&router)["state"], "current");
}

#[test]
fn a_name_that_ceases_to_exist_loses_its_addresses_after_a_while() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE]);
    let held = config(server.address(), port, "").set("dns.max_ttl", "50ms");
    let router = Router::start(&held.clone().set("dns.negative_hold", "1h"));
    assert_eq!(answered_by(&router), "one");
    server.set("app.test", Zone::NxDomain);
    eventually("a stale name", || (source(&router)["state"] == "stale").then_some(()));
    assert_eq!(answered_by(&router), "one");
    router.reload(&held.set("dns.negative_hold", "0s"));
    until_addresses(&router, &[]);
    let answer = get(router.address(), "a.test", "/");
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn what_is_known_of_an_address_stays_while_others_come_and_go() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE, TWO]);
    // Both look ill at their only probe, and are not asked again.
    let check = "health_check = { expect = 299, interval = \"1d\" }";
    let router = Router::start(&config(server.address(), port, check));
    let down = |index: usize| route(&router)["endpoints"][index]["probe"]["state"] == "down";
    eventually("two verdicts", || (down(0) && down(1)).then_some(()));
    let since = || route(&router)["endpoints"][0]["probe"]["since_unix_ms"].clone();
    let before = since();
    server.has("app.test", &[ONE]);
    until_addresses(&router, &[(ONE, port)]);
    assert!(down(0));
    assert_eq!(since(), before, "it was not found out again");
}

#[test]
fn a_reload_waits_for_the_first_answer_and_a_name_nobody_wants_is_not_asked_for() {
    let (_one, _two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[TWO]);
    let brief = |config: Config| config.set("timeouts.upstream_keep_alive", "300ms");
    let plain = brief(Config::new().route("a.test", &[SocketAddr::from((ONE, port))]));
    let router = Router::start(&plain);
    assert_eq!(answered_by(&router), "one");
    let rest = Held::at_rest(&router);
    router.reload(&brief(config(server.address(), port, "")));
    eventually("the other app", || (answered_by(&router) == "two").then_some(()));
    let tasks = || {
        let listed = json(&crate::admin::ask(&router, "/debug/tasks?kind=resolve"));
        let tasks = listed["tasks"].as_array().expect("a list of tasks").clone();
        tasks
            .iter()
            .map(|task| task["subject"].as_str().unwrap_or("?").to_owned())
            .collect::<Vec<_>>()
    };
    eventually("its asker", || (tasks() == ["app.test".to_owned()]).then_some(()));
    router.reload(&plain);
    eventually("no asker", || tasks().is_empty().then_some(()));
    rest.again(&router);
}

#[test]
fn connections_to_an_address_that_a_name_has_no_longer_are_closed() {
    let (one, two, port) = apps();
    let server = DnsServer::start();
    server.has("app.test", &[ONE, TWO]);
    let config = config(server.address(), port, "").set("timeouts.upstream_keep_alive", "1h");
    let router = Router::start(&config);
    let mut both = [answered_by(&router), answered_by(&router)];
    both.sort();
    assert_eq!(both, ["one", "two"]);
    server.has("app.test", &[TWO]);
    until_addresses(&router, &[(TWO, port)]);
    one.ending(0);
    let before = two.connections();
    assert_eq!(answered_by(&router), "two");
    assert_eq!(two.connections(), before, "the other's is kept");
}
