//! Endpoints that register themselves on NATS.

use serde_json::Value;

use crate::admin::{ask, json};
use crate::harness::line::Line;
use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint, get};

const REGISTER: &str = "router.register";
const UNREGISTER: &str = "router.unregister";

pub(crate) fn config(server: &NatsServer) -> Config {
    let urls = vec![toml::Value::from(server.url())];
    // No grace, so that a route without endpoints is no route.
    Config::new().set("registry.nats.urls", urls).set("registry.grace", "0s")
}

/// Starts a router and waits until it listens to the bus.
fn start(server: &NatsServer) -> Router {
    let router = Router::start(&config(server));
    until_connected(&router);
    router
}

#[track_caller]
pub(crate) fn until_connected(router: &Router) {
    eventually("the router on the bus", || {
        (metric(router, "pointsman_nats_connected") == Some(1.0)).then_some(())
    });
}

/// The value of a series, if it is there.
pub(crate) fn metric(router: &Router, series: &str) -> Option<f64> {
    let text = ask(router, "/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
pub(crate) fn until(router: &Router, host: &str, path: &str, status: u16) {
    eventually(&format!("{status} for {host}{path}"), || {
        (get(router.address(), host, path).status == status).then_some(())
    });
}

fn source(router: &Router) -> Value {
    let ready = json(&ask(router, "/health/ready"));
    let sources = ready["sources"].as_array().expect("sources are listed").clone();
    sources.into_iter().find(|source| source["name"] == "nats").expect("nats is listed")
}

#[test]
fn a_registration_is_served_until_it_is_unregistered() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    assert_eq!(get(router.address(), "a.test", "/").status, 404);
    emitter.publish(REGISTER, &message(app.address(), &["A.test"], ""));
    until(&router, "a.test", "/", 200);
    assert_eq!(source(&router)["state"], "current");
    assert!(metric(&router, "pointsman_source_age_seconds{source=\"nats\"}").is_some());
    emitter.publish(UNREGISTER, &message(app.address(), &["a.test"], ""));
    until(&router, "a.test", "/", 404);
}

#[test]
fn who_leaves_may_name_a_route_service() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    emitter.publish(REGISTER, &message(app.address(), &["a.test"], ""));
    until(&router, "a.test", "/", 200);
    let guarded = message(app.address(), &["a.test"], "\"route_service_url\":\"https://x.test\"");
    emitter.publish(UNREGISTER, &guarded);
    until(&router, "a.test", "/", 404);
}

#[test]
fn older_words_on_what_is_there_are_counted() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    let at = |uris: &[&str], time: i64| {
        message(app.address(), uris, &format!("\"endpoint_updated_at_ns\":{time}"))
    };
    emitter.publish(REGISTER, &at(&["a.test", "b.test"], 20));
    until(&router, "b.test", "/", 200);
    let counted = |result: &str| {
        let series = format!("pointsman_nats_endpoints_total{{result=\"{result}\"}}");
        metric(&router, &series)
    };
    assert_eq!(counted("stale"), Some(0.0));
    // The same word again is a refresh; the older ones are of two routes, of one, and of one
    // beside a new one.
    for (uris, time) in
        [(["a.test", "b.test"].as_slice(), 20), (&["a.test", "b.test"], 10), (&["a.test"], 19)]
    {
        emitter.publish(REGISTER, &at(uris, time));
    }
    emitter.publish(REGISTER, &at(&["b.test", "c.test"], 10));
    until(&router, "c.test", "/", 200);
    eventually("all of them counted", || (counted("stale") == Some(4.0)).then_some(()));
    assert_eq!(counted("added"), Some(3.0));
}

#[test]
fn wildcards_and_paths_are_registered_as_they_are_written() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    emitter.publish(REGISTER, &message(app.address(), &["*.w.test", "p.test/api"], ""));
    until(&router, "any.depth.w.test", "/x", 200);
    assert_eq!(get(router.address(), "w.test", "/").status, 404);
    assert_eq!(get(router.address(), "p.test", "/api/v1").status, 200);
    assert_eq!(get(router.address(), "p.test", "/apix").status, 404);
}

#[test]
fn what_was_sent_last_holds_whatever_the_subjects() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    let mut messages = Vec::new();
    for round in 0..1_000 {
        let leaving = format!("gone{}.test", round % 50);
        let staying = format!("here{}.test", round % 50);
        messages.push((REGISTER, message(app.address(), &[&leaving], "")));
        messages.push((UNREGISTER, message(app.address(), &[&staying], "")));
        messages.push((UNREGISTER, message(app.address(), &[&leaving], "")));
        messages.push((REGISTER, message(app.address(), &[&staying], "")));
    }
    messages.push((REGISTER, message(app.address(), &["last.test"], "")));
    emitter.publish_all(&messages);
    until(&router, "last.test", "/", 200);
    for at in 0..50 {
        assert_eq!(get(router.address(), &format!("gone{at}.test"), "/").status, 404);
        assert_eq!(get(router.address(), &format!("here{at}.test"), "/").status, 200);
    }
}

#[test]
fn who_is_silent_for_its_stale_threshold_is_pruned_and_who_refreshes_is_not() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    let one_second = "\"stale_threshold_in_seconds\":1";
    emitter.publish_all(&[
        (REGISTER, message(app.address(), &["brief.test"], one_second)),
        (REGISTER, message(app.address(), &["long.test"], "\"stale_threshold_in_seconds\":3600")),
        (REGISTER, message(app.address(), &["default.test"], "")),
    ]);
    until(&router, "default.test", "/", 200);
    until(&router, "brief.test", "/", 404);
    assert_eq!(get(router.address(), "long.test", "/").status, 200);
    assert_eq!(get(router.address(), "default.test", "/").status, 200);
}

#[test]
fn routers_announce_themselves_and_answer_greetings() {
    let server = NatsServer::start();
    let mut emitter = Emitter::connect(&server);
    emitter.subscribe("router.start");
    let config =
        config(&server).set("registry.ttl", "90s").set("registry.register_interval", "30s");
    let router = Router::start(&config);
    let started: Value = serde_json::from_str(&emitter.next("router.start")).expect("JSON");
    until_connected(&router);
    let greeted: Value = serde_json::from_str(&emitter.request("router.greet")).expect("JSON");
    assert_eq!(started, greeted);
    assert!(started["id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(started["hosts"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(started["minimumRegisterIntervalInSeconds"], 30);
    assert_eq!(started["pruneThresholdInSeconds"], 90);
}

#[test]
fn another_prefix_has_subjects_of_its_own() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let mut emitter = Emitter::connect(&server);
    emitter.subscribe("edge.apps.start");
    let prefix = "edge.apps";
    let router = Router::start(&config(&server).set("registry.nats.subject_prefix", prefix));
    let started = emitter.next("edge.apps.start");
    until_connected(&router);
    assert_eq!(emitter.request("edge.apps.greet"), started);
    emitter.publish(REGISTER, &message(app.address(), &["other.test"], ""));
    let own = message(app.address(), &["a.test"], "");
    emitter.publish("edge.apps.register", &own);
    until(&router, "a.test", "/", 200);
    assert_eq!(get(router.address(), "other.test", "/").status, 404);
    emitter.publish("edge.apps.unregister", &own);
    until(&router, "a.test", "/", 404);
}

#[test]
fn a_router_that_listens_everywhere_says_where_the_bus_sees_it() {
    let server = NatsServer::start();
    let config = config(&server).listen(&["0.0.0.0:0", "127.0.0.1:0", "127.0.0.2:0"]);
    let router = Router::start(&config);
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let greeted: Value = serde_json::from_str(&emitter.request("router.greet")).expect("JSON");
    assert_eq!(greeted["hosts"], serde_json::json!(["127.0.0.1", "127.0.0.2"]));
}

#[test]
fn a_reload_of_the_time_to_live_holds_for_what_is_registered_after_it() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let config = config(&server);
    let router = Router::start(&config.clone().set("registry.ttl", "90s"));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let mut left_ms = |host: &str| {
        emitter.publish(REGISTER, &message(app.address(), &[host], ""));
        until(&router, host, "/", 200);
        let listed = json(&ask(&router, &format!("/routes?host={host}")));
        let left = &listed["routes"][0]["endpoints"][0]["ttl_left_ms"];
        left.as_u64().expect("it has a time to live")
    };
    assert!(left_ms("before.test") <= 90_000);
    router.reload(&config.set("registry.ttl", "1h"));
    eventually("the reload", || router.stderr().contains("reloaded").then_some(()));
    assert!(left_ms("after.test") > 90_000);
}

#[test]
fn bad_messages_are_counted_logged_once_a_kind_and_change_nothing() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    let good = message(app.address(), &["a.test"], "");
    emitter.publish(REGISTER, &good);
    until(&router, "a.test", "/", 200);
    let spoilt = message(app.address(), &["b.test", "b..test"], "");
    let guarded = message(app.address(), &["b.test"], "\"route_service_url\":\"https://x.test\"");
    for _ in 0..3 {
        emitter.publish(REGISTER, "not json");
        emitter.publish(UNREGISTER, &good[..good.len() - 1]);
        emitter.publish(REGISTER, &spoilt);
        emitter.publish(REGISTER, &guarded);
    }
    let refused = |kind: &str| {
        let series = format!("pointsman_nats_messages_refused_total{{kind=\"{kind}\"}}");
        metric(&router, &series)
    };
    eventually("all of them counted", || (refused("route-service") == Some(3.0)).then_some(()));
    assert_eq!((refused("json"), refused("uri")), (Some(6.0), Some(3.0)));
    let taken = |subject: &str| {
        metric(&router, &format!("pointsman_nats_messages_total{{subject=\"{subject}\"}}"))
    };
    assert_eq!((taken("register"), taken("unregister")), (Some(1.0), Some(0.0)), "the good ones");
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    assert_eq!(get(router.address(), "b.test", "/").status, 404);
    eventually("a line a kind", || {
        let lines = router.stderr();
        let lines = lines.lines().filter(|line| line.contains("a message of NATS is refused"));
        (lines.count() == 3).then_some(())
    });
}

#[test]
fn a_router_starts_and_serves_without_its_bus_and_finds_it_later() {
    let (mut server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    server.kill();
    let router = Router::start(&config(&server).route("file.test", &[app.address()]));
    assert_eq!(get(router.address(), "file.test", "/").status, 200);
    assert_eq!(ask(&router, "/health/ready").status, 200);
    assert_eq!(ask(&router, "/health/live").status, 200);
    assert_eq!(source(&router)["state"], "pending");
    assert_eq!(metric(&router, "pointsman_nats_connected"), Some(0.0));
    server.revive();
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    emitter.publish(REGISTER, &message(app.address(), &["a.test"], ""));
    until(&router, "a.test", "/", 200);
}

#[test]
fn nothing_expires_while_the_bus_is_gone_and_who_stays_silent_does_once_it_is_back() {
    let (mut server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = start(&server);
    let mut emitter = Emitter::connect(&server);
    // The bus is gone within its threshold even on a slow machine.
    let brief = message(app.address(), &["a.test"], "\"stale_threshold_in_seconds\":5");
    emitter.publish(REGISTER, &brief);
    until(&router, "a.test", "/", 200);
    server.kill();
    eventually("the loss noticed", || (source(&router)["state"] == "stale").then_some(()));
    let age = "pointsman_source_age_seconds{source=\"nats\"}";
    eventually("more than its threshold to pass", || {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
        metric(&router, age).filter(|age| *age > 7.0)
    });
    let listed = json(&ask(&router, "/routes?host=a.test"))["routes"][0].clone();
    assert_eq!(listed["endpoints"][0]["ttl_left_ms"], 5_000, "its time begins with the return");
    assert_eq!(ask(&router, "/health/live").status, 200);
    server.revive();
    let mut emitter = Emitter::connect(&server);
    emitter.subscribe("router.start");
    // Whether its start was before or after this, it listens now.
    until_connected(&router);
    emitter.publish(REGISTER, &message(app.address(), &["b.test"], ""));
    until(&router, "b.test", "/", 200);
    until(&router, "a.test", "/", 404);
    assert_eq!(get(router.address(), "b.test", "/").status, 200);
}

#[test]
fn a_router_announces_itself_again_after_a_reconnect() {
    let mut server = NatsServer::start();
    let router = start(&server);
    let lines = |router: &Router| router.stderr().matches("listening to NATS").count();
    eventually("its first line", || (lines(&router) == 1).then_some(()));
    server.kill();
    eventually("the loss noticed", || {
        (metric(&router, "pointsman_nats_connected") == Some(0.0)).then_some(())
    });
    server.revive();
    let mut emitter = Emitter::connect(&server);
    until_connected(&router);
    let first: Value = serde_json::from_str(&emitter.request("router.greet")).expect("JSON");
    assert!(first["id"].is_string());
    eventually("its second line", || (lines(&router) == 2).then_some(()));
}

#[test]
fn after_each_reconnect_emitters_are_asked_to_say_all_they_know() {
    let server = NatsServer::start();
    let line = Line::to(server.address());
    let mut emitter = Emitter::connect(&server);
    emitter.subscribe("router.start");
    let url = format!("nats://{}", line.address());
    let router = Router::start(&config(&server).set("registry.nats.urls", vec![url]));
    let first = emitter.next("router.start");
    until_connected(&router);
    for _ in 0..2 {
        line.cut();
        eventually("the loss noticed", || {
            (metric(&router, "pointsman_nats_connected") == Some(0.0)).then_some(())
        });
        line.join();
        assert_eq!(emitter.next("router.start"), first, "it is the same router");
        until_connected(&router);
    }
}

#[test]
fn a_user_and_a_password_stand_in_the_url_and_are_shown_nowhere() {
    let server = NatsServer::start_with(&["--user", "router", "--pass", "s3cr%t"]);
    let app = ScriptedEndpoint::echo("app");
    let url = format!("nats://router:s3cr%25t@{}", server.address());
    let router = Router::start(&config(&server).set("registry.nats.urls", vec![url]));
    until_connected(&router);
    let options = "{\"verbose\":false,\"user\":\"router\",\"pass\":\"s3cr%t\"}";
    let mut emitter = Emitter::connect_as(&server, options);
    emitter.publish(REGISTER, &message(app.address(), &["a.test"], ""));
    until(&router, "a.test", "/", 200);
    for page in ["/config", "/debug/tasks", "/health/ready"] {
        assert!(!ask(&router, page).text().contains("s3cr"), "{page}");
    }
    assert!(!router.stderr().contains("s3cr"));
}
