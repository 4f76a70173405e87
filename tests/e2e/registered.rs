//! What a registration asks for: TLS, a balance, a place in an order; and what
//! a reload changes for those that are in use.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::admin::{ask, json as body};
use crate::admin_routes::{send, who};
use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::tls::{Authority, Bridge};
use crate::harness::wait::eventually;
use crate::harness::{
    Answer, Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script,
};
use crate::nats::{config, metric, until, until_connected};

const REGISTER: &str = "router.register";
const UNREGISTER: &str = "router.unregister";

fn register(router: &Router, content: &Value) -> Answer {
    let answer = send(router.admin(), "POST /register", "", &content.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn of_route(router: &Router, host: &str) -> Value {
    body(&ask(router, &format!("/routes?host={host}")))["routes"][0].clone()
}

#[test]
fn an_app_with_a_tls_port_is_spoken_to_there_and_must_have_its_name() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let app = ScriptedEndpoint::echo("app");
    let own = Bridge::before(app.address(), &authority.issue(&["instance-1.internal"]), None);
    let strange = Bridge::before(app.address(), &stranger.issue(&["instance-1.internal"]), None);
    let (server, closed) = (NatsServer::start(), crate::harness::RefusingEndpoint::start());
    let ca = authority.ca();
    let config = config(&server).set("registry.tls.ca", ca.to_str().expect("a path is text"));
    let router = Router::start(&config);
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    // The plain port is not used, so it may lead anywhere.
    let tls = |bridge: &Bridge, name: &str| {
        let port = bridge.address().port();
        format!("\"tls_port\":{port},\"server_cert_domain_san\":\"{name}\"")
    };
    let mut say = |host: &str, more: &str| {
        emitter.publish(REGISTER, &message(closed.address(), &[host], more));
        eventually("it to be there", || {
            let route = of_route(&router, host);
            (route["endpoints"][0]["tls"] == true).then_some(())
        });
    };
    say("good.test", &tls(&own, "instance-1.internal"));
    say("name.test", &tls(&own, "instance-2.internal"));
    say("ca.test", &tls(&strange, "instance-1.internal"));
    say("address.test", &format!("\"tls_port\":{}", own.address().port()));
    assert_eq!(who(&router, "good.test", "/"), "app");
    assert_eq!(own.handshakes(), 1);
    for host in ["name.test", "ca.test", "address.test"] {
        let answer = get(router.address(), host, "/");
        assert_eq!((answer.status, answer.code()), (502, Some("tls-untrusted")), "{host}");
    }
    assert_eq!(app.count(), 1, "nothing was sent to who was not trusted");
}

#[test]
fn a_reload_of_whom_to_trust_reaches_routes_in_use() {
    let (old, new) = (Authority::new(), Authority::new());
    let app = ScriptedEndpoint::echo("app");
    let of_old = Bridge::before(app.address(), &old.issue(&["app.internal"]), None);
    let of_new = Bridge::before(app.address(), &new.issue(&["app.internal"]), None);
    let trusting = |authority: &Authority| {
        let ca = authority.ca();
        Config::new().set("registry.tls.ca", ca.to_str().expect("a path is text"))
    };
    let router = Router::start(&trusting(&old));
    for (host, bridge) in [("old.test", &of_old), ("new.test", &of_new)] {
        let at = bridge.address();
        register(
            &router,
            &json!({ "host": at.ip(), "tls_port": at.port(), "uris": [host],
            "server_cert_domain_san": "app.internal" }),
        );
    }
    let both = || (who(&router, "old.test", "/"), who(&router, "new.test", "/"));
    assert_eq!(both(), ("app".into(), "tls-untrusted".into()));
    router.reload(&trusting(&new));
    eventually("the new authority to count, and the old no more", || {
        (both() == ("tls-untrusted".into(), "app".into())).then_some(())
    });
    // One that cannot be read changes nothing.
    router.reload(&Config::new().set("registry.tls.ca", "/nonexistent/ca.pem"));
    eventually("it to be refused", || {
        router.stderr().contains("the new configuration is not used").then_some(())
    });
    assert_eq!(both(), ("tls-untrusted".into(), "app".into()));
}

#[test]
fn a_reload_of_outlier_reaches_live_routes_in_use() {
    let failing = ScriptedEndpoint::start(|_| {
        script::answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
    });
    let at = failing.address();
    let off = Config::new().set("outlier.enabled", false);
    let router = Router::start(&off);
    register(&router, &json!({ "host": at.ip(), "port": at.port(), "uris": ["a.test"] }));
    let state = || of_route(&router, "a.test")["endpoints"][0]["state"].clone();
    for _ in 0..20 {
        assert_eq!(get(router.address(), "a.test", "/").status, 503);
    }
    assert_eq!(state(), "available", "nobody is ejected");
    let on = Config::new().set("outlier.failures_in_a_row", 3).set("outlier.ejection", "1m");
    // An endpoint that is all there is, is never ejected: a second one.
    let good = ScriptedEndpoint::echo("good");
    let other = good.address();
    register(&router, &json!({ "host": other.ip(), "port": other.port(), "uris": ["a.test"] }));
    router.reload(&on);
    eventually("it to be ejected", || {
        get(router.address(), "a.test", "/");
        let endpoints = of_route(&router, "a.test")["endpoints"].clone();
        let endpoints = endpoints.as_array().expect("endpoints are listed").clone();
        let failing = endpoints.iter().find(|one| one["address"] == at.to_string());
        (failing.expect("it is there")["state"] == "ejected").then_some(())
    });
}

#[test]
fn registered_endpoints_have_a_limit_and_a_reload_moves_it() {
    let held = Gate::default();
    let open = held.clone();
    let app = ScriptedEndpoint::start(move |_| {
        let answer = script::ok("done").into_bytes();
        vec![Step::ReadHead, Step::WaitFor(open.clone()), Step::Send(answer)]
    });
    let at = app.address();
    let limited = |limit: i64| {
        Config::new()
            .set("registry.max_requests", limit)
            .set("limits.queue_requests", 0)
            .set("outlier.enabled", false)
    };
    let router = Router::start(&limited(2));
    register(&router, &json!({ "host": at.ip(), "port": at.port(), "uris": ["a.test"] }));
    let ask = || {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client
    };
    let mut clients = vec![ask(), ask()];
    eventually("two to be there", || (app.count() == 2).then_some(()));
    let refused = get(router.address(), "a.test", "/");
    assert_eq!((refused.status, refused.code()), (503, Some("endpoints-saturated")));
    assert_eq!(of_route(&router, "a.test")["endpoints"][0]["max_requests"], 2);
    router.reload(&limited(3));
    eventually("the new limit", || {
        (of_route(&router, "a.test")["endpoints"][0]["max_requests"] == 3).then_some(())
    });
    clients.push(ask());
    eventually("a third to be there", || (app.count() == 3).then_some(()));
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("endpoints-saturated"));
    held.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200);
    }
}

#[test]
fn a_hash_keeps_a_key_with_its_endpoint_and_what_is_not_followed_is_counted() {
    let server = NatsServer::start();
    let router = Router::start(&config(&server));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let apps: Vec<_> = ["one", "two", "three"].iter().map(|n| ScriptedEndpoint::echo(n)).collect();
    let options = |options: &str| format!("\"options\":{{{options}}}");
    let hash = r#""loadbalancing":"hash","hash_header":"X-Tenant","hash_balance":1.25"#;
    for app in &apps {
        emitter.publish(REGISTER, &message(app.address(), &["a.test"], &options(hash)));
    }
    eventually("all three", || {
        let endpoints = of_route(&router, "a.test")["endpoints"].clone();
        (endpoints.as_array().map(Vec::len) == Some(3)).then_some(())
    });
    assert_eq!(of_route(&router, "a.test")["balance"], "hash:header:x-tenant");
    let of_tenant = |tenant: &str| {
        let mut client = Connection::open(router.address());
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Tenant: {tenant}\r\n\r\n"));
        client.answer("GET").field("x-endpoint").to_owned()
    };
    let mut met = std::collections::BTreeSet::new();
    for tenant in 0..40 {
        let first = of_tenant(&tenant.to_string());
        (0..3).for_each(|_| assert_eq!(of_tenant(&tenant.to_string()), first));
        met.insert(first);
    }
    assert_eq!(met.len(), 3, "forty tenants are spread over all");
    let at = apps[0].address();
    emitter.publish(REGISTER, &message(at, &["b.test"], &options(r#""loadbalancing":"hash""#)));
    emitter.publish(REGISTER, &message(at, &["c.test"], &options(r#""loadbalancing":"mood""#)));
    until(&router, "c.test", "/", 200);
    let ignored = |option: &str| {
        metric(&router, &format!("pointsman_nats_options_ignored_total{{option=\"{option}\"}}"))
    };
    let counted = ["hash_balance", "hash_header", "loadbalancing"].map(ignored);
    assert_eq!(counted, [Some(3.0), Some(1.0), Some(1.0)]);
    assert_eq!(of_route(&router, "b.test")["balance"], "round-robin");
    assert_eq!(get(router.address(), "b.test", "/").status, 200);
    eventually("a line an option", || {
        let lines = router.stderr().matches("an option of a registration is ignored").count();
        (lines == 3).then_some(())
    });
}

#[test]
fn a_late_word_does_not_bring_back_what_has_left() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = Router::start(&config(&server));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let at = |time: i64| {
        message(app.address(), &["a.test"], &format!("\"endpoint_updated_at_ns\":{time}"))
    };
    let say = |emitter: &mut Emitter, messages: &[(&str, String)], status| {
        emitter.publish_all(messages);
        // What comes behind them is in force after them.
        let marker = format!("m{}.test", fastrand::u64(..));
        emitter.publish(REGISTER, &message(app.address(), &[&marker], ""));
        until(&router, &marker, "/", 200);
        assert_eq!(get(router.address(), "a.test", "/").status, status, "{messages:?}");
    };
    say(&mut emitter, &[(REGISTER, at(20))], 200);
    say(&mut emitter, &[(UNREGISTER, at(30)), (REGISTER, at(29))], 404);
    say(&mut emitter, &[(REGISTER, at(20))], 404);
    let stale = metric(&router, "pointsman_nats_endpoints_total{result=\"stale\"}");
    assert_eq!(stale, Some(2.0));
    say(&mut emitter, &[(REGISTER, at(30))], 200);
    // The leaving itself may be the first that is heard.
    let other = ScriptedEndpoint::echo("other");
    let of_other = |time: i64| {
        message(other.address(), &["b.test"], &format!("\"endpoint_updated_at_ns\":{time}"))
    };
    emitter.publish_all(&[(UNREGISTER, of_other(30)), (REGISTER, of_other(29))]);
    say(&mut emitter, &[], 200);
    assert_eq!(get(router.address(), "b.test", "/").status, 404);
}

#[test]
fn a_list_that_is_taken_back_leaves_what_was_there_before() {
    let (one, two) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("two"));
    let router = Router::start(&Config::new().set("registry.endpoints", 1));
    let said = |app: &ScriptedEndpoint, host: &str, time: i64| {
        json!({ "host": app.address().ip(), "port": app.address().port(), "uris": [host],
            "private_instance_id": "i", "endpoint_updated_at_ns": time })
    };
    register(&router, &said(&one, "a.test", 20));
    let too_many = json!([said(&one, "a.test", 40), said(&two, "b.test", 40)]).to_string();
    assert_eq!(send(router.admin(), "POST /register", "", &too_many).status, 507);
    assert_eq!(who(&router, "a.test", "/"), "one", "it is as it was");
    let answer = register(&router, &said(&one, "a.test", 30));
    assert_eq!(body(&answer)["changes"][0]["outcome"], "refreshed", "{}", answer.text());
}

#[test]
fn a_router_that_was_held_still_ends_nothing_before_it_has_read_what_was_said() {
    let (server, apps) = (NatsServer::start(), [(); 2].map(|()| ScriptedEndpoint::echo("app")));
    let router = Router::start(&config(&server));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let [live, dead] = &apps;
    let brief = "\"stale_threshold_in_seconds\":6";
    let live = message(live.address(), &["live.test"], brief);
    let added = || metric(&router, "pointsman_nats_endpoints_total{result=\"added\"}");
    emitter.publish(REGISTER, &message(dead.address(), &["dead.test"], brief));
    emitter.publish(REGISTER, &live);
    until(&router, "live.test", "/", 200);
    router.suspend();
    let since = Instant::now();
    // It confirms what it is all the time, and nobody reads it.
    eventually("more than its threshold to pass", || {
        emitter.publish(REGISTER, &live);
        (since.elapsed() > Duration::from_secs(9)).then_some(())
    });
    router.resume();
    eventually("the dead app to be gone", || {
        emitter.publish(REGISTER, &live);
        assert_eq!(get(router.address(), "live.test", "/").status, 200);
        (get(router.address(), "dead.test", "/").status == 404).then_some(())
    });
    assert_eq!(added(), Some(2.0), "what was confirmed was never gone");
}
