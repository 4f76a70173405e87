//! Thousands of tunnels with TLS on both sides, ended by either, with a word
//! and without.

use crate::harness::held::{ask, sum};
use crate::harness::tls::{Authority, listener_tls};
use crate::harness::tls_endpoint::{Then, TlsEndpoint};
use crate::harness::tls_peer::{TlsClient, TlsEnd, client_config};
use crate::harness::{Config, Router};

use super::budget;

/// Tunnels in all, after those that warm the router up.
const TUNNELS: usize = 2_000;
const WARM_UP: usize = 700;

const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

/// What ends a tunnel, as its target says; the first are the client's.
const WAYS: [&str; 11] = [
    "client-says",
    "client-is-silent",
    "client-resets",
    "client-cuts-a-record",
    "client-vanishes",
    "client-says-to-one-who-has-said-it",
    "endpoint-says",
    "endpoint-is-silent",
    "endpoint-resets",
    "another-protocol",
    "never-switched",
];

/// The endpoint's part.
fn behave(head: &str) -> (String, Then) {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let bye = |end| ([SWITCHED, "bye"].concat(), Then::End(end));
    match &target[1..] {
        "endpoint-says" | "client-says-to-one-who-has-said-it" => bye(TlsEnd::Said),
        "endpoint-is-silent" => bye(TlsEnd::Bare),
        "endpoint-resets" => bye(TlsEnd::Broken),
        "another-protocol" => (SWITCHED.replace(": x", ": y"), Then::End(TlsEnd::Stalled)),
        "never-switched" => (String::new(), Then::End(TlsEnd::Stalled)),
        _ => (SWITCHED.into(), Then::Echo),
    }
}

fn tunnel(router: &Router, authority: &Authority, way: &str) -> std::io::Result<()> {
    let mut client = TlsClient::connect(router.address(), &client_config(authority), "a.test")?;
    client.shake_hands()?;
    client.send(format!(
        "GET /{way} HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly"
    ))?;
    let until = |client: &mut TlsClient, end: &str| {
        client.read_until(|came| came.ends_with(end.as_bytes()));
    };
    match way {
        // Its end reaches the endpoint, whose own comes back.
        "client-says" => {
            until(&mut client, "early");
            client.finish()?;
            client.ending();
        }
        "client-is-silent" => {
            until(&mut client, "early");
            client.finish_bare()?;
            client.ending();
        }
        "client-resets" => {
            until(&mut client, "early");
            client.reset();
        }
        "client-cuts-a-record" => {
            until(&mut client, "early");
            client.send_half(&[b'x'; 1000])?;
            client.finish_bare()?;
        }
        "client-vanishes" => until(&mut client, "early"),
        "client-says-to-one-who-has-said-it" => {
            until(&mut client, "bye");
            client.finish()?;
            client.ending();
        }
        // Refused: what was sent early is half the next request.
        "another-protocol" => drop(client.read_until(|came| came.starts_with(b"HTTP/1.1 5"))),
        "never-switched" => {}
        _ => drop(client.ending()),
    }
    Ok(())
}

#[test]
fn tunnels_under_tls_leave_nothing_behind_whoever_ends_them() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let app = TlsEndpoint::behaving(&pair, behave);
    let config = Config::new()
        .set("workers.threads", 2)
        .set("timeouts.linger", "300ms")
        .listener_with(&listener_tls(&pair))
        .and(&format!(
            "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", tls = {{ server_name = \
             \"a.test\", ca = {:?} }} }}]",
            app.address(),
            authority.ca()
        ));
    let router = budget::router(&config);
    budget::come_and_go(&router, [WARM_UP, TUNNELS], |number| {
        // Who is reset has nothing to tell here.
        drop(tunnel(&router, &authority, WAYS[number % WAYS.len()]));
    });
    let metrics = ask(&router, "/metrics");
    let switched = sum(&metrics, "pointsman_requests_total{route=\"a.test\",status_class=\"1xx\"");
    assert!(switched as usize > TUNNELS / 2, "{switched} were switched");
}
