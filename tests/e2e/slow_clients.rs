//! The classes of clients that hold on to a connection and do next to
//! nothing. Each must end by itself, and ordinary traffic must not notice.
//!
//! All clocks are scaled down here; that the defaults are finite, and those of
//! the documentation, is tested with the configuration.

use std::time::{Duration, Instant};

use crate::harness::wait::{PATIENCE, eventually};
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get};

/// Of each class, at once.
const CROWD: usize = 20;

struct SlowClient {
    class: &'static str,
    /// What it sends first.
    first: &'static str,
    /// What it then sends again and again.
    then: Option<&'static str>,
    /// Whether it looks at what comes.
    reads: bool,
}

const CLASSES: [SlowClient; 6] = [
    SlowClient { class: "silent", first: "", then: None, reads: true },
    SlowClient {
        class: "head trickled",
        first: "GET / HTTP/1.1\r\nX-A: ",
        then: Some("a"),
        reads: true,
    },
    SlowClient { class: "head stalled", first: "GET / HTTP/1.1\r\nHo", then: None, reads: true },
    SlowClient {
        class: "body trickled",
        first: "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n",
        then: Some("a"),
        reads: true,
    },
    SlowClient {
        class: "body stalled",
        first: "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nsome",
        then: None,
        reads: true,
    },
    SlowClient {
        class: "answer never read",
        first: "GET /large HTTP/1.1\r\nHost: large.test\r\n\r\n",
        then: Some("a"),
        reads: false,
    },
];

/// Answers with more than any buffer holds.
fn large() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
        let content = Step::SendPattern { bytes: 1 << 30, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    })
}

fn scaled(app: &ScriptedEndpoint, large: &ScriptedEndpoint) -> Config {
    Config::new()
        .set("timeouts.keep_alive", "1500ms")
        .set("timeouts.request_head", "1s")
        .set("timeouts.request_body_idle", "1s")
        // Stands for the least rate, whose window of 30 s cannot be scaled.
        .set("timeouts.request", "3s")
        .set("timeouts.response_write_idle", "1s")
        .set("timeouts.linger", "500ms")
        .set("access_log.path", "-")
        .route("a.test", &[app.address()])
        .route("large.test", &[large.address()])
}

#[test]
fn every_class_of_slow_client_ends_and_ordinary_traffic_goes_on() {
    let (app, large) = (ScriptedEndpoint::echo("app"), large());
    let router = Router::start(&scaled(&app, &large));
    let mut crowd = Vec::new();
    for slow in CLASSES.iter().cycle().take(CROWD * CLASSES.len()) {
        let mut client = Connection::open(router.address());
        client.send(slow.first);
        crowd.push((slow, client));
    }
    let begun = Instant::now();
    while !crowd.is_empty() {
        let left: Vec<_> = crowd.iter().map(|(slow, _)| slow.class).collect();
        assert!(begun.elapsed() < PATIENCE, "still open: {left:?}");
        // Whoever does not read learns of the end by writing.
        crowd.retain_mut(|(slow, client)| {
            let sent = slow.then.is_none_or(|piece| client.try_send(piece).is_ok());
            sent && !client.ended() && !(slow.reads && client.answers())
        });
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
        std::thread::sleep(Duration::from_millis(20));
    }
    let codes = || {
        let lines = router.stdout();
        let count = |code: &str| lines.iter().filter(|line| line.contains(code)).count();
        ["request-head-timeout", "request-body-timeout", "deadline-exceeded", "client-stalled"]
            .map(count)
    };
    // Silence has no line; both bodies and both heads have one each.
    let expected = [2 * CROWD, CROWD, CROWD, CROWD];
    eventually("every request in the access log", || (codes() == expected).then_some(()));
    // Idle ones are kept; those of cut requests are not.
    assert!(large.connections() == CROWD, "each was asked once");
    (0..CROWD).for_each(|index| drop(large.ending(index)));
}
