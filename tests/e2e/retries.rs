//! What is tried again, what never is, and what of it a client sees: promise
//! 5 of the design, RFC 9110 section 9.2.2.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::held::{self, sum};
use crate::harness::wait::eventually;
use crate::harness::{
    Answer, Config, Connection, RefusingEndpoint, Router, Script, ScriptedEndpoint, Step, get,
    script,
};

/// Everything an endpoint can do to a request instead of answering it.
fn bad_ways() -> Vec<(&'static str, Script)> {
    let say = |bytes: &str, last: Step| script::answering_then(bytes, last);
    vec![
        ("resets at accept", vec![Step::Reset]),
        ("closes at accept", vec![Step::Close]),
        ("closes within the head", vec![Step::ReadBytes(10), Step::Close]),
        ("resets within the head", vec![Step::ReadBytes(10), Step::Reset]),
        ("closes after the request", say("", Step::Close)),
        ("resets after the request", say("", Step::Reset)),
        ("cuts a head in half", say("HTTP/1.1 200 OK\r\ncontent-le", Step::Close)),
        ("cuts a head in half and resets", say("HTTP/1.1 200 OK\r\ncontent-le", Step::Reset)),
        ("answers garbage", say("\x16\x03garbage\r\n\r\n", Step::Close)),
        ("answers garbage and stays", say("what?\r\n", Step::UntilPeerLeaves)),
        (
            "frames its answer twice",
            say(
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
                Step::UntilPeerLeaves,
            ),
        ),
        ("answers 103 and closes", say("HTTP/1.1 103 Early Hints\r\n\r\n", Step::Close)),
        (
            "answers with a head of 2 MB",
            say(&format!("HTTP/1.1 200 OK\r\nx-a: {}", "a".repeat(2_000_000)), Step::Close),
        ),
    ]
}

fn doing(steps: Script) -> ScriptedEndpoint {
    ScriptedEndpoint::start(move |_| steps.clone())
}

fn ask(client: &mut Connection, method: &str, body: &str) -> Answer {
    let length = body.len();
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client.answer(method)
}

/// Thousands of GETs in a row; every one must be a 200 from the first.
fn every_get_succeeds(name: &str, bad: SocketAddr) {
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad, good.address()]));
    let mut client = Connection::open(router.address());
    for number in 0..2000 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = client.answer("GET");
        let told = format!("{name}: GET {number}: {} {}", answer.head, answer.text());
        assert_eq!((answer.status, answer.fields.one("x-endpoint")), (200, Some("good")), "{told}");
    }
    assert_eq!(good.count(), 2000, "{name}");
}

#[test]
fn with_one_endpoint_of_two_refusing_every_get_succeeds() {
    let bad = RefusingEndpoint::start();
    every_get_succeeds("refuses", bad.address());
}

#[test]
fn with_one_endpoint_of_two_bad_in_any_way_every_get_succeeds() {
    for (name, steps) in bad_ways() {
        let bad = doing(steps);
        every_get_succeeds(name, bad.address());
        assert!(bad.connections() > 0, "{name}: the bad endpoint was never tried");
    }
}

#[test]
fn with_one_endpoint_of_two_silent_every_get_succeeds() {
    let bad = doing(vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let good = ScriptedEndpoint::echo("good");
    let config = Config::new()
        .set("timeouts.attempt_head", "1s")
        .route("a.test", &[bad.address(), good.address()]);
    let router = Router::start(&config);
    for _ in 0..20 {
        assert_eq!(get(router.address(), "a.test", "/").field("x-endpoint"), "good");
    }
    assert_eq!(bad.count(), 1);
}

#[test]
fn a_post_that_may_have_been_processed_is_sent_once_only() {
    // After these the endpoint has, or may have, acted on the request.
    let acted = bad_ways().into_iter().filter(|(_, steps)| matches!(steps[0], Step::ReadHead));
    for (name, steps) in acted {
        let endpoints = [doing(steps.clone()), doing(steps)];
        let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
        let router = Router::start(&Config::new().route("a.test", &addresses));
        let mut client = Connection::open(router.address());
        let answer = ask(&mut client, "POST", "once");
        assert_eq!(answer.status, 502, "{name}: {}", answer.head);
        // A second copy would have been sent before the answer.
        assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 1, "{name}");
    }
}

#[test]
fn a_post_of_which_nothing_was_sent_goes_to_another_endpoint() {
    let bad = RefusingEndpoint::start();
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    let mut client = Connection::open(router.address());
    for number in 0..4 {
        let answer = ask(&mut client, "POST", "hello");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(good.request(number).content, b"hello");
    }
    assert_eq!(good.count(), 4);
}

#[test]
fn nothing_is_sent_where_no_way_leads() {
    // No system makes a TCP connection to everybody on a network (RFC 1122
    // section 4.2.3.10).
    let everybody = SocketAddr::from(([127, 255, 255, 255], 80));
    let good = ScriptedEndpoint::echo("good");
    let config =
        Config::new().route("a.test", &[everybody]).route("b.test", &[everybody, good.address()]);
    let router = Router::start(&config);
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("connect-failed")));
    assert!(answer.field("proxy-status").contains("error=destination_ip_unroutable"));
    for _ in 0..4 {
        let mut client = Connection::open(router.address());
        client.send("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.answer("POST").field("x-endpoint"), "good");
    }
}

#[test]
fn a_large_post_of_which_nothing_was_sent_goes_to_another_endpoint() {
    let bad = RefusingEndpoint::start();
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    for number in 0..2 {
        let mut client = Connection::open(router.address());
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n");
        client.send_pattern(1_000_000, false);
        assert_eq!(client.answer("POST").status, 200);
        let received = good.request(number);
        assert_eq!((received.content_bytes, received.is_pattern), (1_000_000, true));
    }
}

#[test]
fn a_put_is_replayed_with_its_whole_body() {
    let bad = doing(script::answering_then("", Step::Reset));
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    let mut client = Connection::open(router.address());
    let body = "x".repeat(60_000);
    while bad.count() == 0 {
        assert_eq!(ask(&mut client, "PUT", &body).status, 200);
    }
    let replayed = good.requests().pop().expect("the last PUT ended there");
    assert_eq!(replayed.content, body.as_bytes());
    assert_eq!(bad.request(0).content, body.as_bytes());
    let differing = |name| bad.request(0).fields.one(name) != replayed.fields.one(name);
    assert!(!differing("x-request-id"), "both attempts are one request");
}

#[test]
fn a_chunked_put_is_replayed_with_its_trailers() {
    let bad = doing(script::answering_then("", Step::Reset));
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    let mut client = Connection::open(router.address());
    while bad.count() == 0 {
        client.send(
            "PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        );
        assert_eq!(client.answer("PUT").status, 200);
    }
    let replayed = good.requests().pop().expect("the last PUT ended there");
    assert_eq!(replayed.content, b"hello");
    assert_eq!(replayed.trailers.one("x-sum"), Some("1"));
}

#[test]
fn a_put_larger_than_the_replay_buffer_is_not_sent_again() {
    let endpoints = [0, 1].map(|_| doing(script::answering_then("", Step::Reset)));
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new().set("limits.replay_body_bytes", "1KiB").route("a.test", &addresses);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    let answer = ask(&mut client, "PUT", &"x".repeat(2000));
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 1);
    let answer = ask(&mut client, "PUT", &"x".repeat(1000));
    assert_eq!(answer.status, 502);
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 3);
}

#[test]
fn an_answer_that_began_is_never_asked_for_again() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell";
    let bad = doing(script::answering_then(cut, Step::Reset));
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    let mut broken = 0;
    for _ in 0..2 {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        broken += usize::from(client.try_answer("GET").is_err());
    }
    assert_eq!((broken, bad.count(), good.count()), (1, 1, 1));
}

#[test]
fn a_status_is_never_a_reason_to_ask_again() {
    let tired = "HTTP/1.1 503 Tired\r\ncontent-length: 0\r\n\r\n";
    let bad = doing(script::answering(tired));
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    let mut statuses: Vec<_> =
        (0..4).map(|_| get(router.address(), "a.test", "/").status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503]);
    assert_eq!((bad.count(), good.count()), (2, 2));
}

#[test]
fn attempts_are_limited_and_each_goes_to_another_endpoint() {
    let endpoints = [0, 1, 2, 3, 4].map(|_| doing(script::answering_then("", Step::Reset)));
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new().set("retry.attempts", 3).route("a.test", &addresses);
    let router = Router::start(&config);
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
    let counts = endpoints.each_ref().map(ScriptedEndpoint::count);
    assert_eq!(counts.iter().sum::<usize>(), 3, "{counts:?}");
    assert!(counts.iter().all(|&count| count <= 1), "{counts:?}");
}

#[test]
fn one_attempt_means_one_attempt() {
    let endpoints = [0, 1].map(|_| doing(script::answering_then("", Step::Reset)));
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new().set("retry.attempts", 1).route("a.test", &addresses);
    let router = Router::start(&config);
    assert_eq!(get(router.address(), "a.test", "/").status, 502);
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 1);
}

#[test]
fn a_spent_budget_stops_retries_and_says_so() {
    let endpoints = [0, 1].map(|_| doing(script::answering_then("", Step::Reset)));
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new()
        .set("retry.budget_percent", 0)
        .set("retry.budget_min", 1)
        .route("a.test", &addresses);
    let router = Router::start(&config);
    let requests = 50;
    let answers: Vec<_> = (0..requests).map(|_| get(router.address(), "a.test", "/")).collect();
    assert!(answers.iter().all(|a| a.code() == Some("upstream-reset")), "{answers:?}");
    let said = |a: &&Answer| a.field("proxy-status").contains("retry-budget-exhausted");
    let exhausted = answers.iter().filter(said).count();
    let retried = endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>() - requests;
    assert_eq!(exhausted, requests - retried);
    let series = "pointsman_errors_total{code=\"retry-budget-exhausted\"}";
    eventually("each to be counted", || {
        (sum(&held::ask(&router, "/metrics"), series) == exhausted as u64).then_some(())
    });
    assert!(exhausted > requests / 2, "{retried} of {requests} were retried");
    assert!(retried > 0, "the least that is always allowed was not");
}

/// How many of so many requests, which fail wherever they go, were retried.
fn retried(router: &Router, endpoints: &[ScriptedEndpoint], requests: usize) -> usize {
    let count = || endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>();
    let before = count();
    for _ in 0..requests {
        assert_eq!(get(router.address(), "a.test", "/").status, 502);
    }
    count() - before - requests
}

#[test]
fn the_budget_is_a_share_of_the_requests_there_were() {
    let endpoints = [0, 1].map(|_| doing(script::answering_then("", Step::Reset)));
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new()
        .set("retry.budget_percent", 50)
        .set("retry.budget_min", 0)
        .route("a.test", &addresses);
    let router = Router::start(&config);
    let retried = retried(&router, &endpoints, 40);
    assert!((1..=20).contains(&retried), "{retried} of 40");
}

#[test]
fn a_budget_holds_from_the_reload_on() {
    let endpoints = [0, 1].map(|_| doing(script::answering_then("", Step::Reset)));
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let with = |least: i64| {
        let config = Config::new().set("retry.budget_percent", 0).set("retry.budget_min", least);
        config.route("a.test", &addresses)
    };
    let router = Router::start(&with(1_000));
    assert_eq!(retried(&router, &endpoints, 10), 10);
    router.reload(&with(0));
    eventually("no retry any more", || (retried(&router, &endpoints, 1) == 0).then_some(()));
    assert_eq!(retried(&router, &endpoints, 10), 0);
}

#[test]
fn the_budget_does_not_count_requests_of_which_nothing_was_sent() {
    let refusing = [RefusingEndpoint::start(), RefusingEndpoint::start()];
    let good = ScriptedEndpoint::echo("good");
    let addresses = [refusing[0].address(), refusing[1].address(), good.address()];
    let config = Config::new()
        .set("retry.budget_percent", 0)
        .set("retry.budget_min", 1)
        .route("a.test", &addresses);
    let router = Router::start(&config);
    for _ in 0..50 {
        assert_eq!(get(router.address(), "a.test", "/").field("x-endpoint"), "good");
    }
}

#[test]
fn an_endpoint_that_failed_is_passed_over_and_comes_back() {
    let bad = ScriptedEndpoint::start(|visit| match visit.connection {
        0 => vec![Step::ReadHead, Step::Reset],
        _ => script::echo(),
    });
    let good = ScriptedEndpoint::echo("good");
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    let asks = || get(router.address(), "a.test", "/").field("x-endpoint").to_owned();
    let mut failed = Instant::now();
    while bad.count() == 0 {
        failed = Instant::now();
        assert_eq!(asks(), "good");
    }
    eventually("the endpoint to be asked again", || (asks() == "scripted").then_some(()));
    let passed_over = failed.elapsed();
    assert!(passed_over > Duration::from_secs(4), "asked again after {passed_over:?}");
}

#[test]
fn an_endpoint_alone_is_asked_although_it_failed() {
    let endpoint = ScriptedEndpoint::start(|visit| match visit.connection {
        0 => vec![Step::ReadHead, Step::Reset],
        _ => script::echo(),
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    assert_eq!(get(router.address(), "a.test", "/").status, 502);
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
}
