//! The router's own answers: one for every code that HTTP/1.1 can cause, and
//! their form (RFC 9209, RFC 9457, RFC 9110 section 12).

use serde_json::Value;

use crate::harness::absent::UnansweringEndpoint;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{
    Answer, Config, Connection, Gate, RefusingEndpoint, Router, ScriptedEndpoint, Step, get, script,
};

/// Sends `request` to a router with `config` and reads one answer.
fn told(config: &Config, request: &str) -> Answer {
    let router = Router::start(config);
    let mut client = Connection::open(router.address());
    drop(client.try_send(request));
    client.answer(request.split(' ').next().unwrap_or_default())
}

#[track_caller]
fn assert_error(answer: &Answer, status: u16, code: &str, kind: &str) {
    let told = format!("{}{}", answer.head, answer.text());
    assert_eq!((answer.status, answer.code()), (status, Some(code)), "{told}");
    let proxy_status = answer.field("proxy-status");
    assert!(proxy_status.contains(&format!("error={kind};")), "{proxy_status}");
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.field("server"), "pointsman");
    assert!(!answer.field("x-request-id").is_empty());
    assert!(answer.field("date").ends_with(" GMT"));
    assert!(answer.field("via").starts_with("1.1 pointsman"));
    // 503 says when to come back (RFC 9110 section 15.6.4).
    assert_eq!(status == 503, answer.fields.one("retry-after").is_some(), "{told}");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn a_host_without_a_route() {
    let answer = told(&Config::new(), GET);
    assert_error(&answer, 404, "no-route", "destination_not_found");
}

#[test]
fn a_route_without_endpoints() {
    let answer = told(&Config::new().route("a.test", &[]), GET);
    assert_error(&answer, 503, "no-endpoint", "destination_unavailable");
}

#[test]
fn an_endpoint_that_refuses() {
    let endpoint = RefusingEndpoint::start();
    let answer = told(&Config::new().route("a.test", &[endpoint.address()]), GET);
    assert_error(&answer, 502, "connect-refused", "connection_refused");
}

#[test]
fn an_endpoint_that_does_not_answer_a_connect() {
    let endpoint = UnansweringEndpoint::start();
    let config =
        Config::new().set("timeouts.connect", "200ms").route("a.test", &[endpoint.address()]);
    assert_error(&told(&config, GET), 504, "connect-timeout", "connection_timeout");
}

/// A router in front of one endpoint with this script, and what a GET gets.
fn told_by(steps: Vec<Step>, config: Config) -> Answer {
    let endpoint = ScriptedEndpoint::start(move |_| steps.clone());
    told(&config.route("a.test", &[endpoint.address()]), GET)
}

#[test]
fn an_endpoint_that_resets() {
    let answer = told_by(vec![Step::ReadHead, Step::Reset], Config::new());
    assert_error(&answer, 502, "upstream-reset", "connection_terminated");
}

#[test]
fn an_endpoint_that_speaks_something_else() {
    let answer =
        told_by(script::answering_then("hello?\r\n", Step::UntilPeerLeaves), Config::new());
    assert_error(&answer, 502, "upstream-protocol-error", "http_protocol_error");
}

#[test]
fn an_endpoint_with_a_head_beyond_the_limit() {
    let answer = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(2000));
    let config = Config::new().set("limits.response_head_bytes", "1KiB");
    let answer = told_by(script::answering_then(answer, Step::UntilPeerLeaves), config);
    assert_error(&answer, 502, "upstream-head-too-large", "http_response_header_section_size");
}

#[test]
fn an_endpoint_that_is_silent() {
    let config = Config::new().set("timeouts.attempt_head", "200ms");
    let answer = told_by(vec![Step::ReadHead, Step::UntilPeerLeaves], config);
    assert_error(&answer, 504, "upstream-head-timeout", "http_response_timeout");
}

#[test]
fn an_endpoint_whose_head_never_ends() {
    let config = Config::new().set("timeouts.attempt_head", "200ms");
    let half = script::answering_then("HTTP/1.1 200 OK\r\nx-a: 1\r\n", Step::UntilPeerLeaves);
    let answer = told_by(half, config);
    assert_error(&answer, 504, "upstream-head-timeout", "http_response_timeout");
}

#[test]
fn an_endpoint_that_takes_nothing() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Stall]);
    let config = Config::new()
        .set("timeouts.request_write_idle", "300ms")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n");
    // Until the buffers of four sockets are full and the clock has run.
    while client.try_send([b'x'; 65536]).is_ok() && !client.answers() {}
    let answer = client.answer("POST");
    assert_error(&answer, 504, "upstream-write-timeout", "connection_write_timeout");
}

#[test]
fn a_request_that_takes_too_long_in_all() {
    let config = Config::new().set("timeouts.request", "300ms");
    let answer = told_by(vec![Step::ReadHead, Step::UntilPeerLeaves], config);
    assert_error(&answer, 504, "deadline-exceeded", "http_response_timeout");
}

#[test]
fn a_head_that_is_not_finished_in_time() {
    let config = Config::new().set("timeouts.request_head", "200ms");
    let answer = told(&config, "GET / HTTP/1.1\r\nHost: a.te");
    assert_error(&answer, 408, "request-head-timeout", "http_request_error");
}

#[test]
fn a_body_that_is_not_finished_in_time() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new()
        .set("timeouts.request_body_idle", "200ms")
        .route("a.test", &[endpoint.address()]);
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhell";
    assert_error(&told(&config, request), 408, "request-body-timeout", "http_request_error");
    assert!(endpoint.requests().iter().all(|request| !request.complete));
}

#[test]
fn a_body_beyond_the_limit_that_says_so() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("limits.request_body_bytes", 10).route("a.test", &[endpoint.address()]);
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\nhello there";
    assert_error(&told(&config, request), 413, "request-body-too-large", "http_request_error");
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn a_body_beyond_the_limit_in_chunks() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("limits.request_body_bytes", 10).route("a.test", &[endpoint.address()]);
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n";
    assert_error(&told(&config, request), 413, "request-body-too-large", "http_request_error");
    assert!(endpoint.requests().iter().all(|request| !request.complete));
}

#[test]
fn a_body_at_the_limit_passes() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("limits.request_body_bytes", 10).route("a.test", &[endpoint.address()]);
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhellothere";
    assert_eq!(told(&config, request).status, 200);
}

#[test]
fn more_requests_at_once_than_allowed() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("hi").into())]
    });
    let config =
        Config::new().set("limits.requests_in_flight", 1).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut first = Connection::open(router.address());
    first.send(GET);
    endpoint.request_head(0);
    let answer = get(router.address(), "a.test", "/");
    assert_error(&answer, 503, "overloaded", "proxy_internal_response");
    gate.open();
    assert_eq!(first.answer("GET").status, 200);
    eventually("the place to be free again", || {
        (get(router.address(), "a.test", "/").status == 200).then_some(())
    });
}

#[test]
fn refusals_of_a_request_line_say_what_is_allowed_instead() {
    let answer = told(&Config::new(), "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_error(&answer, 405, "method-not-allowed", "http_request_error");
    assert!(!answer.field("allow").contains("TRACE"), "{}", answer.head);
    let answer = told(&Config::new(), "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n");
    assert_error(&answer, 505, "version-not-supported", "http_request_error");
}

/// An error answer for a client that accepts `accept`.
fn accepting(accept: &str) -> Answer {
    let request = format!("GET /x HTTP/1.1\r\nHost: a.test\r\n{accept}\r\n");
    let endpoint = RefusingEndpoint::start();
    told(&Config::new().route("a.test", &[endpoint.address()]), &request)
}

#[test]
fn the_form_of_an_error_is_chosen_by_accept() {
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    let cases = [
        ("", "text/plain"),
        ("Accept: */*\r\n", "text/plain"),
        ("Accept: application/problem+json\r\n", "application/problem+json"),
        ("Accept: application/json\r\n", "application/problem+json"),
        (browser, "text/html"),
        ("Accept: text/html;q=0.1, application/problem+json\r\n", "application/problem+json"),
        ("Accept: image/png\r\n", "text/plain"),
    ];
    for (accept, wanted) in cases {
        let answer = accepting(accept);
        let kind = answer.field("content-type");
        assert!(kind.starts_with(wanted), "{accept:?} got {kind}");
        assert!(answer.text().contains("connect-refused"), "{}", answer.text());
    }
}

#[test]
fn a_problem_says_what_was_tried_and_gives_no_addresses_away() {
    let endpoints = [RefusingEndpoint::start(), RefusingEndpoint::start()];
    let addresses = endpoints.each_ref().map(RefusingEndpoint::address);
    let request = "GET /x HTTP/1.1\r\nHost: a.test\r\nAccept: application/problem+json\r\n\r\n";
    let config = Config::new().set("retry.attempts", 2).route("a.test", &addresses);
    let answer = told(&config, request);
    let problem: Value = serde_json::from_str(&answer.text()).expect("it is JSON");
    assert_eq!(problem["status"], 502);
    assert_eq!(problem["code"], "connect-refused");
    for text in ["type", "title", "detail", "instance", "stage"] {
        assert!(problem[text].is_string(), "{text} in {problem}");
    }
    let attempts = problem["attempts"].as_array().expect("attempts are listed");
    assert_eq!(attempts.len(), 2, "{problem}");
    assert!(attempts.iter().all(|attempt| attempt["outcome"] == "connect-refused"), "{problem}");
    for address in addresses {
        let port = address.port().to_string();
        let told = format!("{}{}", answer.head, answer.text());
        assert!(!told.contains(&format!(":{port}")), "{told}");
    }
}

#[test]
fn addresses_are_given_when_the_operator_says_so() {
    let endpoint = RefusingEndpoint::start();
    let address = endpoint.address();
    let config = Config::new().set("errors.expose_endpoints", true).route("a.test", &[address]);
    let request = "GET /x HTTP/1.1\r\nHost: a.test\r\nAccept: application/problem+json\r\n\r\n";
    let answer = told(&config, request);
    let problem: Value = serde_json::from_str(&answer.text()).expect("it is JSON");
    assert_eq!(problem["attempts"][0]["endpoint"], address.to_string());
    assert!(answer.field("proxy-status").ends_with(&format!("; next-hop=\"{address}\"")));
}

#[test]
fn head_gets_the_head_of_an_error_and_no_content() {
    let router = Router::start(&Config::new());
    let mut client = Connection::open(router.address());
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.answer("HEAD");
    assert_error(&head, 404, "no-route", "destination_not_found");
    // Had there been content, it would be in front of this.
    let full = client.answer("GET");
    assert_error(&full, 404, "no-route", "destination_not_found");
    assert_eq!(head.field("content-type"), full.field("content-type"));
}

#[test]
fn an_error_that_is_about_one_request_keeps_the_connection() {
    let endpoint = ScriptedEndpoint::echo("one");
    let refusing = RefusingEndpoint::start();
    let config =
        Config::new().route("a.test", &[endpoint.address()]).route("c.test", &[refusing.address()]);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    for (host, status) in [("b.test", 404), ("a.test", 200), ("c.test", 502), ("a.test", 200)] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer("GET").status, status, "{host}");
    }
}

#[test]
fn nothing_of_the_request_can_break_out_of_an_error() {
    let router = Router::start(&Config::new());
    for accept in ["text/html", "application/problem+json", "text/plain"] {
        let mut client = Connection::open(router.address());
        client.send(format!(
            "GET /<script>alert(1)</script>\"'&x=%0d%0aX-Evil:%201 HTTP/1.1\r\n\
             Host: a.test\r\nAccept: {accept}\r\nX-Request-Id: <b>\"\r\n\r\n"
        ));
        let answer = client.answer("GET");
        assert_eq!(answer.status, 404);
        assert!(answer.fields.all("x-evil").is_empty());
        if accept != "text/plain" {
            assert!(!answer.text().contains("<script>alert"), "{}", answer.text());
        }
    }
}

/// The fault a client sees whose answer begins with `half` and then breaks off.
fn broken_off(half: &'static str, last: Step, config: Config) -> Fault {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        script::answering(half)
            .into_iter()
            .chain([Step::WaitFor(held.clone()), last.clone()])
            .collect()
    });
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(GET);
    let answer = client.answer_head().expect("the head comes");
    assert_eq!(answer.status, 200);
    // All of the first half is through before anything goes wrong.
    let framing = answer.fields.one("transfer-encoding").map_or(0, |_| "4\r\n\r\n".len());
    client.bytes(4 + framing as u64);
    gate.open();
    let (rest, fault) = client.ending();
    assert!(rest.is_empty(), "{rest:?}");
    fault
}

const HALVES: [&str; 2] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n",
];

#[test]
fn an_error_within_a_body_is_a_reset_and_never_a_clean_end() {
    let bad_chunk = Step::Send(b"xyz\r\n".to_vec());
    for (half, last) in [
        (HALVES[0], Step::Close),
        (HALVES[0], Step::Reset),
        (HALVES[1], Step::Close),
        (HALVES[1], Step::Reset),
        (HALVES[1], bad_chunk),
    ] {
        assert_eq!(
            broken_off(half, last.clone(), Config::new()),
            Fault::Reset,
            "{half:?} {last:?}"
        );
    }
}

#[test]
fn what_came_before_an_error_within_a_body_is_passed_on_first() {
    // All in one piece, so that content and failure are seen at once.
    let stray = format!("{}no length\r\n", HALVES[1]);
    for (whole, framing) in [(HALVES[0].to_owned(), 0), (stray, "4\r\n\r\n".len())] {
        let sent = whole.clone();
        let endpoint = ScriptedEndpoint::start(move |_| script::answering_then(&sent, Step::Close));
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        let mut client = Connection::open(router.address());
        client.send(GET);
        assert_eq!(client.answer_head().expect("the head comes").status, 200, "{whole:?}");
        client.bytes(4 + framing as u64);
        assert_eq!(client.ending(), (Vec::new(), Fault::Reset), "{whole:?}");
    }
}

#[test]
fn an_unframed_answer_that_is_reset_is_not_ended_cleanly() {
    let half = "HTTP/1.1 200 OK\r\n\r\nhell";
    assert_eq!(broken_off(half, Step::Reset, Config::new()), Fault::Reset);
}

#[test]
fn a_body_that_stalls_is_a_reset_too() {
    for half in HALVES {
        let config = Config::new().set("timeouts.response_body_idle", "200ms");
        assert_eq!(broken_off(half, Step::UntilPeerLeaves, config), Fault::Reset, "{half:?}");
    }
}

#[test]
fn a_silent_connection_is_closed_without_an_answer() {
    let config =
        Config::new().set("timeouts.keep_alive", "200ms").set("timeouts.request_head", "100ms");
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}
