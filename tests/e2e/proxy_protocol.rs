//! The PROXY protocol: believed from those who are listed, refused when it is
//! not one, and sent to endpoints that ask for it.

use std::net::SocketAddr;

use crate::harness::held::{ask, sum};
use crate::harness::tls::{Authority, Bridge, listener_tls};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Answer, Config, Connection, Router, ScriptedEndpoint, Step, script};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const FROM_HERE: &str = "proxy_protocol = { from = [\"127.0.0.0/8\"] }";
const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version 2 header that names 192.0.2.7:4711, with a TLV.
fn v2() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];
    let tlv = [0x04, 0, 2, 9, 9];
    [SIGNATURE, &[0x21, 0x11, 0, 17], &addresses, &tlv].concat()
}

fn v2_local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

fn site(listener: &str, config: Config) -> (ScriptedEndpoint, Router) {
    let endpoint = ScriptedEndpoint::echo("app");
    let config = config.listener_with(listener).route("a.test", &[endpoint.address()]);
    (endpoint, Router::start(&config))
}

fn ask_after(address: SocketAddr, header: &[u8]) -> Answer {
    let mut client = Connection::open(address);
    client.send([header, GET.as_bytes()].concat());
    client.answer("GET")
}

fn invalid(router: &Router) -> u64 {
    sum(&ask(router, "/metrics"), "pointsman_errors_total{code=\"proxy-protocol-invalid\"")
}

#[test]
fn the_client_that_a_balancer_names_is_the_client() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let log = directory.path().join("log");
    let path = log.to_str().expect("temporary paths are text");
    let (endpoint, router) = site(FROM_HERE, Config::new().set("access_log.path", path));
    for (number, header) in [V1.as_bytes().to_vec(), v2()].into_iter().enumerate() {
        assert_eq!(ask_after(router.address(), &header).status, 200);
        let received = endpoint.request(number);
        assert_eq!(received.fields.one("x-forwarded-for"), Some("192.0.2.7"));
    }
    eventually("both lines", || {
        let text = std::fs::read_to_string(&log).ok()?;
        (text.matches("\"client\":\"192.0.2.7").count() == 2).then_some(())
    });
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let (endpoint, router) = site(FROM_HERE, Config::new());
    for (number, header) in [V1.as_bytes().to_vec(), v2()].into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        client.send_in_pieces([&header[..], GET.as_bytes()].concat(), 1);
        assert_eq!(client.answer("GET").status, 200);
        let received = endpoint.request(number);
        assert_eq!(received.fields.one("x-forwarded-for"), Some("192.0.2.7"));
    }
}

#[test]
fn whom_the_balancer_does_not_name_is_the_balancer() {
    let (endpoint, router) = site(FROM_HERE, Config::new());
    for (number, header) in [b"PROXY UNKNOWN\r\n".to_vec(), v2_local()].into_iter().enumerate() {
        assert_eq!(ask_after(router.address(), &header).status, 200);
        let received = endpoint.request(number);
        assert_eq!(received.fields.one("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[test]
fn what_is_no_header_closes_the_connection_and_is_counted() {
    let (endpoint, router) = site(FROM_HERE, Config::new());
    let wrong = [
        GET.as_bytes().to_vec(),
        b"PROXY TCP4 192.0.2.7 4711 443\r\n".to_vec(),
        format!("PROXY UNKNOWN {}", "x".repeat(200)).into_bytes(),
        [SIGNATURE, &[0x31, 0x11, 0, 12], &[0; 12]].concat(),
        [SIGNATURE, &[0x21, 0x11, 0, 4], &[0; 4]].concat(),
        [SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 4]].concat(),
    ];
    for bytes in &wrong {
        let mut client = Connection::open(router.address());
        client.send(bytes);
        let (answer, end) = client.ending();
        assert!(answer.is_empty() && end != Fault::Stalled, "{answer:?}, {end:?}");
    }
    eventually("all to be counted", || (invalid(&router) == wrong.len() as u64).then_some(()));
    assert_eq!(endpoint.count(), 0);
    eventually("it to be logged", || {
        router.stderr().contains("proxy-protocol-invalid").then_some(())
    });
}

#[test]
fn a_header_that_stands_still_ends_by_its_clock() {
    let config = Config::new().set("timeouts.proxy_protocol", "100ms");
    let (_endpoint, router) = site(FROM_HERE, config);
    for bytes in ["", "PROXY TCP4 192.0"] {
        let mut client = Connection::open(router.address());
        client.send(bytes);
        assert_ne!(client.ending().1, Fault::Stalled);
    }
    eventually("both to be counted", || (invalid(&router) == 2).then_some(()));
}

#[test]
fn from_anyone_else_a_header_is_no_request() {
    let (endpoint, router) = site("proxy_protocol = { from = [\"10.0.0.0/8\"] }", Config::new());
    assert_eq!(ask_after(router.address(), b"").status, 200);
    assert_eq!(ask_after(router.address(), V1.as_bytes()).status, 400);
    assert_eq!(endpoint.count(), 1);
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new();
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let (endpoint, router) = site(&format!("{FROM_HERE}\n{tls}"), Config::new());
    let bridge = Bridge::to_after(router.address(), &authority, "a.test", v2());
    assert_eq!(ask_after(bridge.address(), b"").status, 200);
    let received = endpoint.request(0);
    assert_eq!(received.fields.one("x-forwarded-for"), Some("192.0.2.7"));
    assert_eq!(received.fields.one("x-forwarded-proto"), Some("https"));
}

#[test]
fn an_endpoint_that_asks_for_it_is_told_the_client_and_one_alone_on_a_connection() {
    // Reads the header of a TCP4 client, then a request, and says both.
    let endpoint = ScriptedEndpoint::start(|visit| match visit.request {
        0 => [vec![Step::ReadBytes(28)], script::echo()].concat(),
        _ => script::echo(),
    });
    let (in_front, address) = (ScriptedEndpoint::echo("plain"), endpoint.address());
    let config = Config::new()
        .route("plain.test", &[in_front.address()])
        .and(&format!(
            "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{address}\", \
             send_proxy = \"v2\" }}]\n"
        ))
        .listener_with(FROM_HERE);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(v2());
    for number in 0..3 {
        client.send(GET);
        assert_eq!(client.answer("GET").status, 200);
        let received = endpoint.request(number);
        assert_eq!(received.connection, number, "a connection for each request");
    }
}

#[test]
fn one_router_can_stand_behind_another() {
    let app = ScriptedEndpoint::echo("app");
    let inner = Config::new().listener_with(FROM_HERE).route("a.test", &[app.address()]);
    let inner = Router::start(&inner);
    let outer = Config::new().listener_with(FROM_HERE).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", send_proxy = \"v2\" }}]\n",
        inner.address()
    ));
    let outer = Router::start(&outer);
    for (number, header) in [v2(), v2_local()].into_iter().enumerate() {
        assert_eq!(ask_after(outer.address(), &header).status, 200);
        let received = app.request(number);
        let client = received.fields.one("x-forwarded-for").map(str::to_owned);
        let expected = if number == 0 { "192.0.2.7" } else { "127.0.0.1" };
        assert_eq!(client.as_deref(), Some(expected));
    }
}
