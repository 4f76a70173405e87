//! Versions, what is no TLS, and the bounds of a handshake.

use rustls::NamedGroup;

use super::{Site, text};
use crate::harness::held::{ask, sum};
use crate::harness::tls::{Authority, listener_tls};
use crate::harness::tls_peer::TlsClient;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, get, try_get};

#[test]
fn a_request_over_tls_is_served_and_the_app_hears_https() {
    let site = Site::new();
    assert!(site.router.stdout()[0].starts_with("listening https://"));
    let bridge = site.bridge("a.test");
    let mut client = Connection::open(bridge.address());
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
    }
    assert_eq!(bridge.handshakes(), 1);
    assert_eq!(site.endpoint.request(0).fields.one("x-forwarded-proto"), Some("https"));
}

#[test]
fn openssl_gets_through_with_either_version() {
    let site = Site::new();
    for (arguments, expected) in [
        (["-tls1_3", "-groups", "X25519"], "TLSv1.3"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "TLSv1.2"),
    ] {
        let said = text(&site.s_client(&[&["-servername", "a.test"], &arguments[..]].concat()));
        assert!(said.contains(expected) && said.contains("HTTP/1.1 200 OK"), "{said}");
    }
    let bridge = site.bridge("a.test");
    assert_eq!(get(bridge.address(), "a.test", "/").status, 200);
}

#[test]
fn a_client_that_can_has_post_quantum_keys() {
    let site = Site::new();
    let client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    assert_eq!(client.key_exchange(), Some(NamedGroup::X25519MLKEM768));
}

#[test]
fn an_old_version_is_refused_where_the_listener_wants_the_new_one() {
    let only_13 = |authority: &Authority| {
        let pair = authority.issue(&["a.test"]);
        format!("tls = {{ certificates = [{}], min_version = \"1.3\" }}", pair.toml())
    };
    let site = Site::with(only_13, Config::new());
    let refused = site.s_client(&["-servername", "a.test", "-tls1_2"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    eventually("the refusal to be counted", || {
        (site.count("tls-handshake-failed") == 1).then_some(())
    });
    assert!(text(&site.s_client(&["-servername", "a.test"])).contains("200 OK"));
}

#[test]
fn a_client_that_speaks_plain_http_is_told_so() {
    let site = Site::new();
    let answer = get(site.router.address(), "a.test", "/");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https://"), "{}", answer.text());
    eventually("it to be counted", || (site.count("tls-handshake-failed") == 1).then_some(()));
    eventually("it to be logged", || {
        site.router.stderr().contains("HTTP without TLS").then_some(())
    });
}

#[test]
fn what_is_no_tls_and_no_http_is_closed_and_counted() {
    let site = Site::new();
    for bytes in [&b"\x16\x03\x01\x00\x05hello"[..], b"\x00\x01\x02\x03", b"\x80\x2e\x01\x00\x02"] {
        let mut client = Connection::open(site.router.address());
        client.send(bytes);
        let (_, end) = client.ending();
        assert_ne!(end, Fault::Stalled);
    }
    eventually("all to be counted", || (site.count("tls-handshake-failed") == 3).then_some(()));
    // One that only looks whether the port is open is no failure.
    drop(Connection::open(site.router.address()));
    assert_eq!(get(site.bridge("a.test").address(), "a.test", "/").status, 200);
    assert_eq!(site.count("tls-handshake-failed"), 3);
}

#[test]
fn a_handshake_that_stands_still_ends_by_its_clock() {
    let config = Config::new().set("timeouts.tls_handshake", "100ms");
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = Connection::open(site.router.address());
        client.send(bytes);
        let (_, end) = client.ending();
        assert_ne!(end, Fault::Stalled);
    }
    eventually("both to be counted", || (site.count("tls-handshake-timeout") == 2).then_some(()));
}

#[test]
fn beyond_the_handshakes_that_may_be_under_way_connections_close() {
    let config = Config::new().set("limits.tls_handshakes", 2);
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    let half = |_| {
        let mut client = Connection::open(site.router.address());
        client.send(b"\x16\x03\x01");
        client
    };
    let held: Vec<_> = (0..2).map(half).collect();
    eventually("a third to be turned away", || {
        drop(Connection::try_open(site.router.address()).map(|mut c| c.try_send(b"\x16\x03\x01")));
        site.router.stderr().contains("limits.tls_handshakes allows").then_some(())
    });
    assert!(site.count("tls-handshake-failed") > 0);
    drop(held);
    let bridge = site.bridge("a.test");
    eventually("room again", || try_get(bridge.address(), "a.test", "/"));
}

#[test]
fn workers_share_the_handshakes_that_may_be_under_way() {
    let config = Config::new()
        .set("workers.threads", 2)
        .set("limits.tls_handshakes", 2)
        .set("timeouts.tls_handshake", "1h");
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    // The system deals them out among the workers.
    let half = |_| {
        let mut client = Connection::open(site.router.address());
        client.send(b"\x16\x03\x01");
        client
    };
    let clients: Vec<_> = (0..24).map(half).collect();
    let open = || clients.iter().filter(|client| !client.ended()).count();
    eventually("all but two to be turned away", || (open() <= 2).then_some(()));
    assert!(site.count("tls-handshake-failed") >= 22);
}

#[test]
fn a_connection_makes_room_before_its_handshake_too() {
    let config = Config::new()
        .set("workers.threads", 1)
        .set("limits.connections", 1)
        .set("timeouts.tls_handshake", "1h");
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    let mut silent = Connection::open(site.router.address());
    assert_eq!(get(site.bridge("a.test").address(), "a.test", "/").status, 200);
    assert_eq!(silent.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn connections_that_say_nothing_take_no_room_from_those_that_do() {
    let config = Config::new()
        .set("workers.threads", 1)
        .set("limits.tls_handshakes", 2)
        .set("timeouts.tls_handshake", "1h");
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    let silent: Vec<_> = (0..6).map(|_| Connection::open(site.router.address())).collect();
    let accepted = || sum(&ask(&site.router, "/metrics"), "pointsman_connections{side=\"client\"");
    eventually("all to be accepted", || (accepted() >= 6).then_some(()));
    assert_eq!(get(site.bridge("a.test").address(), "a.test", "/").status, 200);
    assert_eq!(site.count("tls-handshake-failed"), 0);
    drop(silent);
}

#[test]
fn the_access_log_says_how_a_request_was_encrypted() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("log");
    let path = file.to_str().expect("temporary paths are text");
    let config = Config::new().set("access_log.path", path);
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    get(site.bridge("a.test").address(), "a.test", "/");
    eventually("the line", || {
        let text = std::fs::read_to_string(&file).ok()?;
        text.contains("\"tls\":\"TLSv1.3 TLS13_AES_").then_some(())
    });
}
