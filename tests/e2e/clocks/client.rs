//! The clocks that watch a client.

use std::time::Duration;

use super::{SHORT, SHORT_TIME, Stopwatch, clocked, logged, trickle};
use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, script};

const STEP: Duration = Duration::from_millis(20);

#[test]
fn a_head_that_stops_coming_is_answered_408() {
    let config = Config::new().set("timeouts.request_head", SHORT).set("access_log.path", "-");
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("GET /late?t=1 HTTP/1.1\r\nHost: a.test\r\nUser-Ag");
    let answer = client.answer("GET");
    watch.stopped_by(SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (408, Some("request-head-timeout")));
    assert_eq!(answer.field("connection"), "close");
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    let line = logged(&router);
    assert_eq!(line["code"], "request-head-timeout");
    assert_eq!((&line["method"], &line["path"]), (&"GET".into(), &"/late".into()), "{line}");
    // From the first byte of the head, not from when it was given up.
    let lasted_ms = line["duration_ms"].as_f64().expect("it is a number");
    assert!(lasted_ms >= SHORT_TIME.as_secs_f64() * 1e3, "{line}");
}

#[test]
fn a_trickled_head_has_no_more_time_than_any_other() {
    let router = Router::start(&Config::new().set("timeouts.request_head", SHORT));
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nX-A: ");
    trickle(&mut client, "a", STEP);
    watch.stopped_by(SHORT_TIME);
    assert_eq!(client.answer("GET").code(), Some("request-head-timeout"));
}

#[test]
fn the_time_of_a_head_starts_with_its_first_byte() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("request_head", SHORT)]);
    let mut client = Connection::open(router.address());
    for _ in 0..2 {
        // Silence before a request is another clock's.
        std::thread::sleep(2 * SHORT_TIME);
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
    }
}

#[test]
fn a_silent_connection_is_closed_without_an_answer() {
    let config = Config::new().set("timeouts.keep_alive", SHORT).set("access_log.path", "-");
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    let mut client = Connection::open(router.address());
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    watch.stopped_by(SHORT_TIME);
    assert_eq!(router.stdout().len(), 2, "there was no request to log");
}

#[test]
fn a_connection_idle_between_requests_is_closed_without_an_answer() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("keep_alive", SHORT)]);
    let mut client = Connection::open(router.address());
    let mut watch = Stopwatch::start();
    for _ in 0..3 {
        watch = Stopwatch::start();
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
    }
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    watch.stopped_by(SHORT_TIME);
}

#[test]
fn an_idle_connection_goes_by_the_clock_that_a_reload_brings() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = |keep_alive: &str| {
        // No other clock wakes it in time to make it look, nor does that of the
        // endpoint's connection, which its task has waited for.
        let config = Config::new()
            .set("timeouts.response_write_idle", "1h")
            .set("timeouts.attempt_head", "1h");
        config.set("timeouts.keep_alive", keep_alive).route("a.test", &[endpoint.address()])
    };
    let router = Router::start(&config("1h"));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer("GET").status, 200);
    router.reload(&config(SHORT));
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}

const UPLOAD: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nsome";

#[test]
fn content_that_stops_coming_is_answered_408() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("request_body_idle", SHORT)]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send(UPLOAD);
    let answer = client.answer("POST");
    watch.stopped_by(SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (408, Some("request-body-timeout")));
    assert_eq!(answer.field("connection"), "close");
    assert_eq!(logged(&router)["code"], "request-body-timeout");
    let (_, ended) = endpoint.ending(0);
    assert_eq!(ended, Ended::ByPeer(Fault::Reset), "half a request is no request");
}

#[test]
fn chunks_without_content_do_not_stop_the_clock() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("request_body_idle", SHORT)]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=");
    trickle(&mut client, "y", STEP);
    watch.stopped_by(SHORT_TIME);
    assert_eq!(client.answer("POST").code(), Some("request-body-timeout"));
}

#[test]
fn content_that_stops_after_the_answer_began_cuts_the_answer() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwell\r\n";
        vec![Step::ReadHead, Step::Send(begun.into()), Step::UntilPeerLeaves]
    });
    let router = clocked(&endpoint, &[("request_body_idle", SHORT)]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send(UPLOAD);
    let broken = client.try_answer("POST").expect_err("the answer cannot be whole");
    watch.stopped_by(SHORT_TIME);
    assert_eq!(broken.fault, Fault::Reset);
    assert_eq!(broken.answer.expect("it had begun").text(), "well");
    assert_eq!(logged(&router)["code"], "request-body-timeout");
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Reset));
}

#[test]
fn content_that_comes_in_time_may_take_long() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("request_body_idle", "2500ms")]);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\n\r\n");
    for _ in 0..12 {
        client.send("x");
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(client.answer("POST").status, 200);
}

/// The window the rate is looked at over is fixed: this test takes as long.
#[test]
fn content_below_the_least_rate_is_answered_408() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router =
        clocked(&endpoint, &[("request_body_min_rate", "100B/s"), ("request_body_idle", "50s")]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n");
    trickle(&mut client, "x", Duration::from_millis(250));
    watch.stopped_by(Duration::from_secs(29));
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (408, Some("request-body-timeout")));
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
        let content = Step::SendPattern { bytes: 1 << 30, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    });
    let router = clocked(&endpoint, &[("response_write_idle", SHORT)]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(matches!(endpoint.ending(0).1, Ended::ByPeer(_)), "the endpoint is released");
    watch.stopped_by(SHORT_TIME);
    let line = logged(&router);
    assert_eq!((&line["status"], &line["code"]), (&200.into(), &"client-stalled".into()), "{line}");
    let broken = client.try_answer("GET").expect_err("it was cut");
    assert_eq!(broken.fault, Fault::Reset);
}

#[test]
fn a_client_that_takes_nothing_of_an_error_is_cut() {
    // Requests enough for their answers to fill every buffer between.
    let config = Config::new().set("timeouts.response_write_idle", SHORT);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    let requests = "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n".repeat(1000);
    while client.try_send(&requests).is_ok() {}
    watch.stopped_by(SHORT_TIME);
}

#[test]
fn a_route_may_have_clocks_of_its_own_for_its_clients() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new()
        .set("timeouts.request_body_idle", SHORT)
        .route("a.test", &[endpoint.address()])
        .route_with(
            "patient.test",
            &[endpoint.address()],
            "request_body_idle = \"off\"\nrequest_body_min_rate = \"off\"",
        );
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(UPLOAD.replace("a.test", "patient.test"));
    std::thread::sleep(4 * SHORT_TIME);
    client.send("x".repeat(96));
    assert_eq!(client.answer("POST").status, 200);
    client.send(UPLOAD);
    assert_eq!(client.answer("POST").code(), Some("request-body-timeout"));
}

#[test]
fn a_pipelined_half_head_is_timed_from_when_it_is_waited_for() {
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("one")));
    let router = clocked(&endpoint, &[("request_head", SHORT)]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HT");
    assert_eq!(client.answer("GET").text(), "one");
    assert_eq!(client.answer("GET").code(), Some("request-head-timeout"));
    watch.stopped_by(SHORT_TIME);
}
