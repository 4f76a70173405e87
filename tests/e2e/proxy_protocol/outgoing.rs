//! Headers to endpoints that ask for them.

use std::io::Read;
use std::net::TcpListener;

use crate::harness::tls::{Authority, listener_tls};
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get, script};

use super::{FROM_HERE, GET, SIGNATURE, addresses, ask_after, header, v2, v2_local};

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

#[test]
fn the_header_goes_before_tls_to_an_endpoint_too() {
    let authority = Authority::new();
    let app = ScriptedEndpoint::echo("app");
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let inner = Config::new()
        .listener_with(&format!("{FROM_HERE}\n{tls}"))
        .route("a.test", &[app.address()]);
    let inner = Router::start(&inner);
    let outer = Config::new().listener_with(FROM_HERE).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", send_proxy = \"v2\", \
         tls = {{ server_name = \"a.test\", ca = {:?} }} }}]\n",
        inner.address(),
        authority.ca()
    ));
    let outer = Router::start(&outer);
    assert_eq!(ask_after(outer.address(), &v2()).status, 200);
    let received = app.request(0);
    assert_eq!(received.fields.one("x-forwarded-for"), Some("192.0.2.7"));
    assert_eq!(received.fields.one("x-forwarded-proto"), Some("https"));
}

#[test]
fn both_ends_of_the_clients_connection_are_passed_on_as_the_balancer_said_them() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let config = Config::new().listener_with(FROM_HERE).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{address}\", \
         send_proxy = \"v2\" }}]\n"
    ));
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send([&v2(), GET.as_bytes()].concat());
    let (mut endpoint, _) = listener.accept().expect("the request");
    let mut first = [0; 28];
    endpoint.read_exact(&mut first).expect("a header");
    assert_eq!(first[..], header(0x21, 0x11, &[&addresses(7)]));
}

#[test]
fn each_client_is_named_on_its_own_requests_and_on_nobody_elses() {
    let app = ScriptedEndpoint::echo("app");
    let inner = Config::new().listener_with(FROM_HERE).route("a.test", &[app.address()]);
    let inner = Router::start(&inner);
    let outer = Config::new().listener_with(FROM_HERE).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", send_proxy = \"v2\" }}]\n",
        inner.address()
    ));
    let outer = Router::start(&outer);
    let mut clients = [1, 2, 3].map(|last| {
        let mut client = Connection::open(outer.address());
        client.send(header(0x21, 0x11, &[&addresses(last)]));
        (last, client)
    });
    // In turns, on connections that stay: one of another's would name the other.
    let mut asked = 0;
    for _ in 0..5 {
        for (last, client) in &mut clients {
            client.send(GET);
            assert_eq!(client.answer("GET").status, 200);
            let named = app.request(asked).fields.one("x-forwarded-for").map(str::to_owned);
            assert!(named.is_some_and(|named| named.starts_with(&format!("192.0.2.{last}"))));
            asked += 1;
        }
    }
}

#[test]
fn a_connection_made_without_a_header_serves_no_client_that_has_to_be_named() {
    // The second connection begins with the header of a TCP4 client.
    let endpoint = ScriptedEndpoint::start(|visit| match (visit.connection, visit.request) {
        (1, 0) => [vec![Step::ReadBytes(28)], script::echo()].concat(),
        _ => script::echo(),
    });
    let address = endpoint.address();
    let config = Config::new().route("plain.test", &[address]).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{address}\", \
         send_proxy = \"v2\" }}]\n"
    ));
    let router = Router::start(&config);
    for (number, (host, connection)) in
        [("plain.test", 0), ("a.test", 1), ("plain.test", 0)].into_iter().enumerate()
    {
        assert_eq!(get(router.address(), host, "/").status, 200, "{host}");
        assert_eq!(endpoint.request(number).connection, connection, "{host}");
    }
}

#[test]
fn a_probe_is_on_nobodys_behalf() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let config = Config::new().and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{address}\", \
         send_proxy = \"v2\" }}]\nhealth_check = {{ path = \"/up\", interval = \"30ms\" }}\n"
    ));
    let _router = Router::start(&config);
    let (mut probe, _) = listener.accept().expect("a probe");
    let mut first = [0; 16];
    probe.read_exact(&mut first).expect("a header");
    assert_eq!(first[..12], *SIGNATURE);
    assert_eq!(first[12..], [0x20, 0, 0, 0], "LOCAL, and no addresses");
    let mut line = [0; 8];
    probe.read_exact(&mut line).expect("a request");
    assert_eq!(&line, b"GET /up ");
}
