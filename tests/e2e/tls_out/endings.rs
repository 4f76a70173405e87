//! How endpoints end under TLS: what is whole without `close_notify`, and what
//! is not.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::{App, entry, router, trusting};
use crate::harness::held::{ask, sum};
use crate::harness::router::Process;
use crate::harness::tls::{Authority, Pair};
use crate::harness::tls_endpoint::TlsEndpoint;
use crate::harness::tls_peer::TlsEnd;
use crate::harness::wait::eventually;
use crate::harness::{Connection, Router, ScriptedEndpoint, Step, get, script};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhole";

#[test]
fn an_answer_that_only_the_end_delimits_is_whole_only_if_the_end_is_said() {
    let authority = Authority::new();
    let pair = authority.issue(&["app.test"]);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let until_close = |last: Step| {
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhole";
        ScriptedEndpoint::start(move |_| script::answering_then(answer, last.clone()))
    };
    let whole = App::of(until_close(Step::Close), &pair, None);
    let answer = get(router(&[whole.toml(&named)]).address(), "a.test", "/");
    assert_eq!(answer.text(), "whole");
    let cut = App::of(until_close(Step::Reset), &pair, None);
    let router = router(&[cut.toml(&named)]);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(client.try_answer("GET").is_err());
}

fn truncated(router: &Router) -> u64 {
    sum(&ask(router, "/metrics"), "pointsman_errors_total{code=\"upstream-truncated\"")
}

#[test]
fn only_what_says_its_own_end_is_whole_without_close_notify() {
    let authority = Authority::new();
    let pair = authority.issue(&["app.test"]);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";
    let more = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nwhole";
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n";
    let half_chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n";
    for (answer, end, whole) in [
        (UNTIL_CLOSE, TlsEnd::Said, true),
        (UNTIL_CLOSE, TlsEnd::Bare, false),
        (length, TlsEnd::Said, true),
        (length, TlsEnd::Bare, true),
        (chunks, TlsEnd::Bare, true),
        (more, TlsEnd::Said, false),
        (more, TlsEnd::Bare, false),
        (half_chunks, TlsEnd::Said, false),
        (half_chunks, TlsEnd::Bare, false),
    ] {
        let endpoint = TlsEndpoint::start(&pair, answer, end);
        let router = router(&[entry(endpoint.address(), &named)]);
        // An HTTP/1.0 client has nothing but the end of the connection either.
        for request in [GET, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"] {
            let mut client = Connection::open(router.address());
            client.send(request);
            let came = client.try_answer("GET");
            match came {
                Ok(answer) => assert!(whole && answer.text() == "whole", "{answer:?} {end:?}"),
                Err(broken) => assert!(!whole, "{broken:?} {end:?} {answer:?}"),
            }
        }
        let expected = if whole { 0 } else { 2 };
        eventually("the code", || (truncated(&router) == expected).then_some(()));
    }
}

/// `openssl s_server`, which says what is written to its stdin.
fn s_server(pair: &Pair, arguments: &[&str]) -> (Process, SocketAddr) {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-cert"]).arg(&pair.chain);
    command.arg("-key").arg(&pair.key).args(arguments).stdin(Stdio::piped());
    let mut process = Process::spawn_reading(&mut command);
    let address = process.address_after("ACCEPT ");
    (process, address)
}

#[test]
fn an_answer_cut_by_the_death_of_an_openssl_server_does_not_look_whole() {
    let authority = Authority::new();
    let (mut server, address) = s_server(&authority.issue(&["app.test"]), &[]);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let router = router(&[entry(address, &named)]);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    eventually("the request to come", || {
        server.stdout().iter().any(|line| line.starts_with("GET / ")).then_some(())
    });
    let stdin = server.child.stdin.as_mut().expect("stdin is a pipe");
    stdin.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf\n").expect("it reads");
    stdin.flush().expect("it reads");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"half");
    // The system ends the connection, and nobody says `close_notify`.
    server.child.kill().expect("it runs");
    let (_, end) = client.ending();
    assert_eq!(end, crate::harness::wire::Fault::Reset);
    eventually("the code", || (truncated(&router) == 1).then_some(()));
}

#[test]
fn an_alert_within_the_handshake_is_a_refusal_too() {
    let authority = Authority::new();
    let pair = authority.issue(&["app.test"]);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    for arguments in [
        // Wants a certificate, and says so before the handshake is done.
        &["-tls1_2", "-Verify", "1"][..],
        // Has no cipher in common.
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
    ] {
        let (_server, address) = s_server(&pair, arguments);
        let router = router(&[entry(address, &named)]);
        let answer = get(router.address(), "a.test", "/");
        assert_eq!((answer.status, answer.code()), (502, Some("tls-rejected")), "{arguments:?}");
    }
}
