//! Connections to endpoints: kept, used again, and only while they are sound
//! (promise 5 of the design; RFC 9112 section 9.3.1).

use std::time::Duration;

use crate::harness::record::Ended;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{
    Answer, Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script,
};

fn ask(client: &mut Connection, method: &str, body: &str) -> Answer {
    let length = body.len();
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client.answer(method)
}

/// Answers one request on every connection, and closes when the next comes.
fn serves_one_a_connection() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|visit| match visit.request {
        0 => script::echo(),
        _ => vec![Step::ReadHead, Step::ReadBody, Step::Close],
    })
}

#[test]
fn a_get_survives_a_reused_connection_that_dies() {
    let endpoint = serves_one_a_connection();
    let other = serves_one_a_connection();
    let addresses = [endpoint.address(), other.address()];
    let router = Router::start(&Config::new().route("a.test", &addresses));
    for number in 0..20 {
        let answer = get(router.address(), "a.test", "/");
        assert_eq!(answer.status, 200, "GET {number}: {}", answer.text());
    }
    let reused = endpoint.count() + other.count() - 20;
    assert!(reused > 0, "no connection was reused, so nothing was shown");
}

#[test]
fn half_a_head_on_a_reused_connection_is_no_sign_that_it_was_closed_before() {
    let endpoint = ScriptedEndpoint::start(|visit| match visit.request {
        0 => script::echo(),
        _ => vec![Step::ReadHead, Step::Send("HTTP/1.1 200 OK\r\nx-".into()), Step::Close],
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
    assert_eq!((endpoint.count(), endpoint.connections()), (2, 1), "its endpoint has failed it");
}

#[test]
fn a_post_on_a_reused_connection_that_dies_is_not_sent_again() {
    let endpoint = serves_one_a_connection();
    let config = Config::new().route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    assert_eq!(ask(&mut client, "POST", "first").status, 200);
    let answer = ask(&mut client, "POST", "second");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
    let contents: Vec<_> = endpoint.requests().into_iter().map(|r| r.content).collect();
    assert_eq!(contents, [b"first".to_vec(), b"second".to_vec()]);
}

#[test]
fn a_post_takes_a_new_connection_rather_than_one_idle_for_long() {
    let endpoint = serves_one_a_connection();
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    assert_eq!(ask(&mut client, "POST", "first").status, 200);
    // The time itself is the subject: a second is too long for a POST.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask(&mut client, "POST", "second").status, 200);
    assert_eq!(endpoint.connections(), 2);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used() {
    let endpoint =
        ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ReadBody, Step::Echo, Step::Close]);
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for number in 0..20 {
        assert_eq!(ask(&mut client, "POST", "x").status, 200, "POST {number}");
        endpoint.ending(number);
    }
    assert_eq!(endpoint.count(), 20);
}

#[test]
fn a_connection_that_spoke_while_idle_is_not_used() {
    let stray = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let (first_is_told, stray_is_sent) = (Gate::default(), Gate::default());
    let (told, sent) = (first_is_told.clone(), stray_is_sent.clone());
    let endpoint = ScriptedEndpoint::start(move |visit| match visit.connection {
        0 => vec![
            Step::ReadHead,
            Step::Echo,
            Step::WaitFor(told.clone()),
            Step::Send(stray.into()),
            Step::Open(sent.clone()),
            Step::UntilPeerLeaves,
        ],
        _ => script::echo(),
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    assert!(get(router.address(), "a.test", "/1").text().starts_with("GET /1 "));
    first_is_told.open();
    eventually("the stray answer to be sent", || stray_is_sent.is_open().then_some(()));
    let answer = get(router.address(), "a.test", "/2");
    assert!(answer.text().starts_with("GET /2 "), "{}", answer.text());
    assert_eq!(endpoint.connections(), 2);
}

#[test]
fn connections_to_an_endpoint_are_kept_and_used_again() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    for _ in 0..20 {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
    }
    assert_eq!(endpoint.connections(), 1);
}

#[test]
fn a_connection_is_not_used_again_after_content_was_promised_to_a_204() {
    // Its sender may mean the content, and send it once the next request is
    // there: it would be taken for the answer to that.
    for promise in ["content-length: 47", "transfer-encoding: chunked"] {
        let answer = format!("HTTP/1.1 204 No Content\r\n{promise}\r\n\r\n");
        let endpoint = ScriptedEndpoint::start(move |_| script::answering(&answer));
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        for _ in 0..2 {
            assert_eq!(get(router.address(), "a.test", "/").status, 204);
        }
        assert_eq!(endpoint.connections(), 2, "{promise}");
    }
}

#[test]
fn connections_to_an_endpoint_that_no_route_has_any_more_are_closed() {
    let (gone, stays) = (ScriptedEndpoint::echo("gone"), ScriptedEndpoint::echo("stays"));
    let kept = || Config::new().set("timeouts.upstream_keep_alive", "1h");
    let other = |config: Config| config.route("b.test", &[stays.address()]);
    let router = Router::start(&other(kept().route("a.test", &[gone.address()])));
    for host in ["a.test", "b.test"] {
        assert_eq!(get(router.address(), host, "/").status, 200);
    }
    router.reload(&other(kept()));
    assert_eq!(gone.ending(0).1, Ended::ByPeer(Fault::Closed));
    assert_eq!(get(router.address(), "b.test", "/").status, 200);
    assert_eq!(stays.connections(), 1);
}
