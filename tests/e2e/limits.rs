//! Every number of `[limits]`, each by what happens beyond it. Heads at their
//! limits, to the byte, are in `framing`.

use std::time::Duration;

use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{
    Answer, Config, Connection, Gate, Held, Router, Script, ScriptedEndpoint, Step, get, script,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Answers once the gate is open.
fn held(gate: &Gate) -> ScriptedEndpoint {
    let gate = gate.clone();
    ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(gate.clone()), Step::Send(script::ok("held").into())]
    })
}

#[track_caller]
fn ask(client: &mut Connection) -> Answer {
    client.send(GET);
    client.answer("GET")
}

#[test]
fn the_longest_idle_connection_makes_room_for_a_new_one() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new().set("limits.connections", 3).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut clients = [(); 3].map(|()| Connection::open(router.address()));
    // The first to come is the last to have been used.
    for index in [1, 2, 0] {
        assert_eq!(ask(&mut clients[index]).status, 200);
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut new = Connection::open(router.address());
    assert_eq!(ask(&mut new).status, 200);
    assert_eq!(clients[1].ending(), (Vec::new(), Fault::Closed));
    assert_eq!((ask(&mut clients[2]).status, ask(&mut clients[0]).status), (200, 200));
}

#[test]
fn a_connection_beyond_the_limit_is_refused_if_none_is_idle() {
    let gate = Gate::default();
    let endpoint = held(&gate);
    let config = Config::new().set("limits.connections", 2).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut clients = [(); 2].map(|()| Connection::open(router.address()));
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(GET);
        endpoint.request_head(index);
    }
    let mut third = Connection::open(router.address());
    let answer = third.answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("overloaded")));
    assert_eq!(answer.field("connection"), "close");
    answer.field("retry-after");
    assert_eq!(third.ending(), (Vec::new(), Fault::Closed));
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "held");
    }
    drop(third);
    let mut next = Connection::open(router.address());
    assert_eq!(ask(&mut next).status, 200, "an idle one has made room");
}

#[test]
fn a_crowd_of_refused_connections_is_bounded_too() {
    let gate = Gate::default();
    let endpoint = held(&gate);
    let config = Config::new()
        .set("limits.connections", 1)
        .set("timeouts.linger", "1h")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut first = Connection::open(router.address());
    first.send(GET);
    endpoint.request_head(0);
    // Each refused one lingers; at some number the next is told and let go, or
    // closed if a handshake would have to come first.
    let mut crowd = Vec::new();
    eventually("a connection that does not stay", || {
        let mut client = Connection::open(router.address());
        match client.try_answer("GET") {
            Ok(answer) => {
                assert_eq!((answer.status, answer.code()), (503, Some("overloaded")));
            }
            Err(_) if crate::OVER_TLS => {}
            Err(broken) => panic!("{broken:?}"),
        }
        crowd.push(client);
        (Held::by(&router).clients as usize <= crowd.len()).then_some(())
    });
    // How many depends on the descriptors there are.
    assert!(crowd.len() > 2, "{} stayed", crowd.len());
    gate.open();
    assert_eq!(first.answer("GET").text(), "held");
}

#[test]
fn request_heads_are_bounded_as_configured() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new()
        .set("limits.request_head_bytes", "1KiB")
        .set("limits.request_headers", 4)
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let long = "a".repeat(1024);
    let cases = [
        (format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: a.test\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "X: 1\r\n".repeat(4)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "X: 1\r\n".repeat(3)), 200),
    ];
    for (request, status) in cases {
        let mut client = Connection::open(router.address());
        client.send(&request);
        let answer = client.answer("GET");
        let code = [(431, "request-head-too-large"), (414, "uri-too-long")];
        let code = code.iter().find(|(of, _)| *of == status).map(|(_, code)| *code);
        assert_eq!((answer.status, answer.code()), (status, code), "{request}");
    }
}

#[test]
fn response_heads_are_bounded_as_configured() {
    let endpoint = ScriptedEndpoint::start(|visit| {
        let bytes = if visit.connection == 0 { 900 } else { 1100 };
        let long = "a".repeat(bytes);
        script::answering(format!("HTTP/1.1 200 OK\r\nx: {long}\r\ncontent-length: 0\r\n\r\n"))
    });
    let config = Config::new()
        .set("limits.response_head_bytes", "1KiB")
        .set("timeouts.upstream_keep_alive", "1ms")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    endpoint.ending(0);
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-head-too-large")));
}

#[test]
fn response_heads_have_no_more_than_a_thousand_lines() {
    let of = |lines: usize| {
        // With its length.
        let more = "a: b\r\n".repeat(lines - 1);
        let endpoint = ScriptedEndpoint::start(move |_| {
            script::answering(format!("HTTP/1.1 200 OK\r\n{more}content-length: 0\r\n\r\n"))
        });
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        let answer = get(router.address(), "a.test", "/");
        (answer.status, answer.code().map(str::to_owned))
    };
    assert_eq!(of(1_000), (200, None));
    assert_eq!(of(1_001), (502, Some("upstream-head-too-large".into())));
}

fn with_bounded_bodies(endpoint: &ScriptedEndpoint) -> Router {
    let config = Config::new()
        .set("limits.request_body_bytes", 1000)
        .set("access_log.path", "-")
        .route("a.test", &[endpoint.address()]);
    Router::start(&config)
}

#[test]
fn content_announced_as_too_large_is_refused_at_once() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = with_bounded_bodies(&endpoint);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\n\r\n");
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (413, Some("request-body-too-large")));
    assert_eq!(endpoint.connections(), 0, "no endpoint was bothered");
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n");
    client.send("x".repeat(1000));
    assert_eq!(client.answer("POST").status, 200);
}

#[test]
fn content_that_turns_out_too_large_is_refused_there() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = with_bounded_bodies(&endpoint);
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let mut client = Connection::open(router.address());
    client.send(format!("{head}{chunk}{chunk}0\r\n\r\n"));
    assert_eq!(client.answer("POST").status, 200, "a thousand bytes to the byte");
    client.send(format!("{head}{chunk}{chunk}"));
    client.send("1\r\nx\r\n");
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (413, Some("request-body-too-large")));
    assert!(endpoint.requests().iter().skip(1).all(|request| !request.complete));
}

#[test]
fn content_too_large_after_the_answer_began_cuts_the_answer() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwell\r\n";
        vec![Step::ReadHead, Step::Send(begun.into()), Step::UntilPeerLeaves]
    });
    let router = with_bounded_bodies(&endpoint);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.answer_head().expect("the answer begins");
    client.send(format!("7d0\r\n{}\r\n", "x".repeat(2000)));
    assert_eq!(client.ending().1, Fault::Reset);
    let line = eventually("a line of access log", || router.stdout().get(2).cloned());
    assert!(line.contains("\"request-body-too-large\""), "{line}");
}

#[test]
fn requests_beyond_those_in_flight_are_refused_at_once() {
    let gate = Gate::default();
    let endpoint = held(&gate);
    let config =
        Config::new().set("limits.requests_in_flight", 2).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut clients = [(); 2].map(|()| Connection::open(router.address()));
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(GET);
        endpoint.request_head(index);
    }
    let mut third = Connection::open(router.address());
    for method in ["GET", "POST", "DELETE"] {
        third.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"));
        let answer = third.answer(method);
        assert_eq!((answer.status, answer.code()), (503, Some("overloaded")), "{method}");
        answer.field("retry-after");
    }
    assert_eq!(endpoint.count(), 2, "none was queued");
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "held");
    }
    assert_eq!(ask(&mut third).text(), "held", "the connection was good for another try");
}

#[test]
fn a_request_is_in_flight_until_its_answer_has_been_taken() {
    let gate = Gate::default();
    let opened = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwe";
        vec![
            Step::ReadHead,
            Step::Send(begun.into()),
            Step::WaitFor(opened.clone()),
            Step::Send(b"ll".to_vec()),
        ]
    });
    let config =
        Config::new().set("limits.requests_in_flight", 1).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut first = Connection::open(router.address());
    first.send(GET);
    first.answer_head().expect("the answer begins");
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("overloaded"));
    gate.open();
    assert_eq!(first.bytes(4), b"well");
    eventually("the next to be served", || {
        (get(router.address(), "a.test", "/").status == 200).then_some(())
    });
}

#[test]
fn what_is_kept_for_a_replay_is_bounded_as_configured() {
    let resetting = || ScriptedEndpoint::start(|_| script::answering_then("", Step::Reset));
    let sent = |limit: &str, content: usize| {
        let endpoints = [resetting(), resetting()];
        let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
        let config =
            Config::new().set("limits.replay_body_bytes", limit).route("a.test", &addresses);
        let router = Router::start(&config);
        let mut client = Connection::open(router.address());
        let head = format!("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {content}\r\n\r\n");
        client.send(head + &"x".repeat(content));
        assert_eq!(client.answer("PUT").status, 502);
        endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>()
    };
    assert_eq!(sent("1000B", 1000), 2, "all of it is kept");
    assert_eq!(sent("1000B", 1001), 1, "a byte too many");
}

#[test]
fn informational_answers_are_bounded_as_configured() {
    let hinting = |hints: usize| -> Script {
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(hints);
        script::answering(hints + &script::ok("done"))
    };
    let two = ScriptedEndpoint::start(move |_| hinting(2));
    let three = ScriptedEndpoint::start(move |_| hinting(3));
    let config = Config::new()
        .set("limits.informational", 2)
        .set("retry.attempts", 1)
        .route("two.test", &[two.address()])
        .route("three.test", &[three.address()]);
    let router = Router::start(&config);
    let answer = get(router.address(), "two.test", "/");
    assert_eq!((answer.interim.len(), answer.text().as_str()), (2, "done"));
    let answer = get(router.address(), "three.test", "/");
    assert_eq!(answer.code(), Some("upstream-protocol-error"));
    assert_eq!(answer.interim.len(), 2);
}
