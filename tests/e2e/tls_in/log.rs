//! Where an operator finds what came to nothing before there was a request.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::{Site, s_client};
use crate::harness::held::ask;
use crate::harness::tls::{Authority, listener_tls};
use crate::harness::tls_peer::TlsClient;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint};

fn lines(log: &Path, code: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    // The last line may not be whole yet.
    let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    all.filter(|line| line["code"] == code).collect()
}

fn errors(router: &Router, code: &str) -> Vec<Value> {
    let page: Value = serde_json::from_str(&ask(router, "/errors")).expect("it is JSON");
    let all = page["errors"].as_array().expect("it has a list").iter();
    all.filter(|error| error["code"] == code).cloned().collect()
}

fn logging(more: &str, set: &[(&str, &str)]) -> (Site, tempfile::TempDir) {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::echo("app");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let log = directory.path().join("log");
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let config = set.iter().fold(Config::new(), |config, (key, value)| config.set(key, *value));
    let config = config
        .set("access_log.path", log.to_str().expect("temporary paths are text"))
        .listener_with(&format!("{tls}\n{more}"))
        .route("*", &[endpoint.address()]);
    (Site { router: Router::start(&config), authority, endpoint }, directory)
}

#[test]
fn a_failed_handshake_has_its_line_and_its_place_among_the_errors() {
    let (site, directory) = logging("", &[("timeouts.tls_handshake", "30s")]);
    let stranger = Authority::new();
    let refused = s_client(site.router.address(), &stranger, &["-servername", "a.test"]);
    assert!(!refused.status.success(), "it trusts somebody else");
    let log = directory.path().join("log");
    let line = eventually("the line", || lines(&log, "tls-handshake-failed").pop());
    assert_eq!((&line["status"], &line["method"]), (&Value::Null, &Value::Null), "{line}");
    assert_eq!((&line["host"], &line["path"]), (&"a.test".into(), &Value::Null), "{line}");
    assert!(line["client"].as_str().is_some_and(|c| c.starts_with("127.0.0.1:")), "{line}");
    let error = eventually("the error", || errors(&site.router, "tls-handshake-failed").pop());
    assert_eq!(error["request_id"], line["request_id"]);
    assert_eq!((&error["host"], &error["client"]), (&"a.test".into(), &line["client"]));
    let detail = error["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("received fatal alert"), "{error}");
}

#[test]
fn a_handshake_that_stands_still_and_a_bad_proxy_header_are_there_too() {
    let (site, directory) = logging("", &[("timeouts.tls_handshake", "100ms")]);
    let mut silent = Connection::open(site.router.address());
    silent.ending();
    let log = directory.path().join("log");
    eventually("the line", || lines(&log, "tls-handshake-timeout").pop());
    eventually("the error", || errors(&site.router, "tls-handshake-timeout").pop());
    let (site, directory) = logging("proxy_protocol = { from = [\"127.0.0.0/8\"] }", &[]);
    let mut client = Connection::open(site.router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.ending();
    let log = directory.path().join("log");
    eventually("the line", || lines(&log, "proxy-protocol-invalid").pop());
    eventually("the error", || errors(&site.router, "proxy-protocol-invalid").pop());
    // Behind a good header it is the client that it names.
    let mut client = Connection::open(site.router.address());
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nno TLS");
    client.ending();
    let line = eventually("the line", || lines(&log, "tls-handshake-failed").pop());
    assert_eq!(line["client"], "192.0.2.7:4711");
}

/// Seen with a handful of clients that were refused within a tenth of a second:
/// only the first was told of.
#[test]
fn clients_that_fail_together_are_told_of_each_for_its_own_reason() {
    let (site, _directory) = logging("", &[]);
    let alert = |number: u8| vec![0x15, 3, 3, 0, 2, 2, number];
    let openings = [b"\x00\x01\x02\x03".to_vec(), b"GET / HTTP/1.1\r\n\r\n".into()];
    let openings: Vec<_> = openings.into_iter().chain([alert(40), alert(48), alert(80)]).collect();
    for bytes in &openings {
        let mut client = Connection::open(site.router.address());
        client.send(bytes);
        client.finish_sending();
        client.ending();
    }
    let listed = eventually("all of them", || {
        Some(errors(&site.router, "tls-handshake-failed")).filter(|all| all.len() == openings.len())
    });
    let mut reasons: Vec<_> = listed.iter().map(|error| error["detail"].as_str()).collect();
    reasons.dedup();
    assert!(reasons.len() >= 2, "{reasons:?}");
    // The log is written by a thread of its own.
    let told = || site.router.stderr().matches("came to nothing").count();
    eventually("a line of each", || (told() == openings.len()).then_some(()));
}

#[test]
fn a_scan_fills_neither_the_log_nor_the_list() {
    let (site, directory) = logging("", &[]);
    let began = Instant::now();
    for _ in 0..300 {
        let mut client = Connection::open(site.router.address());
        client.send(b"\x00\x01\x02\x03");
        client.ending();
    }
    let log = directory.path().join("log");
    eventually("a line for each", || {
        (lines(&log, "tls-handshake-failed").len() == 300).then_some(())
    });
    assert_eq!(site.count("tls-handshake-failed"), 300);
    // Ten, and then ten a second, however many seconds it took.
    let most = began.elapsed().as_millis() / 100 + 10;
    let listed = errors(&site.router, "tls-handshake-failed").len();
    let said = site.router.stderr().matches("came to nothing").count();
    for count in [listed, said] {
        assert!(count as u128 <= most, "{count} in {:?}", began.elapsed());
    }
    assert!((1..=100).contains(&listed), "{listed}");
}

#[test]
fn a_head_that_is_refused_under_tls_is_logged_with_its_encryption() {
    let (site, directory) = logging("", &[("timeouts.request_head", "200ms")]);
    let log = directory.path().join("log");
    for (head, code) in [("no head at all\r\n\r\n", "bad-request"), ("GET", "request-head-timeout")]
    {
        let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
        client.send(head).expect("the router reads");
        client.ending();
        let line = eventually("the line", || lines(&log, code).pop());
        let tls = line["tls"].as_str().unwrap_or_default();
        assert!(tls.starts_with("TLSv1.3 TLS13_"), "{line}");
    }
}
