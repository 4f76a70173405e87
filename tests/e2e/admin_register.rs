//! Registrations said to the admin API: `POST /register` and `/unregister`.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::{Value, json};

use crate::admin::{ask, json as body};
use crate::admin_routes::{put, send, who};
use crate::harness::wait::eventually;
use crate::harness::{Answer, Config, Router, ScriptedEndpoint};

fn post(router: &Router, what: &str, content: &Value) -> Answer {
    send(router.admin(), &format!("POST /{what}"), "", &content.to_string())
}

fn message(app: &ScriptedEndpoint, uris: &[&str]) -> Value {
    let address = app.address();
    json!({ "host": address.ip(), "port": address.port(), "uris": uris, "private_instance_id": "i" })
}

/// Host, outcome and whose route is in force, of each change.
fn changes(answer: &Answer) -> Vec<(String, String, String)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    let listed = body(answer)["changes"].clone();
    let listed = listed.as_array().expect("a list of changes").iter();
    listed.map(|one| (text(&one["host"]), text(&one["outcome"]), text(&one["in_force"]))).collect()
}

fn told(host: &str, outcome: &str, in_force: &str) -> (String, String, String) {
    (host.into(), outcome.into(), in_force.into())
}

#[test]
fn what_is_registered_serves_and_what_is_unregistered_does_not() {
    let (one, two) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("two"));
    let router = Router::start(&Config::new().set("workers.threads", 2));
    let first = message(&one, &["a.test", "*.b.test/api"]);
    let added = post(&router, "register", &first);
    assert_eq!(
        changes(&added),
        [told("a.test", "added", "admin"), told("*.b.test", "added", "admin")]
    );
    for _ in 0..4 {
        assert_eq!(who(&router, "a.test", "/"), "one");
        assert_eq!(who(&router, "x.b.test", "/api/x"), "one");
    }
    assert_eq!(changes(&post(&router, "register", &first))[0].1, "refreshed");
    let list = json!([message(&two, &["a.test"]), message(&two, &["c.test"])]);
    assert_eq!(changes(&post(&router, "register", &list)).len(), 2);
    let gone = post(&router, "unregister", &json!([first, message(&two, &["nowhere.test"])]));
    assert_eq!(
        changes(&gone),
        [
            told("a.test", "removed", "admin"),
            told("*.b.test", "removed", "nobody"),
            told("nowhere.test", "unknown", "nobody"),
        ]
    );
    for _ in 0..4 {
        assert_eq!(who(&router, "a.test", "/"), "two");
        assert_eq!(who(&router, "x.b.test", "/api"), "no-route");
    }
}

#[test]
fn a_route_service_is_refused_of_who_comes_and_not_of_who_leaves() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let mut message = message(&app, &["a.test"]);
    assert_eq!(changes(&post(&router, "register", &message))[0].1, "added");
    message["route_service_url"] = json!("https://auth.test");
    let refused = post(&router, "register", &message);
    assert_eq!(refused.status, 400);
    assert_eq!(body(&refused)["errors"][0]["key"], "route_service_url");
    assert_eq!(changes(&post(&router, "unregister", &message))[0].1, "removed");
}

#[test]
fn a_list_with_one_wrong_message_changes_nothing_and_says_which() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let mut wrong = message(&app, &["b.test"]);
    wrong["port"] = json!(70_000);
    let list = json!([
        message(&app, &["a.test"]),
        wrong,
        message(&app, &["c..test"]),
        message(&app, &[]),
        { "port": 1, "uris": ["d.test"] },
    ]);
    let refused = post(&router, "register", &list);
    assert_eq!(refused.status, 400);
    assert_eq!(refused.field("content-type"), "application/problem+json");
    let said = body(&refused);
    let errors = said["errors"].as_array().expect("a list").iter();
    let keys: Vec<&str> = errors.filter_map(|error| error["key"].as_str()).collect();
    assert_eq!(keys, ["[1].port", "[2].uris", "[3].uris", "[4].host"], "{said}");
    assert_eq!(who(&router, "a.test", "/"), "no-route");
    for content in ["", "x", "[", "[1]", "null", "[[]]"] {
        for what in ["register", "unregister"] {
            let refused = send(router.admin(), &format!("POST /{what}"), "", content);
            assert_eq!(refused.status, 400, "{what} {content}: {}", refused.text());
        }
    }
}

#[test]
fn below_a_route_of_the_file_it_waits_until_the_file_has_it_no_more() {
    let (file, mine) = (ScriptedEndpoint::echo("file"), ScriptedEndpoint::echo("mine"));
    let router = Router::start(&Config::new().route("a.test", &[file.address()]));
    let said = post(&router, "register", &message(&mine, &["a.test"]));
    assert_eq!(changes(&said), [told("a.test", "added", "file")]);
    assert_eq!(who(&router, "a.test", "/"), "file");
    let listed = body(&ask(&router, "/routes?host=a.test"))["routes"][0].clone();
    assert_eq!((&listed["source"], &listed["overrides"]), (&json!("file"), &json!(["admin"])));
    router.reload(&Config::new());
    eventually("it to take over", || (who(&router, "a.test", "/") == "mine").then_some(()));
}

#[test]
fn an_older_word_on_an_endpoint_is_ignored() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let at = |time: i64| {
        let mut message = message(&app, &["a.test"]);
        message["endpoint_updated_at_ns"] = json!(time);
        message
    };
    assert_eq!(changes(&post(&router, "register", &at(20)))[0].1, "added");
    assert_eq!(changes(&post(&router, "unregister", &at(10)))[0].1, "stale");
    assert_eq!(changes(&post(&router, "unregister", &at(30)))[0].1, "removed");
}

#[test]
fn others_expire_in_time_after_one_came_with_the_longest_time_to_live_there_is() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new().set("registry.grace", "0s"));
    let living = |host: &str, seconds: i64| {
        let mut message = message(&app, &[host]);
        message["stale_threshold_in_seconds"] = json!(seconds);
        message
    };
    let longest = living("long.test", i64::MAX);
    assert_eq!(changes(&post(&router, "register", &longest))[0].1, "added");
    let brief = living("brief.test", 1);
    assert_eq!(changes(&post(&router, "register", &brief))[0].1, "added");
    eventually("the brief one's end", || {
        (who(&router, "brief.test", "/") == "no-route").then_some(())
    });
    assert_eq!(who(&router, "long.test", "/"), "app");
}

#[test]
fn at_the_limit_of_endpoints_nothing_is_changed_by_half() {
    let (one, two) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("two"));
    let router = Router::start(&Config::new().set("registry.endpoints", 2));
    let mut first = message(&one, &["a.test"]);
    first["stale_threshold_in_seconds"] = json!(3_600);
    assert_eq!(changes(&post(&router, "register", &first))[0].1, "added");
    let more = json!([message(&two, &["a.test"]), message(&one, &["a.test", "b.test", "c.test"])]);
    let refused = post(&router, "register", &more);
    assert_eq!(refused.status, 507, "{}", refused.text());
    for _ in 0..4 {
        assert_eq!(who(&router, "a.test", "/"), "one");
    }
    assert_eq!(who(&router, "b.test", "/"), "no-route");
    let shown = body(&send(router.admin(), "GET /routes/a.test", "", ""));
    assert_eq!(shown["endpoints"][0]["ttl"], "1h", "{shown}");
    let three = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"];
    assert_eq!(put(&router, "a.test", &json!({ "endpoints": three })).status, 507);
    assert_eq!(body(&send(router.admin(), "GET /routes/a.test", "", "")), shown);
    let two = json!({ "endpoints": [one.address(), two.address()] });
    assert_eq!(put(&router, "a.test", &two).status, 200, "what it replaces makes room");
}

#[test]
fn what_finds_no_room_takes_no_request_and_confirms_nothing() {
    let (one, two) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("two"));
    let config = Config::new().set("registry.endpoints", 5).set("workers.threads", 2);
    let router = Router::start(&config);
    let mut first = message(&one, &["a.test"]);
    first["stale_threshold_in_seconds"] = json!(3_600);
    assert_eq!(changes(&post(&router, "register", &first))[0].1, "added");
    let left = || {
        let listed = body(&ask(&router, "/routes?host=a.test"))["routes"][0].clone();
        listed["endpoints"][0]["ttl_left_ms"].as_u64().expect("it has a time to live")
    };
    let before = eventually("some of its time to pass", || {
        Some(left()).filter(|left| *left < 3_600_000 - 20)
    });
    let mut again = vec![first];
    again.extend((0..9).map(|n| message(&two, &[&format!("{n}.test")])));
    assert_eq!(post(&router, "register", &json!(again)).status, 507);
    assert!(left() <= before, "it was not confirmed");

    let mut endpoints = vec![two.address().to_string()];
    endpoints.extend((1..10).map(|port| format!("127.0.0.9:{port}")));
    let too_many = json!({ "endpoints": endpoints });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                assert_eq!(put(&router, "a.test", &too_many).status, 507);
                assert_eq!(post(&router, "register", &json!(again)).status, 507);
            }
            done.store(true, SeqCst);
        });
        while !done.load(SeqCst) {
            assert_eq!(who(&router, "a.test", "/"), "one");
            assert_eq!(who(&router, "0.test", "/"), "no-route");
        }
    });
}

#[test]
fn endpoints_that_no_request_has_gone_to_are_counted_too() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new().route("file.test", &[app.address()]));
    let other = ScriptedEndpoint::echo("other");
    assert_eq!(post(&router, "register", &message(&other, &["a.test"])).status, 200);
    let available = || {
        let metrics = ask(&router, "/metrics").text();
        crate::harness::held::sum(&metrics, "pointsman_endpoints{state=\"available\"}")
    };
    assert_eq!(available(), 2);
    let answer = crate::harness::get(router.address(), "a.test", "/");
    assert_eq!(answer.field("x-endpoint"), "other");
    assert_eq!(available(), 2, "and once");
}
