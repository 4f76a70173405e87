//! Endpoints that fail: how soon they are left alone, how they come back, and
//! that their pool is never left without.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::admin::json;
use crate::harness::held::{ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, Script, ScriptedEndpoint, Step, script};

/// An app that answers 503 while `broken`.
fn breaking(broken: &Arc<AtomicBool>, more: &'static str) -> ScriptedEndpoint {
    let broken = Arc::clone(broken);
    ScriptedEndpoint::start(move |_| match broken.load(Ordering::SeqCst) {
        true => {
            let head = format!("HTTP/1.1 503 Busy\r\n{more}content-length: 0\r\n\r\n");
            script::answering(head)
        }
        false => script::answering(script::ok("well")),
    })
}

pub(crate) fn get(client: &mut Connection) -> u16 {
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer("GET").status
}

/// What `/routes` says of the endpoint at this address.
pub(crate) fn seen(router: &Router, address: SocketAddr) -> Value {
    let routes = json(&crate::admin::ask(router, "/routes"));
    let endpoints = routes["routes"][0]["endpoints"].as_array().expect("a list").clone();
    let wanted = address.to_string();
    endpoints.into_iter().find(|e| e["address"] == *wanted).expect("the endpoint is listed")
}

fn config(addresses: &[SocketAddr], more: &str) -> Config {
    Config::new().route_with("a.test", addresses, more)
}

#[test]
fn an_endpoint_that_fails_every_request_gets_no_more_than_its_row_of_failures() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "");
    let good: Vec<_> = (0..3).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let mut addresses = vec![bad.address()];
    addresses.extend(good.iter().map(ScriptedEndpoint::address));
    let outlier = "outlier = { ejection = \"1h\", ejection_max = \"1h\" }";
    let router = Router::start(&config(&addresses, outlier));
    let mut client = Connection::open(router.address());
    let failed = (0..2_000).filter(|_| get(&mut client) == 503).count();
    assert_eq!((failed, bad.count()), (5, 5), "of 2,000");
    let bad = seen(&router, bad.address());
    assert_eq!((&bad["state"], &bad["reason"]), (&"ejected".into(), &"failures-in-a-row".into()));
    assert!(bad["since_unix_ms"].as_u64() > Some(0) && bad["for_ms"].as_u64() > Some(0), "{bad}");
    let metrics = ask(&router, "/metrics");
    let count = |series| sum(&metrics, series);
    let transitions =
        "pointsman_endpoint_transitions_total{to=\"ejected\",reason=\"failures-in-a-row\"}";
    assert_eq!(count(transitions), 1, "{metrics}");
    assert_eq!(count("pointsman_endpoints{state=\"ejected\"}"), 1);
    assert_eq!(count("pointsman_endpoints{state=\"available\"}"), 3);
}

#[test]
fn an_ejected_endpoint_is_tried_by_one_request_and_comes_back_when_that_works() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "");
    let good = ScriptedEndpoint::echo("good");
    let outlier = "outlier = { failures_in_a_row = 2, ejection = \"50ms\", ejection_max = \"1h\" }";
    let router = Router::start(&config(&[bad.address(), good.address()], outlier));
    let mut client = Connection::open(router.address());
    let trials = |metrics: &str| {
        let series = "pointsman_endpoint_transitions_total{to=\"ejected\",reason=\"trial-failed\"}";
        if metrics.contains(series) { sum(metrics, series) } else { 0 }
    };
    eventually("three trials to fail", || {
        get(&mut client);
        (trials(&ask(&router, "/metrics")) >= 3).then_some(())
    });
    let failed = bad.count() as u64;
    assert_eq!(failed, 2 + trials(&ask(&router, "/metrics")), "two in a row, then only trials");
    broken.store(false, Ordering::SeqCst);
    eventually("the endpoint to be back", || {
        get(&mut client);
        (seen(&router, bad.address())["reason"] == "trial-passed").then_some(())
    });
    let before = bad.count();
    for _ in 0..10 {
        assert_eq!(get(&mut client), 200);
    }
    assert_eq!(bad.count() - before, 5, "it has its share again");
}

#[test]
fn no_more_than_half_of_a_pool_is_ejected() {
    let broken = Arc::new(AtomicBool::new(true));
    let all: Vec<_> = (0..4).map(|_| breaking(&broken, "")).collect();
    let addresses: Vec<_> = all.iter().map(ScriptedEndpoint::address).collect();
    let outlier = "outlier = { failures_in_a_row = 1, ejection = \"1h\", ejection_max = \"1h\" }";
    let router = Router::start(&config(&addresses, outlier));
    let mut client = Connection::open(router.address());
    for _ in 0..40 {
        assert_eq!(get(&mut client), 503, "the app's own");
    }
    let metrics = ask(&router, "/metrics");
    assert_eq!(sum(&metrics, "pointsman_endpoints{state=\"ejected\"}"), 2, "{metrics}");
    let mut counts: Vec<_> = all.iter().map(ScriptedEndpoint::count).collect();
    counts.sort_unstable();
    assert_eq!(counts[..2], [1, 1], "{counts:?}");
}

#[test]
fn with_outlier_off_a_route_ejects_nobody() {
    let broken = Arc::new(AtomicBool::new(true));
    // Nor does it heed who asks for patience: that is one of its keys.
    for more in ["", "retry-after: 3600\r\n"] {
        let bad = breaking(&broken, more);
        let good = ScriptedEndpoint::echo("good");
        let addresses = [bad.address(), good.address()];
        let router = Router::start(&config(&addresses, "outlier = \"off\""));
        let mut client = Connection::open(router.address());
        let failed = (0..100).filter(|_| get(&mut client) == 503).count();
        assert_eq!(failed, 50, "{more:?}");
    }
}

#[test]
fn an_endpoint_that_asks_for_patience_is_given_it() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = breaking(&broken, "retry-after: 3600\r\n");
    let good = ScriptedEndpoint::echo("good");
    let more = "outlier = { retry_after_max = \"2h\" }";
    let router = Router::start(&config(&[bad.address(), good.address()], more));
    let mut client = Connection::open(router.address());
    let failed = (0..100).filter(|_| get(&mut client) == 503).count();
    assert_eq!(failed, 1);
    let bad = seen(&router, bad.address());
    assert_eq!((&bad["state"], &bad["reason"]), (&"passed-over".into(), &"retry-after".into()));
    assert!(bad["for_ms"].as_u64() > Some(3_000_000), "{bad}");
}

#[test]
fn an_endpoint_that_hangs_is_passed_over_after_its_first_timeout() {
    let hanging = ScriptedEndpoint::start(|_| -> Script { vec![Step::UntilPeerLeaves] });
    let good = ScriptedEndpoint::echo("good");
    let more = "attempt_head = \"1s\"";
    let router = Router::start(&config(&[hanging.address(), good.address()], more));
    let mut client = Connection::open(router.address());
    for _ in 0..4 {
        assert_eq!(get(&mut client), 200, "it is tried again elsewhere");
    }
    let seen = seen(&router, hanging.address());
    assert_eq!(seen["reason"], "upstream-head-timeout", "{seen}");
}

#[test]
fn patience_is_asked_for_by_a_date_too_and_given_up_to_a_bound() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    for (asked_for, most, bounds) in [
        (date, "2h", 3_000_000..3_600_001),
        ("99999999999999999999999".into(), "2h", 7_000_000..7_200_001),
        ("3600".into(), "30m", 1_700_000..1_800_001),
    ] {
        // Whether a 503 is a failure otherwise makes no difference.
        for statuses in ["[503]", "[]"] {
            let line = format!("retry-after: {asked_for}\r\n");
            let busy = ScriptedEndpoint::start(move |_| {
                let head = format!("HTTP/1.1 503 Busy\r\n{line}content-length: 0\r\n\r\n");
                script::answering(head)
            });
            let good = ScriptedEndpoint::echo("good");
            let outlier =
                format!("outlier = {{ retry_after_max = \"{most}\", statuses = {statuses} }}");
            let router = Router::start(&config(&[busy.address(), good.address()], &outlier));
            let mut client = Connection::open(router.address());
            let failed = (0..20).filter(|_| get(&mut client) == 503).count();
            assert_eq!(failed, 1);
            let seen = seen(&router, busy.address());
            assert_eq!(seen["reason"], "retry-after", "{seen}");
            assert!(bounds.contains(&seen["for_ms"].as_u64().unwrap_or(0)), "{asked_for}: {seen}");
        }
    }
}

#[test]
fn patience_of_no_time_at_all_is_none_and_can_be_refused() {
    for (asked_for, most) in [("0", "30s"), ("soon", "30s"), ("60", "0s")] {
        let line: &'static str = format!("retry-after: {asked_for}\r\n").leak();
        let busy = breaking(&Arc::new(AtomicBool::new(true)), line);
        let good = ScriptedEndpoint::echo("good");
        let outlier = format!("outlier = {{ retry_after_max = \"{most}\" }}");
        let router = Router::start(&config(&[busy.address(), good.address()], &outlier));
        let mut client = Connection::open(router.address());
        let failed = (0..20).filter(|_| get(&mut client) == 503).count();
        assert_eq!(failed, 5, "its row of failures: {asked_for}");
    }
}

#[test]
fn of_many_requests_on_all_workers_one_at_a_time_tries_an_ejected_endpoint() {
    let (broken, held) = (Arc::new(AtomicBool::new(true)), Gate::default());
    let on_trial = Gate::default();
    let bad = {
        let (broken, on_trial, held) = (Arc::clone(&broken), on_trial.clone(), held.clone());
        ScriptedEndpoint::start(move |_| match broken.load(Ordering::SeqCst) {
            true => script::answering("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"),
            // Its trial hangs until the test has looked.
            false => vec![
                Step::ReadHead,
                Step::ReadBody,
                Step::Open(on_trial.clone()),
                Step::WaitFor(held.clone()),
                Step::Send(script::ok("well").into()),
            ],
        })
    };
    let good = ScriptedEndpoint::echo("good");
    let outlier = "outlier = { failures_in_a_row = 1, ejection = \"50ms\", ejection_max = \"1h\" }";
    let addresses = [bad.address(), good.address()];
    let config = config(&addresses, &format!("attempt_head = \"5m\"\n{outlier}"));
    let router = Router::start(&config.set("workers.threads", 4));
    let mut client = Connection::open(router.address());
    eventually("an ejection", || (get(&mut client) == 503).then_some(()));
    broken.store(false, Ordering::SeqCst);
    // Its connections still have the script of before: a trial may fail on one.
    let mut clients: Vec<_> = (0..16).map(|_| Connection::open(router.address())).collect();
    // They take turns until one is held up: its request is the trial.
    let trial = eventually("a trial under way", || {
        let mut client = clients.remove(0);
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answered = eventually("an answer, or a trial", || {
            if client.answers() { Some(true) } else { on_trial.is_open().then_some(false) }
        });
        if answered {
            client.answer("GET");
            clients.push(client);
            return None;
        }
        Some(client)
    });
    let before = bad.count();
    for _ in 0..20 {
        for client in &mut clients {
            assert_eq!(get(client), 200, "by the other");
        }
    }
    assert_eq!(bad.count(), before, "one trial and no more");
    assert!(!trial.answers());
    assert_eq!(seen(&router, bad.address())["state"], "half-open");
    held.open();
    let mut trial = trial;
    assert_eq!(trial.answer("GET").status, 200);
    eventually("its return", || {
        (seen(&router, bad.address())["reason"] == "trial-passed").then_some(())
    });
    let metrics = ask(&router, "/metrics");
    let half_open =
        "pointsman_endpoint_transitions_total{to=\"half-open\",reason=\"ejection-ended\"}";
    let failed = "pointsman_endpoint_transitions_total{to=\"ejected\",reason=\"trial-failed\"}";
    let failed = if metrics.contains(failed) { sum(&metrics, failed) } else { 0 };
    assert_eq!(sum(&metrics, half_open), 1 + failed, "{metrics}");
}

#[test]
fn an_address_that_another_route_has_ejected_still_serves_where_it_is_one_of_few() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad: Vec<_> = (0..2).map(|_| breaking(&broken, "")).collect();
    let good: Vec<_> = (0..2).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let all = |endpoints: &[ScriptedEndpoint]| -> Vec<_> {
        endpoints.iter().map(ScriptedEndpoint::address).collect()
    };
    let large = [all(&bad), all(&good)].concat();
    let outlier = "outlier = { failures_in_a_row = 1, ejection = \"1h\", ejection_max = \"1h\" }";
    let config = config(&large, outlier).route_with("alone.test", &large[..1], outlier).route_with(
        "both.test",
        &large[..2],
        outlier,
    );
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    eventually("two ejections", || {
        get(&mut client);
        (sum(&ask(&router, "/metrics"), "pointsman_endpoints{state=\"ejected\"}") == 2)
            .then_some(())
    });
    broken.store(false, Ordering::SeqCst);
    for host in ["alone.test", "both.test"] {
        for _ in 0..8 {
            let answer = crate::harness::get(router.address(), host, "/");
            // What its idle connections answer was decided before.
            assert!([200, 503].contains(&answer.status) && answer.code().is_none(), "{host}");
        }
    }
    let routes = json(&crate::admin::ask(&router, "/routes"));
    for route in routes["routes"].as_array().expect("a list") {
        let endpoints = route["endpoints"].as_array().expect("a list");
        let ejected = endpoints.iter().filter(|e| e["state"] == "ejected").count();
        assert!(2 * ejected <= endpoints.len(), "{route}");
    }
}

/// Answers 200 and breaks off, at the end of the script's own.
fn breaking_off(head: &'static str, last: Step) -> ScriptedEndpoint {
    ScriptedEndpoint::start(move |_| script::answering_then(head, last.clone()))
}

#[test]
fn an_endpoint_whose_answers_break_off_is_ejected() {
    const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    const BAD_CHUNK: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcx\r\n";
    for (head, last, ejects) in [
        (LENGTH, Step::Close, true),
        (LENGTH, Step::Reset, true),
        (CHUNKS, Step::Close, true),
        (BAD_CHUNK, Step::UntilPeerLeaves, true),
        // Silence where more was promised.
        (LENGTH, Step::UntilPeerLeaves, true),
        // And where nothing was: it may have nothing to say.
        (CHUNKS, Step::UntilPeerLeaves, false),
    ] {
        let bad = breaking_off(head, last.clone());
        let good = ScriptedEndpoint::echo("good");
        let more = "response_body_idle = \"50ms\"\noutlier = { failures_in_a_row = 3, \
                    ejection = \"1h\", ejection_max = \"1h\" }";
        let router = Router::start(&config(&[bad.address(), good.address()], more));
        for _ in 0..10 {
            let mut client = Connection::open(router.address());
            client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let _whole_or_not = client.try_answer("GET");
        }
        let (asked, seen) = (bad.count(), seen(&router, bad.address()));
        let expected = if ejects { (3, "ejected") } else { (5, "available") };
        assert_eq!((asked, seen["state"].as_str().unwrap()), expected, "{last:?} after {head:?}");
    }
}

#[test]
fn answers_that_break_off_now_and_then_are_no_row() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let bad = ScriptedEndpoint::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        match count.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => script::answering_then(format!("{head}abc"), Step::Close),
            _ => script::answering_then(format!("{head}abcdefghi"), Step::Close),
        }
    });
    let good = ScriptedEndpoint::echo("good");
    let more = "outlier = { failures_in_a_row = 2, success_percent = 0, ejection = \"1h\", \
                ejection_max = \"1h\" }";
    let router = Router::start(&config(&[bad.address(), good.address()], more));
    for _ in 0..20 {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let _whole_or_not = client.try_answer("GET");
    }
    let (asked, seen) = (bad.count(), seen(&router, bad.address()));
    assert_eq!((asked, seen["state"].as_str().unwrap()), (10, "available"));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_says_nothing_of_the_endpoint() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    let app = breaking_off(head, Step::UntilPeerLeaves);
    let good = ScriptedEndpoint::echo("good");
    let more = "outlier = { failures_in_a_row = 1 }";
    let router = Router::start(&config(&[app.address(), good.address()], more));
    for _ in 0..10 {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.answer_head().expect("a head");
    }
    (0..5).for_each(|connection| drop(app.ending(connection)));
    assert_eq!(seen(&router, app.address())["state"], "available");
}
