//! Limits and endpoints that change under those who wait.

use serde_json::json;

use super::{asking, held, json as page, limited, logged, one_by_one};
use super::{resetting_after_one, until_queued};
use crate::admin_routes::put;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, script};

#[test]
fn a_limit_that_is_raised_lets_the_next_in() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let mut clients: Vec<_> = (0..5).map(|_| asking(&router, "/")).collect();
    until_queued(&router, 4);
    router.reload(&limited(3, &[&endpoint]));
    until_queued(&router, 2);
    endpoint.request_head(2);
    assert_eq!(endpoint.count(), 3);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}

#[test]
fn a_limit_that_is_lifted_lets_all_in() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let mut clients: Vec<_> = (0..5).map(|_| asking(&router, "/")).collect();
    until_queued(&router, 4);
    router.reload(&limited(0, &[&endpoint]));
    until_queued(&router, 0);
    endpoint.request_head(4);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}

#[test]
fn a_limit_that_is_lowered_throws_nobody_out_and_holds_from_then_on() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(3, &[&endpoint]));
    let mut clients: Vec<_> = (0..3).map(|_| asking(&router, "/")).collect();
    endpoint.request_head(2);
    clients.push(asking(&router, "/"));
    until_queued(&router, 1);
    router.reload(&limited(1, &[&endpoint]));
    clients.push(asking(&router, "/"));
    until_queued(&router, 2);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}

#[test]
fn who_was_failed_before_the_rest_was_taken_out_is_told_of_the_failure() {
    let failing = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Reset]);
    let (gone, _shut) = held("gone");
    let router = Router::start(&limited(1, &[&failing, &gone]));
    let _inside = asking(&router, "/inside");
    gone.request_head(0);
    // The one endpoint has failed it, and it waits for the other.
    let mut waiting = asking(&router, "/waiting");
    until_queued(&router, 1);
    router.reload(&limited(1, &[&failing]));
    let answer = waiting.answer("GET");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
}

#[test]
fn who_waits_for_an_endpoint_that_is_taken_out_waits_for_those_that_are_left() {
    let ((gone, _shut), (left, gate)) = (held("gone"), held("left"));
    let router = Router::start(&limited(1, &[&gone, &left]));
    let _holding: Vec<_> = (0..2).map(|_| asking(&router, "/")).collect();
    gone.request_head(0);
    left.request_head(0);
    let mut waiting = asking(&router, "/");
    until_queued(&router, 1);
    router.reload(&limited(1, &[&left]));
    // The new table is in force once a newcomer is in line behind it.
    let mut behind = asking(&router, "/");
    until_queued(&router, 2);
    gate.open();
    assert_eq!(waiting.answer("GET").text(), "left");
    assert_eq!(behind.answer("GET").text(), "left");
    assert_eq!(gone.count(), 1);
}

#[test]
fn who_waits_for_endpoints_that_are_all_replaced_goes_to_the_new_ones() {
    let ((gone, _shut), new) = (held("gone"), ScriptedEndpoint::echo("new"));
    let router = Router::start(&limited(1, &[&gone]));
    let _holding = asking(&router, "/");
    gone.request_head(0);
    let mut waiting = Connection::open(router.address());
    waiting.send("POST /waits HTTP/1.1\r\nHost: a.test\r\nContent-Length: 7\r\n\r\ncontent");
    until_queued(&router, 1);
    router.reload(&limited(1, &[&new]));
    let answer = waiting.answer("POST");
    assert_eq!((answer.status, answer.field("x-endpoint")), (200, "new"), "{}", answer.text());
    assert_eq!((new.request_head(0).line(), gone.count()), ("POST /waits HTTP/1.1", 1));
    let line = logged(&router, "/waits");
    assert_eq!((&line["status"], &line["endpoint"]), (&json!(200), &json!(new.address())));
    assert!(line["queue_ms"].as_f64().is_some_and(|waited| waited > 0.0), "{line}");
}

#[test]
fn who_goes_to_new_endpoints_goes_by_the_new_terms_for_trailers_too() {
    let ((gone, _shut), new) = (held("gone"), ScriptedEndpoint::echo("new"));
    let without_secrets = |endpoint: &ScriptedEndpoint| {
        let more = "max_requests = 1\nrequest_headers = { remove = [\"x-secret\"] }";
        Config::new().set("timeouts.queue", "1m").route_with("a.test", &[endpoint.address()], more)
    };
    let router = Router::start(&limited(1, &[&gone]));
    let _holding = asking(&router, "/");
    gone.request_head(0);
    let mut waiting = Connection::open(router.address());
    waiting.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nX-Secret: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Secret: 2\r\nX-Sum: 3\r\n\r\n",
    );
    until_queued(&router, 1);
    router.reload(&without_secrets(&new));
    assert_eq!(waiting.answer("POST").field("x-endpoint"), "new");
    let request = new.request(0);
    assert!(request.fields.all("x-secret").is_empty(), "{request:?}");
    assert!(request.trailers.all("x-secret").is_empty(), "{request:?}");
    assert_eq!(request.trailers.one("x-sum"), Some("3"));
}

#[test]
fn who_waits_for_a_full_endpoint_goes_to_one_that_is_added() {
    let ((full, _shut), added) = (held("full"), ScriptedEndpoint::echo("added"));
    let router = Router::start(&limited(1, &[&full]));
    let _holding = asking(&router, "/");
    full.request_head(0);
    let mut waiting = [asking(&router, "/1"), asking(&router, "/2")];
    until_queued(&router, 2);
    router.reload(&limited(1, &[&full, &added]));
    for client in &mut waiting {
        assert_eq!(client.answer("GET").field("x-endpoint"), "added");
    }
    assert_eq!(full.count(), 1);
}

#[test]
fn who_waits_goes_on_waiting_where_the_new_endpoint_is_full_too() {
    let ((gone, _shut), (full, gate)) = (held("gone"), held("full"));
    let config = |endpoint| {
        limited(1, &[endpoint]).route_with("b.test", &[full.address()], "max_requests = 1")
    };
    let router = Router::start(&config(&gone));
    let _holding = asking(&router, "/");
    gone.request_head(0);
    let mut other = Connection::open(router.address());
    other.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    full.request_head(0);
    let mut waiting = asking(&router, "/");
    until_queued(&router, 1);
    router.reload(&config(&full));
    let mut behind = asking(&router, "/");
    until_queued(&router, 2);
    assert_eq!(full.count(), 1);
    gate.open();
    for client in [&mut other, &mut waiting, &mut behind] {
        assert_eq!(client.answer("GET").text(), "full");
    }
    assert_eq!(gone.count(), 1);
}

#[test]
fn who_goes_on_waiting_elsewhere_has_what_is_left_of_its_time_there() {
    let ((gone, _shut), (full, _shut_too)) = (held("gone"), held("full"));
    let config = |endpoint| {
        let config = limited(1, &[endpoint]).set("timeouts.queue", "1s");
        config.route_with("b.test", &[full.address()], "max_requests = 1")
    };
    let router = Router::start(&config(&gone));
    let _holding = asking(&router, "/");
    gone.request_head(0);
    let mut other = Connection::open(router.address());
    other.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    full.request_head(0);
    let mut waiting = asking(&router, "/waits");
    until_queued(&router, 1);
    router.reload(&config(&full));
    assert_eq!(waiting.answer("GET").code(), Some("endpoints-saturated"));
    let line = logged(&router, "/waits");
    let ms = |name: &str| line[name].as_f64().expect("a time");
    assert!(ms("queue_ms") >= 1_000.0 && ms("queue_ms") <= ms("duration_ms"), "{line}");
}

#[test]
fn who_has_sent_its_content_once_goes_to_one_that_is_added_with_all_of_it() {
    let (died, left) = (Gate::default(), Gate::default());
    let gates = (died.clone(), left.clone());
    let full = ScriptedEndpoint::start(move |visit| match (visit.connection, visit.request) {
        (0, 1) => vec![Step::ReadHead, Step::ReadBody, Step::WaitFor(gates.0.clone()), Step::Reset],
        (1, 0) => {
            let answer = Step::Send(script::ok("held").into_bytes());
            vec![Step::ReadHead, Step::WaitFor(gates.1.clone()), answer]
        }
        _ => script::answering(script::ok("done")),
    });
    let added = ScriptedEndpoint::echo("added");
    let config = |endpoints: &[&ScriptedEndpoint]| limited(1, endpoints).set("workers.threads", 1);
    let router = Router::start(&config(&[&full]));
    assert_eq!(asking(&router, "/").answer("GET").text(), "done");
    let mut sender = Connection::open(router.address());
    sender.send("PUT /sent HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    sender.send("7\r\ncontent\r\n0\r\n\r\n");
    full.request(1);
    let mut holding = asking(&router, "/held");
    until_queued(&router, 1);
    // The connection dies under the first, and its place goes to the second.
    died.open();
    assert_eq!(full.request_head(2).line(), "GET /held HTTP/1.1");
    until_queued(&router, 1);
    router.reload(&config(&[&full, &added]));
    assert_eq!(sender.answer("PUT").field("x-endpoint"), "added");
    let again = added.request(0);
    assert_eq!((again.line(), &*again.content), ("PUT /sent HTTP/1.1", &b"content"[..]));
    left.open();
    assert_eq!(holding.answer("GET").text(), "held");
    let line = logged(&router, "/sent");
    assert_eq!((&line["attempts"], &line["endpoint"]), (&json!(2), &json!(added.address())));
}

#[test]
fn a_route_that_is_taken_out_leaves_nobody_waiting() {
    let (endpoint, _shut) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    let _holding = asking(&router, "/");
    endpoint.request_head(0);
    let mut waiting = asking(&router, "/");
    until_queued(&router, 1);
    router.reload(&Config::new().set("access_log.path", "-"));
    assert_eq!(waiting.answer("GET").code(), Some("no-endpoint"));
}

#[test]
fn who_has_tried_an_endpoint_stays_in_the_line_it_is_in() {
    // Where it went, its attempts would be counted anew, and its content is used.
    let ((resets, free), (full, _shut)) = (resetting_after_one(), held("full"));
    let added = ScriptedEndpoint::echo("added");
    let config = |endpoints: &[&ScriptedEndpoint]| {
        limited(1, endpoints).set("timeouts.queue", "3s").set("access_log.path", "")
    };
    let router = Router::start(&config(&[&resets, &full]));
    let _holding: Vec<_> = (0..2).map(|_| asking(&router, "/")).collect();
    resets.request_head(0);
    full.request_head(0);
    let mut waiting = asking(&router, "/tried");
    until_queued(&router, 1);
    free.open();
    resets.request_head(1);
    until_queued(&router, 1);
    router.reload(&config(&[&resets, &full, &added]));
    assert_eq!(waiting.answer("GET").code(), Some("endpoints-saturated"));
    assert_eq!(added.count(), 0);
}

#[test]
fn who_waits_is_not_sent_where_a_route_that_came_meanwhile_leads() {
    let ((full, _shut), other) = (held("full"), ScriptedEndpoint::echo("other"));
    let (added, _also_shut) = held("added");
    let config =
        |endpoints: &[&ScriptedEndpoint]| limited(1, endpoints).set("timeouts.queue", "3s");
    let router = Router::start(&config(&[&full]));
    let _holding = asking(&router, "/");
    full.request_head(0);
    let mut waiting = asking(&router, "/api/x");
    until_queued(&router, 1);
    let narrower = config(&[&full, &added]);
    let narrower = narrower.route_with("a.test", &[other.address()], "path = \"/api\"");
    router.reload(&narrower);
    assert_eq!(waiting.answer("GET").code(), Some("endpoints-saturated"));
    assert_eq!((other.count(), added.count()), (0, 0));
}

#[test]
fn the_time_in_line_ends_where_the_line_does() {
    let (endpoint, gates) = one_by_one(2);
    let router = Router::start(&limited(1, &[&endpoint]));
    let _first = asking(&router, "/first");
    endpoint.request_head(0);
    let mut waiting = asking(&router, "/waits");
    until_queued(&router, 1);
    gates.iter().for_each(Gate::open);
    assert_eq!(waiting.answer("GET").status, 200);
    let line = logged(&router, "/waits");
    let ms = |field: &str| line[field].as_f64().expect("a number");
    assert!(0.0 < ms("queue_ms") && ms("queue_ms") <= ms("duration_ms"), "{line}");
}

/// Waits until the first endpoint of the first route has this limit.
#[track_caller]
fn until_limited(router: &Router, limit: u64) {
    eventually("the limit to be in force", || {
        let endpoint = &page(router, "/routes")["routes"][0]["endpoints"][0];
        (endpoint["max_requests"] == limit).then_some(())
    });
}

#[test]
fn a_limit_that_is_introduced_counts_those_that_are_there() {
    let (endpoint, gates) = one_by_one(5);
    let router = Router::start(&limited(0, &[&endpoint]).set("workers.threads", 3));
    let mut clients: Vec<_> = (0..3).map(|n| asking(&router, &format!("/{n}"))).collect();
    endpoint.request_head(2);
    router.reload(&limited(2, &[&endpoint]).set("workers.threads", 3));
    until_limited(&router, 2);
    clients.push(asking(&router, "/3"));
    until_queued(&router, 1);
    clients.push(asking(&router, "/4"));
    until_queued(&router, 2);
    gates[0].open();
    // There are two now, as may be; the end of another one makes room.
    eventually("one to leave", || {
        let in_flight = &page(&router, "/routes")["routes"][0]["endpoints"][0]["in_flight"];
        (*in_flight == 2).then_some(())
    });
    assert_eq!(endpoint.count(), 3);
    until_queued(&router, 2);
    gates[1].open();
    until_queued(&router, 1);
    assert_eq!(endpoint.request_head(3).line(), "GET /3 HTTP/1.1");
    gates[2..].iter().for_each(Gate::open);
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").status, 200));
    assert_eq!(endpoint.count(), 5);
}

#[test]
fn a_limit_goes_with_the_last_route_of_the_file_that_has_it() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(1, &[&endpoint]));
    // The limit belongs to the address, and so to this route too.
    let given = put(&router, "live.test", &json!({ "endpoints": [endpoint.address()] }));
    assert_eq!(given.status, 201, "{}", given.text());
    let ask = || {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: live.test\r\n\r\n");
        client
    };
    let mut clients = vec![ask()];
    endpoint.request_head(0);
    clients.push(ask());
    until_queued(&router, 1);
    router.reload(&Config::new().set("access_log.path", "-").set("timeouts.queue", "1m"));
    endpoint.request_head(1);
    clients.push(ask());
    endpoint.request_head(2);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer("GET").text(), "done"));
}
