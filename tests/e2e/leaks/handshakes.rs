//! Thousands of handshakes, whole, resumed, and left in every way.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::harness::held::{ask, sum};
use crate::harness::tls::{Authority, listener_tls};
use crate::harness::tls_peer::{TlsClient, client_config};
use crate::harness::{Config, Router, ScriptedEndpoint};

use super::budget;

/// Connections in all, after those that warm the router up.
const HANDSHAKES: usize = 2_000;
const WARM_UP: usize = 700;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What one client does.
const WAYS: [fn(&Client<'_>) -> std::io::Result<()>; 12] = [
    |client| client.visits(&client.stranger()),
    |client| client.visits(client.regular),
    // Through the handshake, and away: with a word, without, with a reset.
    |client| client.comes()?.finish(),
    |client| client.comes()?.finish_bare(),
    |client| {
        client.comes()?.reset();
        Ok(())
    },
    // Within the handshake.
    |client| client.begins().map(drop),
    |client| {
        client.begins()?.reset();
        Ok(())
    },
    |client| client.begins()?.finish_bare(),
    // Within a request, half a record behind it.
    |client| {
        let mut come = client.comes()?;
        come.send(GET)?;
        come.send_half(GET.as_bytes())
    },
    // No TLS: HTTP, garbage, nothing.
    |client| client.says(GET.as_bytes()),
    |client| client.says(b"\x16\x03\x01\x00\x05hello"),
    |client| client.says(b""),
];

struct Client<'s> {
    router: &'s Router,
    authority: &'s Authority,
    /// One whose tickets are kept.
    regular: &'s Arc<ClientConfig>,
}

impl Client<'_> {
    fn stranger(&self) -> Arc<ClientConfig> {
        client_config(self.authority)
    }

    fn connect(&self, config: &Arc<ClientConfig>) -> std::io::Result<TlsClient> {
        TlsClient::connect(self.router.address(), config, "a.test")
    }

    fn comes(&self) -> std::io::Result<TlsClient> {
        let mut client = self.connect(&self.stranger())?;
        client.shake_hands()?;
        Ok(client)
    }

    fn begins(&self) -> std::io::Result<TlsClient> {
        let mut client = self.connect(&self.stranger())?;
        client.send_half(b"")?;
        Ok(client)
    }

    fn visits(&self, config: &Arc<ClientConfig>) -> std::io::Result<()> {
        let mut client = self.connect(config)?;
        client.shake_hands()?;
        client.send(GET)?;
        client.read_until(|came| came.ends_with(b"\r\n\r\n"));
        client.finish()
    }

    fn says(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.router.address())?;
        stream.write_all(bytes)
    }
}

#[test]
fn handshakes_of_every_kind_leave_nothing_behind() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .set("workers.threads", 2)
        .set("timeouts.linger", "300ms")
        .set("timeouts.upstream_keep_alive", "300ms")
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("a.test", &[endpoint.address()]);
    let router = budget::router(&config);
    let regular = client_config(&authority);
    let client = Client { router: &router, authority: &authority, regular: &regular };
    budget::come_and_go(&router, [WARM_UP, HANDSHAKES], |number| {
        // Who is refused has nothing to tell here.
        drop(WAYS[number % WAYS.len()](&client));
    });
    let metrics = ask(&router, "/metrics");
    let failed = sum(&metrics, "pointsman_errors_total{code=\"tls-handshake-failed\"") as usize;
    assert!(failed > HANDSHAKES / 4, "{failed} failed");
    let served = sum(&metrics, "pointsman_requests_total{route=\"a.test\",status_class=\"2xx\"");
    assert!(served as usize > HANDSHAKES / 8, "{served} were served");
    let mut again = client.connect(&regular).expect("it listens");
    again.shake_hands().expect("it shakes hands");
    assert!(again.resumed(), "a regular needs no whole handshake");
}
