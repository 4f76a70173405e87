//! What a drain does to handshakes, and to what is half received.

use super::{GET, Over, Site, until_draining};
use crate::harness::tls_peer::{TlsClient, TlsEnd, client_config};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, ScriptedEndpoint};

/// A site whose clocks leave a slow machine its time.
fn patient(endpoint: &ScriptedEndpoint) -> Site {
    let config = Config::new()
        .set("timeouts.tls_handshake", "2m")
        .set("timeouts.drain", "5m")
        .route("a.test", &[endpoint.address()]);
    Site::start(Over::Tls, config)
}

/// Tells the router to stop, and waits until it has closed what is silent: all
/// that it will close for being idle is closed then.
fn stop(site: &Site) {
    let mut silent = Connection::open(site.router.address());
    let mut idle = site.open();
    site.router.terminate();
    until_draining(&site.router);
    assert_eq!(silent.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(idle.ending(), (Vec::new(), Fault::Closed));
}

fn answered_and_let_go(client: &mut TlsClient) {
    let (answer, end) = client.ending();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(end, TlsEnd::Said);
}

#[test]
fn a_handshake_under_way_is_finished_and_its_request_answered() {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut site = patient(&endpoint);
    let config = client_config(&site.authority);
    let begin = || {
        let address = site.router.address();
        let mut client = TlsClient::connect(address, &config, "a.test").expect("it listens");
        client.send_half(b"").expect("the router reads");
        client
    };
    let (mut client, mut slow) = (begin(), begin());
    stop(&site);
    assert!(site.router.runs());
    client.shake_hands().expect("what has begun is finished");
    client.send(GET).expect("the router reads");
    answered_and_let_go(&mut client);
    // One that brings no request has had its time.
    slow.shake_hands().expect("what has begun is finished");
    assert_eq!(slow.ending(), (String::new(), TlsEnd::Said));
    assert_eq!(site.router.exit().code(), Some(0));
}

#[test]
fn half_a_record_is_a_request_on_its_way() {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut site = patient(&endpoint);
    let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    client.send(GET).expect("the router reads");
    let (_, end) = client.read_until(|came| came.ends_with(b"\r\n\r\n"));
    assert_eq!(end, None);
    client.send_half(GET.as_bytes()).expect("the router reads");
    stop(&site);
    client.send_held_back().expect("the router reads");
    answered_and_let_go(&mut client);
    assert_eq!(site.router.exit().code(), Some(0));
}

#[test]
fn a_handshake_that_stands_still_ends_at_the_deadline() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new()
        .set("timeouts.tls_handshake", "10m")
        .set("timeouts.drain", "300ms")
        .route("a.test", &[endpoint.address()]);
    let mut site = Site::start(Over::Tls, config);
    let config = client_config(&site.authority);
    let client = TlsClient::connect(site.router.address(), &config, "a.test");
    let mut client = client.expect("it listens");
    client.send_half(b"").expect("the router reads");
    site.router.terminate();
    assert_eq!(site.router.exit().code(), Some(0));
    assert!(client.shake_hands().is_err());
}

#[test]
fn half_a_record_has_the_clock_of_a_head() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("timeouts.request_head", "200ms").route("a.test", &[endpoint.address()]);
    let site = Site::start(Over::Tls, config);
    let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    client.send_half(GET.as_bytes()).expect("the router reads");
    let (answer, end) = client.ending();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(end, TlsEnd::Said);
    eventually("nobody else to have been asked", || (endpoint.count() == 0).then_some(()));
}
