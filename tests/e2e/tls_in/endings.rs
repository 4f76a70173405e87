//! How clients leave under TLS, and that half a request stays half.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::record::Ended;
use crate::harness::tls::{Authority, listener_tls};
use crate::harness::tls_peer::{TlsClient, TlsEnd};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint, Step};

use super::{Site, s_client_command};

const BEGUN: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nbegun";

/// A site whose app reads whatever comes of a body.
fn site() -> Site {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ReadBody, Step::Echo]);
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let config = Config::new().listener_with(&tls).route("*", &[endpoint.address()]);
    Site { router: Router::start(&config), authority, endpoint }
}

/// Each of the requests so far was left by its client within the body, and the
/// app has not taken it for whole.
fn left(site: &Site, count: usize) {
    let (_, end) = site.endpoint.ending(count - 1);
    assert!(matches!(end, Ended::ByPeer(_)), "{end:?}");
    assert!(!site.endpoint.request_head(count - 1).complete);
    eventually("the departure to be counted", || {
        (site.count("client-closed") == count as u64).then_some(())
    });
}

#[test]
fn a_client_that_ends_within_its_body_has_left_whether_it_says_so_or_not() {
    let site = site();
    let ends: [fn(&mut TlsClient) -> std::io::Result<()>; 2] =
        [TlsClient::finish_bare, TlsClient::finish];
    for (number, end) in ends.into_iter().enumerate() {
        let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
        client.send(BEGUN).expect("the router reads");
        site.endpoint.request_head(number);
        end(&mut client).expect("the connection stands");
        left(&site, number + 1);
        let (answer, end) = client.ending();
        assert_eq!(answer, "");
        assert_ne!(end, TlsEnd::Stalled);
    }
}

#[test]
fn an_openssl_client_that_dies_within_its_body_has_left() {
    let site = site();
    let mut command = s_client_command(site.router.address(), &site.authority, &["-quiet"]);
    let mut child = command.spawn().expect("openssl can be run; it is needed by these tests");
    let stdin = child.stdin.as_mut().expect("stdin is a pipe");
    stdin.write_all(BEGUN.as_bytes()).expect("it reads");
    site.endpoint.request_head(0);
    // The system ends the connection, and nobody says `close_notify`.
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    left(&site, 1);
}

#[test]
fn half_a_record_before_the_end_is_thrown_away() {
    let site = site();
    let whole = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n";
    let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    client.send(whole).expect("the router reads");
    site.endpoint.request_head(0);
    // The missing content, cut: it must not be taken for what it began as.
    client.send_half(b"whole").expect("the router reads");
    client.finish_bare().expect("the connection stands");
    left(&site, 1);
    assert_eq!(site.endpoint.request_head(0).content_bytes, 0);
}

#[test]
fn half_a_record_is_the_beginning_of_a_request_and_has_no_longer_than_that() {
    let authority = Authority::new();
    let config = Config::new()
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .set("timeouts.keep_alive", "10m")
        .set("timeouts.request_head", "500ms")
        .route("a.test", &[]);
    let router = Router::start(&config);
    let mut client = TlsClient::open(router.address(), &authority, "a.test");
    client.send_half(b"GET / HTTP/1.1\r\n").expect("the router reads");
    let (said, end) = client.ending();
    assert!(matches!(end, TlsEnd::Said | TlsEnd::Bare | TlsEnd::Broken), "{said} {end:?}");
}

#[test]
fn a_whole_request_is_answered_with_close_notify_at_the_end() {
    let site = site();
    let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").expect("it reads");
    let (answer, end) = client.ending();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(end, TlsEnd::Said);
}

#[test]
fn openssl_hears_close_notify() {
    let site = Site::new();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &site.router.address().to_string(), "-msg"]);
    command.args(["-ign_eof", "-CAfile"]).arg(site.authority.ca());
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl can be run; it is needed by these tests");
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    drop(child.stdin.take().expect("stdin is a pipe").write_all(request));
    let said = super::text(&child.wait_with_output().expect("openssl ends"));
    let alerts: Vec<_> =
        said.lines().filter(|line| line.contains("warning close_notify")).collect();
    assert!(alerts.iter().any(|line| line.starts_with("<<<")), "{said}");
}

#[test]
fn a_client_that_ends_without_a_word_gets_its_answer_where_that_is_allowed() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::echo("app");
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let config = Config::new()
        .listener_with(&format!("{tls}\nclient_half_close = \"allow\""))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut client = TlsClient::open(router.address(), &authority, "a.test");
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("the router reads");
    client.finish_bare().expect("the connection stands");
    let (answer, end) = client.ending();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(end, TlsEnd::Said);
}
