//! How a router starts and says that it is ready, and what it logs.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::router::{binary, write_config};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, RefusingEndpoint, Router, ScriptedEndpoint, Step, get};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn every_listener_says_that_it_is_ready_and_serves() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new()
        .listen(&["127.0.0.1:0", "127.0.0.1:0", "[::1]:0"])
        .set("workers.threads", 2)
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    assert_eq!(router.addresses().len(), 3);
    for &address in router.addresses() {
        assert_eq!(get(address, "a.test", "/").status, 200, "{address}");
    }
    assert_eq!(router.stdout().len(), 4, "ready lines and no more: {:?}", router.stdout());
}

#[test]
fn a_port_that_is_taken_is_named_and_the_start_fails() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &Config::new().listen(&[&address]));
    let output = binary().arg("run").arg("-c").arg(&file).output().expect("the binary can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(output.stdout.is_empty(), "nothing is ready");
}

#[test]
fn a_second_router_on_the_same_port_fails_and_names_it() {
    let first = Router::start(&Config::new());
    let address = first.address().to_string();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &Config::new().listen(&[&address]));
    let output = binary().arg("run").arg("-c").arg(&file).output().expect("the binary can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
}

#[test]
fn the_access_log_follows_the_ready_lines_one_object_a_request() {
    let good = ScriptedEndpoint::echo("good");
    let bad = RefusingEndpoint::start();
    let config = Config::new()
        .set("access_log.path", "-")
        .route("a.test", &[good.address()])
        .route("b.test", &[bad.address()]);
    let router = Router::start(&config);
    let answer = get(router.address(), "a.test", "/x?y=1");
    get(router.address(), "b.test", "/");
    let lines = eventually("two lines of access log", || {
        let lines = router.stdout();
        (lines.len() >= 4).then_some(lines)
    });
    assert!(lines[0].starts_with("listening ") && lines[1].starts_with("admin "), "{lines:?}");
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
    let (first, second) = (parse(&lines[2]), parse(&lines[3]));
    assert_eq!(first["status"], 200, "{first}");
    assert_eq!(first["method"], "GET");
    assert_eq!(first["host"], "a.test");
    assert_eq!(first["request_id"], answer.field("x-request-id"));
    assert_eq!(first["endpoint"], good.address().to_string());
    assert_eq!(first["bytes_out"], answer.body.len());
    assert_eq!(second["code"], "connect-refused", "{second}");
    assert_eq!(second["status"], 502);
    for key in [
        "time",
        "client",
        "path",
        "version",
        "route",
        "attempts",
        "bytes_in",
        "duration_ms",
        "head_ms",
        "queue_ms",
        "user_agent",
        "referer",
        "tls",
        "trace_id",
    ] {
        assert!(first.get(key).is_some(), "{key} in {first}");
    }
}

#[test]
fn a_client_that_left_is_in_the_access_log_alone() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let config = Config::new().set("access_log.path", "-").route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(GET);
    endpoint.request_head(0);
    drop(client);
    let line = eventually("the line of the request", || router.stdout().get(2).cloned());
    let line: Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!((&line["status"], &line["code"]), (&499.into(), &"client-closed".into()), "{line}");
}

#[test]
fn an_access_log_can_be_a_file() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("access.log");
    let name = file.to_str().expect("temporary directories have plain names");
    let router = Router::start(&Config::new().set("access_log.path", name));
    get(router.address(), "a.test", "/");
    eventually("a line in the file", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.contains("no-route").then_some(())
    });
    assert_eq!(router.stdout().len(), 2, "{:?}", router.stdout());
}
