//! The clocks that watch an endpoint.

use std::time::Duration;

use super::{SHORT, SHORT_TIME, Stopwatch, clocked, logged};
use crate::harness::absent::UnansweringEndpoint;
use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get};

fn silent() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ReadBody, Step::UntilPeerLeaves])
}

#[test]
fn an_endpoint_that_does_not_take_the_connection_is_a_504() {
    let endpoint = UnansweringEndpoint::start();
    // Longer than the default, shorter than the system would try.
    let config = Config::new()
        .set("timeouts.connect", "4s")
        .set("retry.attempts", 1)
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    let answer = get(router.address(), "a.test", "/");
    watch.stopped_by(Duration::from_secs(4));
    assert_eq!((answer.status, answer.code()), (504, Some("connect-timeout")));
}

#[test]
fn a_request_whose_connection_was_not_taken_goes_to_another_endpoint() {
    let unanswering = UnansweringEndpoint::start();
    let good = ScriptedEndpoint::echo("good");
    let endpoints = [unanswering.address(), good.address()];
    let config = Config::new().set("timeouts.connect", SHORT).route("a.test", &endpoints);
    let router = Router::start(&config);
    for _ in 0..4 {
        let mut client = Connection::open(router.address());
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.answer("POST").field("x-endpoint"), "good");
    }
}

#[test]
fn an_endpoint_that_takes_nothing_is_a_504() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Stall]);
    let router = clocked(&endpoint, &[("request_write_idle", SHORT), ("linger", "20s")]);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n");
    client.send_until_it_stops(Duration::from_secs(1), 64 << 20);
    let answer = client.answer("PUT");
    watch.stopped_by(SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (504, Some("upstream-write-timeout")));
    assert_eq!(logged(&router)["code"], "upstream-write-timeout");
}

#[test]
fn an_endpoint_that_does_not_answer_is_a_504_and_released() {
    let endpoints = [silent(), silent()];
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new().set("timeouts.attempt_head", SHORT).route("a.test", &addresses);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    let watch = Stopwatch::start();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
    let answer = client.answer("POST");
    watch.stopped_by(SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (504, Some("upstream-head-timeout")));
    let tried: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.count() > 0).collect();
    assert_eq!(tried.len(), 1, "a POST that may have been processed is sent once");
    assert!(matches!(tried[0].ending(0).1, Ended::ByPeer(_)));
}

#[test]
fn a_get_that_was_not_answered_is_asked_of_another_endpoint() {
    let endpoints = [silent(), silent(), silent()];
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let config = Config::new().set("timeouts.attempt_head", SHORT).route("a.test", &addresses);
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    let answer = get(router.address(), "a.test", "/");
    watch.stopped_by(3 * SHORT_TIME);
    assert_eq!((answer.status, answer.code()), (504, Some("upstream-head-timeout")));
    assert_eq!(endpoints.each_ref().map(ScriptedEndpoint::count), [1, 1, 1]);
}

#[test]
fn half_a_head_does_not_stop_the_clock() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let bytes = "HTTP/1.1 200 OK\r\nx-a: ".to_owned() + &"a".repeat(10_000);
        let pause = Duration::from_millis(10);
        vec![Step::ReadHead, Step::SendInPieces { bytes: bytes.into(), size: 1, pause }]
    });
    let config = Config::new()
        .set("timeouts.attempt_head", SHORT)
        .set("retry.attempts", 1)
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("upstream-head-timeout"));
    watch.stopped_by(SHORT_TIME);
}

#[test]
fn the_wait_for_an_answer_starts_when_the_request_is_sent() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("attempt_head", "1s")]);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(250));
        client.send("x");
    }
    assert_eq!(client.answer("POST").status, 200);
}

#[test]
fn an_endpoint_that_stops_within_its_answer_cuts_it() {
    for begun in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nwell",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwell\r\n",
        "HTTP/1.1 200 OK\r\n\r\nwell",
    ] {
        let endpoint = ScriptedEndpoint::start(move |_| {
            vec![Step::ReadHead, Step::Send(begun.into()), Step::UntilPeerLeaves]
        });
        let router = clocked(&endpoint, &[("response_body_idle", SHORT)]);
        let mut client = Connection::open(router.address());
        let watch = Stopwatch::start();
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let broken = client.try_answer("GET").expect_err("the answer cannot be whole");
        watch.stopped_by(SHORT_TIME);
        assert_eq!(broken.fault, Fault::Reset, "{begun}");
        assert_eq!(broken.answer.expect("it had begun").text(), "well");
        assert_eq!(logged(&router)["code"], "upstream-body-timeout");
        assert!(matches!(endpoint.ending(0).1, Ended::ByPeer(_)));
    }
}

#[test]
fn an_answer_that_comes_in_pieces_may_take_long() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n".into();
        let bytes = b"slow but steady".to_vec();
        let content = Step::SendInPieces { bytes, size: 1, pause: Duration::from_millis(150) };
        vec![Step::ReadHead, Step::Send(head), content]
    });
    let router = clocked(&endpoint, &[("response_body_idle", "2s")]);
    let watch = Stopwatch::start();
    assert_eq!(get(router.address(), "a.test", "/").text(), "slow but steady");
    watch.stopped_by(Duration::from_secs(2));
}

#[test]
fn an_idle_endpoint_connection_is_closed() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = clocked(&endpoint, &[("upstream_keep_alive", SHORT)]);
    let watch = Stopwatch::start();
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Closed));
    watch.stopped_by(SHORT_TIME);
}

#[test]
fn a_route_may_have_clocks_of_its_own_for_its_endpoints() {
    let answer = ScriptedEndpoint::start(|_| {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhiho".to_vec();
        let size = bytes.len() - 2;
        vec![Step::ReadHead, Step::SendInPieces { bytes, size, pause: 4 * SHORT_TIME }]
    });
    let addresses = [answer.address()];
    let config = Config::new()
        .set("timeouts.response_body_idle", SHORT)
        .route("a.test", &addresses)
        .route_with("patient.test", &addresses, "response_body_idle = \"off\"");
    let router = Router::start(&config);
    assert_eq!(get(router.address(), "patient.test", "/").text(), "hiho");
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.try_answer("GET").expect_err("it pauses").fault, Fault::Reset);

    let silent = silent();
    let config = Config::new().route_with(
        "hasty.test",
        &[silent.address()],
        &format!("timeouts = {{ attempt_head = \"{SHORT}\" }}"),
    );
    let router = Router::start(&config);
    let watch = Stopwatch::start();
    assert_eq!(get(router.address(), "hasty.test", "/").code(), Some("upstream-head-timeout"));
    watch.stopped_by(SHORT_TIME);
}

/// A client that sends content of this length only once it is told to.
fn expecting(router: &Router, length: usize) -> Connection {
    let mut client = Connection::open(router.address());
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    ));
    client
}

#[test]
fn an_endpoint_that_leaves_an_expectation_unanswered_is_the_one_to_blame() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let router = clocked(&endpoint, &[("request_body_idle", "100ms"), ("attempt_head", "1s")]);
    let mut client = expecting(&router, 2);
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (504, Some("upstream-head-timeout")));
}

#[test]
fn a_hint_is_no_leave_to_go_on() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        vec![Step::ReadHead, Step::Send(hint.into()), Step::UntilPeerLeaves]
    });
    let router = clocked(&endpoint, &[("request_body_idle", "100ms"), ("attempt_head", "1s")]);
    let mut client = expecting(&router, 2);
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (504, Some("upstream-head-timeout")));
    assert_eq!(answer.interim.len(), 1);
}

#[test]
fn a_client_that_was_told_to_continue_and_does_not_is_the_one_to_blame() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        vec![Step::ReadHead, Step::Send(go_on.into()), Step::UntilPeerLeaves]
    });
    let router = clocked(&endpoint, &[("request_body_idle", "300ms"), ("attempt_head", "60s")]);
    let mut client = expecting(&router, 2);
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (408, Some("request-body-timeout")));
}

#[test]
fn a_client_that_goes_on_unasked_and_stops_is_the_one_to_blame() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let router = clocked(&endpoint, &[("request_body_idle", "300ms"), ("attempt_head", "5m")]);
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\
         Expect: 100-continue\r\n\r\nso",
    );
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (408, Some("request-body-timeout")));
}

#[test]
fn content_that_was_asked_for_may_take_longer_than_the_answer_to_it() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let go_on = Step::Send("HTTP/1.1 100 Continue\r\n\r\n".into());
        vec![Step::ReadHead, go_on, Step::ReadBody, Step::Echo]
    });
    let router = clocked(&endpoint, &[("attempt_head", "2s")]);
    let mut client = expecting(&router, 10);
    for _ in 0..10 {
        // The slowness itself.
        std::thread::sleep(Duration::from_millis(300));
        client.send("x");
    }
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (200, None), "{}", answer.text());
}

#[test]
fn an_answer_is_not_idle_while_its_framing_comes() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = b"4;extension=without-content\r\ndone\r\n0\r\n\r\n".to_vec();
        // The whole takes longer than the clock; each piece is far quicker.
        let slowly =
            Step::SendInPieces { bytes: chunk, size: 4, pause: Duration::from_millis(500) };
        vec![Step::ReadHead, Step::Send(head.into()), slowly]
    });
    let router = clocked(&endpoint, &[("response_body_idle", "3s")]);
    assert_eq!(get(router.address(), "a.test", "/").text(), "done");
}
