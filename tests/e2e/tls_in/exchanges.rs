//! The rules of plain exchanges, under TLS.

use std::time::{Duration, Instant};

use super::Site;
use crate::harness::held::{ask, sum};
use crate::harness::record::Ended;
use crate::harness::tls::{Authority, Bridge, listener_tls};
use crate::harness::tls_peer::TlsClient;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step};

/// A connection that a client has left lasts at most this long in a test: the
/// clocks that would end it otherwise are longer.
const MOST: Duration = Duration::from_secs(15);

#[test]
fn a_client_that_leaves_under_tls_has_left() {
    let gate = Gate::default();
    let held = gate.clone();
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::UntilPeerLeaves]
    });
    let config = Config::new()
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    // Closing, resetting, half-closing; then with more behind it than is read.
    let leaves: [fn(Connection) -> Option<Connection>; 3] = [
        |client| {
            drop(client);
            None
        },
        |client| {
            client.reset();
            None
        },
        |client| {
            client.finish_sending();
            Some(client)
        },
    ];
    gate.open();
    let mut number = 0;
    // More than the 64 KiB that are read ahead, less than a socket holds.
    for pipelined in [0, (100 << 10) / request.len()] {
        for leave in leaves {
            let mut client = Connection::open(bridge.address());
            client.send(request);
            endpoint.request_head(number);
            client.send(request.repeat(pipelined));
            let left_at = Instant::now();
            let left = leave(client);
            let (when, end) = endpoint.ending(number);
            assert!(when.duration_since(left_at) < MOST, "{:?}", when - left_at);
            assert!(matches!(end, Ended::ByPeer(_)), "{end:?}");
            drop(left);
            number += 1;
        }
    }
}

#[test]
fn a_cut_answer_does_not_end_as_a_whole_one() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::start(|_| {
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun";
        vec![Step::ReadHead, Step::Send(begun.into()), Step::Reset]
    });
    let config = Config::new()
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let broken = client.try_answer("GET").expect_err("it is cut");
    assert_eq!(broken.fault, Fault::Reset);
}

#[test]
fn large_contents_pass_both_ways_whole() {
    let site = Site::new();
    let bridge = site.bridge("a.test");
    let mut client = Connection::open(bridge.address());
    let bytes = 3 << 20;
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {bytes}\r\n\r\n"));
    client.send_pattern(bytes, false);
    let answer = client.answer("POST");
    let received = site.endpoint.request(0);
    assert!(received.is_pattern && received.content_bytes == bytes);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_client_that_takes_nothing_under_tls_is_cut_by_its_clock() {
    let authority = Authority::new();
    let bytes = 500 << 20;
    let endpoint = ScriptedEndpoint::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
        let content = Step::SendPattern { bytes, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    });
    let config = Config::new()
        .set("timeouts.response_write_idle", "300ms")
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    eventually("the stalled client to be cut", || {
        let stalled = "pointsman_errors_total{code=\"client-stalled\"";
        (sum(&ask(&router, "/metrics"), stalled) == 1).then_some(())
    });
}

#[test]
fn a_client_that_says_close_notify_gets_its_whole_answer_where_that_is_allowed() {
    let authority = Authority::new();
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell";
        let rest = Step::Send(b"o all".to_vec());
        vec![Step::ReadHead, Step::Send(begun.into()), Step::WaitFor(held.clone()), rest]
    });
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let config = Config::new()
        .listener_with(&format!("{tls}\nclient_half_close = \"allow\""))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.finish_sending();
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"hell");
    gate.open();
    assert_eq!(client.bytes(5), b"o all");
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn an_upgrade_is_tunnelled_under_tls_on_both_sides() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(move |_| {
        let answer = Step::Send(b"pong".to_vec());
        vec![Step::ReadHead, Step::Send(switched.into()), Step::ReadBytes(4), answer, Step::Close]
    });
    let app = Bridge::before(endpoint.address(), &pair, None);
    let config = Config::new().listener_with(&listener_tls(&pair)).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", tls = {{ server_name = \
         \"a.test\", ca = {:?} }} }}]",
        app.address(),
        authority.ca()
    ));
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping");
    let (came, end) = client.ending();
    let came = String::from_utf8_lossy(&came).into_owned();
    assert!(came.starts_with("HTTP/1.1 101 ") && came.ends_with("\r\n\r\npong"), "{came}");
    assert_eq!(end, Fault::Closed);
}

#[test]
fn a_client_may_change_its_keys_within_a_connection() {
    let site = Site::new();
    let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    for _ in 0..3 {
        client.change_keys().expect("the router reads");
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("the router reads");
        let (came, end) = client.read_until(|came| came.ends_with(b"\r\n\r\n"));
        let came = String::from_utf8_lossy(&came).into_owned();
        assert!(came.starts_with("HTTP/1.1 200 ") && end.is_none(), "{came} {end:?}");
    }
}
