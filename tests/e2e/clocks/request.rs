//! The clock over a whole request: it runs whatever else goes on.

use std::time::Duration;

use super::{SHORT, SHORT_TIME, Stopwatch, logged, trickle};
use crate::harness::absent::UnansweringEndpoint;
use crate::harness::held::ask;
use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get, script};

fn config(endpoints: &[&ScriptedEndpoint]) -> Config {
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address()).collect();
    Config::new()
        .set("timeouts.request", SHORT)
        .set("access_log.path", "-")
        .route("a.test", &addresses)
}

#[test]
fn a_request_not_answered_in_time_is_a_504_and_not_tried_again() {
    let silent = || ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let endpoints = [silent(), silent()];
    let router = Router::start(&config(&[&endpoints[0], &endpoints[1]]));
    let watch = Stopwatch::start();
    let answer = get(router.address(), "a.test", "/");
    watch.stopped_by(SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (504, Some("deadline-exceeded")));
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 1);
}

#[test]
fn a_connection_not_taken_in_time_is_the_requests_deadline_too() {
    let endpoint = UnansweringEndpoint::start();
    let config = Config::new()
        .set("timeouts.request", SHORT)
        .set("timeouts.connect", "20s")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    let answer = get(router.address(), "a.test", "/");
    watch.stopped_by(SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (504, Some("deadline-exceeded")));
    // It is not the endpoint's fault that the request had so little time.
    let metrics = ask(&router, "/metrics");
    let has = |line: &str| metrics.lines().any(|own| own == line);
    assert!(has("pointsman_attempts_total{outcome=\"deadline-exceeded\"} 1"), "{metrics}");
    assert!(has("pointsman_endpoints{state=\"passed-over\"} 0"), "{metrics}");
}

#[test]
fn attempts_share_the_time_of_their_request() {
    let silent = || ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let endpoints = [silent(), silent(), silent()];
    let config = config(&[&endpoints[0], &endpoints[1], &endpoints[2]])
        .set("timeouts.request", "4s")
        .set("timeouts.attempt_head", "2100ms");
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    let answer = get(router.address(), "a.test", "/");
    watch.stopped_by(Duration::from_secs(4));
    assert_eq!(answer.code(), Some("deadline-exceeded"));
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 2);
}

#[test]
fn content_that_is_still_coming_at_the_deadline_is_a_504() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&config(&[&endpoint]));
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n");
    trickle(&mut client, "x", Duration::from_millis(20));
    watch.stopped_by(SHORT_TIME);
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (504, Some("deadline-exceeded")));
}

#[test]
fn an_answer_that_is_still_coming_at_the_deadline_is_cut() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
        bytes.resize(10_000, b'x');
        let pause = Duration::from_millis(10);
        vec![Step::ReadHead, Step::SendInPieces { bytes, size: 50, pause }]
    });
    let router = Router::start(&config(&[&endpoint]));
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let broken = client.try_answer("GET").expect_err("the answer cannot be whole");
    watch.stopped_by(SHORT_TIME);
    assert_eq!(broken.fault, Fault::Reset);
    assert!(!broken.answer.expect("it had begun").body.is_empty());
    assert_eq!(logged(&router)["code"], "deadline-exceeded");
    assert!(matches!(endpoint.ending(0).1, Ended::ByPeer(_)));
}

/// Sends as fast as it is let.
fn endless() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n";
        let content = Step::SendPattern { bytes: 100_000_000_000, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    })
}

/// Reads an endless answer, `pause` between two pieces.
fn is_cut_while_reading(pause: Duration) {
    let endpoint = endless();
    let router = Router::start(&config(&[&endpoint]));
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let outcome = client.answer_into("GET", &mut |_| std::thread::sleep(pause));
    let broken = outcome.expect_err("the answer has no end");
    watch.stopped_by(SHORT_TIME);
    assert_eq!(broken.fault, Fault::Reset);
    assert_eq!(logged(&router)["code"], "deadline-exceeded");
    assert!(matches!(endpoint.ending(0).1, Ended::ByPeer(_)));
}

#[test]
fn a_client_that_takes_its_answer_slowly_is_cut_at_the_deadline() {
    is_cut_while_reading(Duration::from_millis(10));
}

#[test]
fn a_client_that_takes_an_endless_answer_fast_is_cut_at_the_deadline() {
    is_cut_while_reading(Duration::ZERO);
}

#[test]
fn a_route_may_do_without_a_deadline_or_have_its_own() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let bytes = script::ok("at last").into_bytes();
        vec![Step::ReadHead, Step::SendInPieces { bytes, size: 10, pause: SHORT_TIME / 2 }]
    });
    let addresses = [endpoint.address()];
    let config = Config::new()
        .set("timeouts.request", SHORT)
        .route("a.test", &addresses)
        .route_with("patient.test", &addresses, "request = \"off\"")
        .route_with("slow.test", &addresses, "request = \"20s\"");
    let router = Router::start(&config);
    assert_eq!(get(router.address(), "patient.test", "/").text(), "at last");
    assert_eq!(get(router.address(), "slow.test", "/").text(), "at last");
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("deadline-exceeded"));
}

#[test]
fn a_request_no_endpoint_has_room_for_in_time_is_a_503() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    // Longer than the default.
    let config = Config::new().set("timeouts.queue", "3s").set("access_log.path", "-").route_with(
        "a.test",
        &[endpoint.address()],
        "max_requests = 1",
    );
    let router = Router::start(&config);
    let mut holding = Connection::open(router.address());
    holding.send("GET /holding HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    let watch = Stopwatch::start();
    let answer = get(router.address(), "a.test", "/waiting");
    watch.stopped_by(Duration::from_secs(3));
    assert_eq!((answer.status, answer.code()), (503, Some("endpoints-saturated")));
    assert_eq!(answer.field("retry-after"), "1");
    let line = logged(&router);
    assert_eq!((&line["code"], &line["attempts"]), (&"endpoints-saturated".into(), &0.into()));
    assert!(line["queue_ms"].as_f64().expect("it was in line") >= 3_000.0, "{line}");
    assert_eq!(endpoint.count(), 1);
}
