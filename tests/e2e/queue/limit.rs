//! How many an endpoint gets at a time.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::{asking, held, json, limited, logged, until_queued};
use crate::harness::held::ask;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Held, Router, ScriptedEndpoint, Step, script};

static INSIDE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// An endpoint that keeps count of the requests it has at a time, from their
/// heads to the last byte of their answers.
fn counting() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| {
        let begin = Step::ByTarget(|_| {
            MOST.fetch_max(INSIDE.fetch_add(1, SeqCst) + 1, SeqCst);
            vec![]
        });
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n";
        let pause = Duration::from_millis(1);
        let most = Step::SendInPieces { bytes: vec![b'x'; 19], size: 4, pause };
        let end = Step::ByTarget(|_| {
            INSIDE.fetch_sub(1, SeqCst);
            vec![]
        });
        vec![Step::ReadHead, begin, Step::Send(head.into()), most, end, Step::Send(b"x".into())]
    })
}

#[test]
fn no_endpoint_ever_has_more_than_its_limit_whatever_the_workers_and_routes() {
    let endpoint = counting();
    let config = limited(3, &[&endpoint])
        .set("workers.threads", 4)
        .set("timeouts.upstream_keep_alive", "100ms")
        .route_with("b.test", &[endpoint.address()], "max_requests = 5")
        .route("c.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let before = Held::at_rest(&router);
    std::thread::scope(|scope| {
        for client in 0..24 {
            let router = &router;
            scope.spawn(move || {
                let host = ["a.test", "b.test", "c.test"][client % 3];
                for _ in 0..20 {
                    let mut client = Connection::open(router.address());
                    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                    assert_eq!(client.answer("GET").status, 200);
                }
            });
        }
    });
    assert_eq!(MOST.load(SeqCst), 3, "as many as may, and no more");
    assert_eq!(endpoint.count(), 24 * 20);
    before.again(&router);
    until_queued(&router, 0);
}

#[test]
fn what_does_not_fit_waits_and_is_seen_to_wait() {
    let (endpoint, gate) = held("done");
    let router = Router::start(&limited(2, &[&endpoint]));
    let mut clients: Vec<_> = (0..5).map(|n| asking(&router, &format!("/{n}"))).collect();
    until_queued(&router, 3);
    endpoint.request_head(1);
    let route = &json(&router, "/routes")["routes"][0];
    assert_eq!((&route["endpoints"][0]["max_requests"], &route["queued"]), (&2.into(), &3.into()));
    assert_eq!(route["endpoints"][0]["in_flight"], 2);
    assert_eq!(endpoint.count(), 2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "done");
    }
    until_queued(&router, 0);
    let waited = (0..5).filter(|n| {
        let line = logged(&router, &format!("/{n}"));
        assert_eq!((&line["status"], &line["attempts"]), (&200.into(), &1.into()), "{line}");
        line["queue_ms"].as_f64().expect("a number") > 0.0
    });
    assert_eq!(waited.count(), 3);
}

#[test]
fn a_full_endpoint_is_left_out_while_another_has_room() {
    let ((full, _shut), free) = (held("full"), ScriptedEndpoint::echo("free"));
    let router = Router::start(&limited(1, &[&full, &free]));
    let _first_two: Vec<_> = (0..2).map(|_| asking(&router, "/")).collect();
    full.request_head(0);
    free.request_head(0);
    for _ in 0..20 {
        assert_eq!(asking(&router, "/").answer("GET").field("x-endpoint"), "free");
    }
    assert_eq!(full.count(), 1);
}

#[test]
fn a_place_is_free_when_the_answer_has_ended_and_not_at_its_head() {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        let rest = Step::Send(b"done".into());
        vec![Step::ReadHead, Step::Send(half.into()), Step::WaitFor(shut.clone()), rest]
    });
    let router = Router::start(&limited(1, &[&endpoint]));
    let mut first = asking(&router, "/first");
    first.answer_head().expect("it comes at once");
    let mut second = asking(&router, "/second");
    until_queued(&router, 1);
    assert_eq!(endpoint.count(), 1);
    gate.open();
    assert_eq!(first.bytes(8), b"halfdone");
    assert_eq!(second.answer("GET").text(), "halfdone");
}

#[test]
fn nobody_in_line_is_sent_to_an_endpoint_that_fails() {
    let (well, gate) = held("well");
    let failing = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Close]);
    let router = Router::start(&limited(1, &[&well, &failing]));
    // Until the one is marked and the other full, each in whatever order.
    let mut clients: Vec<_> = (0..2).map(|n| asking(&router, &format!("/{n}"))).collect();
    failing.request_head(0);
    well.request_head(0);
    until_queued(&router, 1);
    clients.extend((2..6).map(|n| asking(&router, &format!("/{n}"))));
    until_queued(&router, 5);
    let failed = failing.count();
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "well");
    }
    assert_eq!(failing.count(), failed, "nobody was sent there meanwhile");
}

#[test]
fn a_line_that_is_full_turns_away_at_once() {
    let (endpoint, gate) = held("done");
    let config = Config::new().set("timeouts.queue", "1m").route_with(
        "a.test",
        &[endpoint.address()],
        "max_requests = 1\nqueue_requests = 2",
    );
    let router = Router::start(&config);
    let mut clients = vec![asking(&router, "/")];
    endpoint.request_head(0);
    clients.extend((0..2).map(|_| asking(&router, "/")));
    until_queued(&router, 2);
    let refused = asking(&router, "/").answer("GET");
    assert_eq!((refused.status, refused.code()), (503, Some("endpoints-saturated")));
    assert_eq!(refused.field("retry-after"), "1");
    assert!(refused.field("proxy-status").contains("error=connection_limit_reached"));
    eventually("the error to be counted", || {
        let sample = r#"pointsman_errors_total{code="endpoints-saturated"} 1"#;
        ask(&router, "/metrics").lines().any(|line| line == sample).then_some(())
    });
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200);
    }
}

#[test]
fn where_nobody_may_wait_the_limit_alone_counts() {
    let (endpoint, gate) = held("done");
    let config = Config::new().route_with(
        "a.test",
        &[endpoint.address()],
        "max_requests = 1\nqueue_requests = 0",
    );
    let router = Router::start(&config);
    let mut first = asking(&router, "/");
    endpoint.request_head(0);
    assert_eq!(asking(&router, "/").answer("GET").code(), Some("endpoints-saturated"));
    gate.open();
    assert_eq!(first.answer("GET").text(), "done");
    assert_eq!(asking(&router, "/").answer("GET").text(), "done");
}

#[test]
fn a_place_that_a_failed_attempt_had_is_free_again() {
    let endpoint = ScriptedEndpoint::start(|visit| match visit.connection {
        0..6 => vec![Step::ReadHead, Step::Reset],
        _ => script::answering(script::ok("done")),
    });
    let router = Router::start(&limited(1, &[&endpoint]).set("retry.attempts", 1));
    for _ in 0..6 {
        assert_eq!(asking(&router, "/").answer("GET").code(), Some("upstream-reset"));
    }
    assert_eq!(asking(&router, "/").answer("GET").text(), "done");
}

#[test]
fn a_place_whose_answer_broke_off_is_free_again() {
    let endpoint = ScriptedEndpoint::start(|visit| {
        let half = match visit.connection {
            0 => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            1 => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nx\r\n",
            _ => return script::answering(script::ok("done")),
        };
        vec![Step::ReadHead, Step::Send(half.into()), Step::Close]
    });
    let router = Router::start(&limited(1, &[&endpoint]));
    for _ in 0..2 {
        assert!(asking(&router, "/").try_answer("GET").is_err());
    }
    assert_eq!(asking(&router, "/").answer("GET").text(), "done");
}
