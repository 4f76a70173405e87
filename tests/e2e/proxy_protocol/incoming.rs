//! Headers from balancers in front of the router.

use crate::harness::held::{ask, sum};
use crate::harness::tls::{Authority, Bridge, listener_tls};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step};

use super::{FROM_HERE, GET, SIGNATURE, V1, addresses, ask_after, header, site, v2, v2_local};

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
        header(0x21, 0x11, &[&addresses(9), &[4, 0, 9, 1]]),
        header(0x21, 0x11, &[&addresses(9), &[3, 0, 4, 1, 2, 3, 4]]),
        header(0x21, 0x13, &[&addresses(9)]),
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

/// Balancers that ask whether a port is open connect and leave, most of them
/// with a reset. Each look was `proxy-protocol-invalid` once.
#[test]
fn a_look_whether_the_port_is_open_is_no_error() {
    let (_endpoint, router) = site(FROM_HERE, Config::new());
    for _ in 0..5 {
        drop(Connection::open(router.address()));
        Connection::open(router.address()).reset();
    }
    // What is counted comes behind them, from the same worker.
    let mut client = Connection::open(router.address());
    client.send("PROXY");
    client.finish_sending();
    client.ending();
    eventually("the one that began", || (invalid(&router) > 0).then_some(()));
    eventually("the others' ends", || {
        let open = sum(&ask(&router, "/metrics"), "pointsman_tasks{kind=\"connection\"}");
        (open == 0).then_some(())
    });
    assert_eq!(invalid(&router), 1);
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
fn a_header_of_any_kind_says_who_the_client_is_or_that_nobody_can() {
    let v6 = |bytes: [u8; 2]| {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        address[14..].copy_from_slice(&bytes);
        address
    };
    let ports = [0x12, 0x67, 0x01, 0xbb];
    let client_certificate = [&[0x20, 0x07, 0xd0][..], &[7; 2000]].concat();
    let tlvs: &[&[u8]] = &[&addresses(9), &[4, 0, 0], &client_certificate, &[5, 0, 1, 1]];
    let cases: [(&str, Vec<u8>, &str); 16] = [
        ("TCP4", V1.into(), "192.0.2.7"),
        ("TCP6", b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n".to_vec(), "2001:db8::7"),
        ("UNKNOWN", b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), "127.0.0.1"),
        ("v2 over IPv4", header(0x21, 0x11, &[&addresses(9)]), "192.0.2.9"),
        ("v2 over IPv6", header(0x21, 0x21, &[&v6([0, 7]), &v6([0, 1]), &ports]), "2001:db8::7"),
        ("with TLVs", header(0x21, 0x11, tlvs), "192.0.2.9"),
        ("over a UNIX socket", header(0x21, 0x31, &[&[b'/'; 216]]), "127.0.0.1"),
        ("of UDP over IPv4", header(0x21, 0x12, &[&addresses(9)]), "127.0.0.1"),
        ("of UDP over IPv6", header(0x21, 0x22, &[&[9; 36], &[4, 0, 0]]), "127.0.0.1"),
        ("of UNIX datagrams", header(0x21, 0x32, &[&[b'/'; 216]]), "127.0.0.1"),
        ("of an unspecified family", header(0x21, 0x00, &[&[1, 2, 3]]), "127.0.0.1"),
        ("LOCAL", v2_local(), "127.0.0.1"),
        ("LOCAL with addresses", header(0x20, 0x11, &[&addresses(9)]), "127.0.0.1"),
        ("LOCAL without its addresses", header(0x20, 0x11, &[]), "127.0.0.1"),
        ("LOCAL of UNIX", header(0x20, 0x31, &[&[0; 216], &[4, 0, 0]]), "127.0.0.1"),
        ("LOCAL of an unknown family", header(0x20, 0xff, &[&[9; 40]]), "127.0.0.1"),
    ];
    let (endpoint, router) = site(FROM_HERE, Config::new());
    for (number, (name, header, client)) in cases.iter().enumerate() {
        assert_eq!(ask_after(router.address(), header).status, 200, "{name}");
        let received = endpoint.request(number);
        assert_eq!(received.fields.one("x-forwarded-for"), Some(*client), "{name}");
    }
}

#[test]
fn a_header_may_be_split_anywhere_and_what_follows_it_is_not_lost() {
    let (endpoint, router) = site(FROM_HERE, Config::new());
    let mut asked = 0;
    for header in [V1.as_bytes().to_vec(), v2()] {
        let all = [&header[..], GET.as_bytes()].concat();
        for cut in 1..header.len() + 3 {
            let mut client = Connection::open(router.address());
            client.send(&all[..cut]);
            client.send(&all[cut..]);
            assert_eq!(client.answer("GET").status, 200, "cut at {cut}");
            let received = endpoint.request(asked);
            assert_eq!(received.fields.one("x-forwarded-for"), Some("192.0.2.7"), "{cut}");
            asked += 1;
        }
    }
}

#[test]
fn a_second_header_is_no_request() {
    let (endpoint, router) = site(FROM_HERE, Config::new());
    for second in [V1.as_bytes().to_vec(), v2()] {
        assert_eq!(ask_after(router.address(), &[v2(), second].concat()).status, 400);
    }
    assert_eq!(endpoint.count(), 0);
}

#[test]
fn a_tunnel_is_its_named_clients_too() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let log = directory.path().join("log");
    let endpoint = ScriptedEndpoint::start(|_| {
        let switched =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        // The header that names the client comes first.
        let switch = Step::Send(switched.into());
        vec![Step::ReadBytes(28), Step::ReadHead, switch, Step::EchoBytes, Step::Close]
    });
    let config = Config::new()
        .set("access_log.path", log.to_str().expect("temporary paths are text"))
        .listener_with(FROM_HERE)
        .and(&format!(
            "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", send_proxy = \"v2\" }}]\n",
            endpoint.address()
        ));
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    let upgrade =
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly";
    client.send([&v2()[..], upgrade.as_bytes()].concat());
    assert_eq!(client.answer_head().expect("an answer").status, 101);
    assert_eq!(client.bytes(5), b"early");
    client.finish_sending();
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(endpoint.request_head(0).fields.one("x-forwarded-for"), Some("192.0.2.7"));
    eventually("the tunnel's line", || {
        let text = std::fs::read_to_string(&log).ok()?;
        text.contains("\"client\":\"192.0.2.7").then_some(())
    });
}
