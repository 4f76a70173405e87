//! What is read of a route can be given back, and what cannot is said.

use serde_json::{Value, json};

use crate::admin::{ask, json as body};
use crate::admin_routes::{put, send};
use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::wait::eventually;
use crate::harness::{Answer, Config, Router, ScriptedEndpoint, get};
use crate::nats::{until, until_connected};

fn read(router: &Router, place: &str) -> Answer {
    let answer = ask(router, &format!("/routes/{place}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn give(router: &Router, place: &str, lines: &str, content: &str) -> Answer {
    send(router.admin(), &format!("PUT /routes/{place}"), lines, content)
}

#[test]
fn a_route_is_given_back_with_all_that_was_said_of_its_endpoints() {
    let router = Router::start(&Config::new());
    let said = json!({
        "host": "10.0.0.1", "tls_port": 8443, "uris": ["a.test/api"], "app": "shop",
        "private_instance_id": "i-1", "private_instance_index": "0",
        "server_cert_domain_san": "i-1.internal", "availability_zone": "z1",
        "isolation_segment": "iso", "tags": { "space": "prod" },
        "stale_threshold_in_seconds": 4_294_967, "options": { "loadbalancing": "least-connection" },
    });
    let registered = send(router.admin(), "POST /register", "", &said.to_string());
    assert_eq!(registered.status, 200, "{}", registered.text());
    let before = read(&router, "a.test/api");
    let endpoint = body(&before)["endpoints"][0].clone();
    for (key, value) in [
        ("tls", json!(true)),
        ("server_cert_domain_san", json!("i-1.internal")),
        ("app", json!("shop")),
        ("instance_id", json!("i-1")),
        ("instance_index", json!("0")),
        ("availability_zone", json!("z1")),
        ("isolation_segment", json!("iso")),
        ("tags", json!({ "space": "prod" })),
    ] {
        assert_eq!(endpoint[key], value, "{key} in {endpoint}");
    }
    let again = give(&router, "a.test/api", "", &before.text());
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.field("etag"), before.field("etag"), "it is what was sent, byte for byte");
    assert_eq!(read(&router, "a.test/api").text(), before.text());
    let listed = body(&ask(&router, "/routes?host=a.test"))["routes"][0]["endpoints"][0].clone();
    assert_eq!((&listed["tls"], &listed["app"]), (&json!(true), &json!("shop")));
}

#[test]
fn a_tag_comes_with_a_put_only_if_what_was_sent_is_what_is_read() {
    let router = Router::start(&Config::new());
    let endpoints = json!({ "endpoints": ["10.0.0.1:80"] });
    let new = put(&router, "a.test", &endpoints);
    assert_eq!((new.status, new.fields.one("etag")), (201, None), "it was made another");
    let seen = read(&router, "a.test");
    // The same, written otherwise.
    let spaced = seen.text().replace(',', " ,");
    let again = give(&router, "a.test", "", &spaced);
    assert_eq!((again.status, again.fields.one("etag")), (200, None));
    let again = give(&router, "a.test", "", &seen.text());
    assert_eq!((again.status, again.field("etag")), (200, seen.field("etag")));
}

#[test]
fn what_another_source_has_can_be_made_ones_own() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = Router::start(&crate::nats::config(&server));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    emitter.publish("router.register", &message(app.address(), &["a.test"], ""));
    until(&router, "a.test", "/", 200);
    let seen = read(&router, "a.test");
    assert_eq!(body(&seen)["source"], "nats");
    let matching = format!("If-Match: {}\r\n", seen.field("etag"));
    let given = give(&router, "a.test", &matching, &seen.text());
    // There was a route: it is not new (RFC 9110 section 9.3.4).
    assert_eq!(given.status, 200, "{}", given.text());
    assert_eq!(body(&read(&router, "a.test"))["source"], "admin");
    let mut stranger = body(&seen);
    stranger["source"] = json!("dns");
    let refused = put(&router, "a.test", &stranger);
    assert_eq!((refused.status, &body(&refused)["errors"][0]["key"]), (400, &json!("source")));
}

#[test]
fn a_route_without_endpoints_is_not_given_back_and_it_is_said_why() {
    let router = Router::start(&Config::new().set("registry.grace", "1h"));
    let brief = json!({ "ttl": "1ms", "endpoints": ["10.0.0.1:80"] });
    let given = put(&router, "a.test", &brief).status;
    assert!([200, 201].contains(&given), "{given}");
    let seen = eventually("its endpoint to expire", || {
        let seen = read(&router, "a.test");
        (body(&seen)["endpoints"] == json!([])).then_some(seen)
    });
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("no-endpoint"));
    let refused = give(&router, "a.test", "", &seen.text());
    assert_eq!(refused.status, 400);
    let help = body(&refused)["errors"][0]["help"].as_str().unwrap_or_default().to_owned();
    assert!(help.contains("expired") && help.contains("DELETE"), "{help}");
    let matching = format!("If-Match: {}\r\n", seen.field("etag"));
    let there_again = json!({ "endpoints": ["10.0.0.1:80"] }).to_string();
    assert_eq!(give(&router, "a.test", &matching, &there_again).status, 200);
}

#[test]
fn wrong_details_of_an_endpoint_are_told_by_key() {
    let router = Router::start(&Config::new());
    let long = "x".repeat(1_025);
    let wrong: Value = json!({ "endpoints": [{
        "address": "10.0.0.1:80", "tls": "yes", "app": 7, "instance_id": long, "tags": ["a"],
    }, { "address": "10.0.0.2:80", "tags": { "a": 1 } }, { "address": "10.0.0.3:80", "zone": "z" }] });
    let refused = put(&router, "a.test", &wrong);
    assert_eq!(refused.status, 400);
    let errors = body(&refused)["errors"].as_array().expect("a list").clone();
    let keys: Vec<_> = errors.iter().filter_map(|error| error["key"].as_str()).collect();
    for key in [
        "endpoints[0].tls",
        "endpoints[0].app",
        "endpoints[0].instance_id",
        "endpoints[0].tags",
        "endpoints[1].tags",
        "endpoints[2].zone",
    ] {
        assert!(keys.contains(&key), "{key} among {keys:?}");
    }
}

#[test]
fn the_address_of_many_is_no_endpoint_whoever_says_it() {
    let router = Router::start(&Config::new());
    for ip in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:224.0.0.1"] {
        let shown = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let given = put(&router, "a.test", &json!({ "endpoints": [format!("{shown}:80")] }));
        assert_eq!(given.status, 400, "{ip}: {}", given.text());
        assert_eq!(body(&given)["errors"][0]["key"], "endpoints[0]", "{ip}");
        let message = json!({ "host": ip, "port": 80, "uris": ["a.test"] }).to_string();
        let said = send(router.admin(), "POST /register", "", &message);
        assert_eq!(said.status, 400, "{ip}: {}", said.text());
        assert_eq!(body(&said)["errors"][0]["key"], "host", "{ip}");
    }
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("no-route"));
}

#[test]
fn a_url_among_the_uris_is_told_as_one() {
    let router = Router::start(&Config::new());
    let message = json!({ "host": "10.0.0.1", "port": 80, "uris": ["http://a.test/x"] });
    let refused = send(router.admin(), "POST /register", "", &message.to_string());
    let error = body(&refused)["errors"][0].clone();
    assert_eq!((refused.status, &error["key"]), (400, &json!("uris")));
    let reason = error["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("URL") && !reason.contains("uris"), "{reason}");
}
