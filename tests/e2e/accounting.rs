//! What is told of a request once it is over: its line in the access log and
//! its place in the metrics, however it ended.

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script};

fn router(endpoint: &ScriptedEndpoint) -> Router {
    let config = Config::new().set("access_log.path", "-").route("a.test", &[endpoint.address()]);
    Router::start(&config)
}

/// The line of the first request, once it is there.
fn first_line(router: &Router) -> Value {
    let line = eventually("the line of the request", || router.stdout().get(2).cloned());
    serde_json::from_str(&line).expect("a line of JSON")
}

/// Waits until a sample stands in the metrics just like this: they are counted
/// beside the log, not before it.
#[track_caller]
fn until_sample(router: &Router, sample: &str) {
    let has_it =
        || get(router.admin(), "127.0.0.1", "/metrics").text().lines().any(|l| l == sample);
    eventually(sample, || has_it().then_some(()));
}

#[test]
fn an_upload_that_the_client_broke_off_is_no_error_of_the_routers() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = router(&endpoint);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhell");
    endpoint.request_head(0);
    drop(client);
    let line = first_line(&router);
    assert_eq!((&line["status"], &line["code"]), (&499.into(), &"client-closed".into()), "{line}");
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&4.into(), &0.into()), "{line}");
    assert_eq!(line["attempts"], 1, "{line}");
    until_sample(
        &router,
        "pointsman_requests_total{route=\"a.test\",status_class=\"4xx\",code=\"client-closed\"} 1",
    );
    until_sample(&router, "pointsman_requests_in_flight 0");
}

#[test]
fn a_request_left_while_it_waits_counts_its_content_and_its_attempt() {
    let endpoint =
        ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ReadBody, Step::UntilPeerLeaves]);
    let router = router(&endpoint);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
    endpoint.request(0);
    drop(client);
    let line = first_line(&router);
    assert_eq!((&line["status"], &line["code"]), (&499.into(), &"client-closed".into()), "{line}");
    assert_eq!((&line["bytes_in"], &line["attempts"]), (&5.into(), &1.into()), "{line}");
    until_sample(&router, "pointsman_attempts_total{outcome=\"client-closed\"} 1");
}

#[test]
fn endpoint_connections_are_counted_in_use_and_idle() {
    let (gate, other) = (Gate::default(), Gate::default());
    let (answer_at, close_at) = (gate.clone(), other.clone());
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![
            Step::ReadHead,
            Step::WaitFor(answer_at.clone()),
            Step::Send(script::ok("yes").into()),
            Step::WaitFor(close_at.clone()),
            Step::Close,
        ]
    });
    let router = router(&endpoint);
    let connections = |state: &str, count: u32| {
        let sample =
            format!("pointsman_connections{{side=\"endpoint\",state=\"{state}\"}} {count}");
        until_sample(&router, &sample);
    };
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    connections("active", 1);
    connections("idle", 0);
    gate.open();
    assert_eq!(client.answer("GET").text(), "yes");
    connections("active", 0);
    connections("idle", 1);
    other.open();
    // Seen closed by the worker's sweep, without a request.
    connections("idle", 0);
}
