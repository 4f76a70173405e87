//! What a line says.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{
    Connection, Gate, RefusingEndpoint, Router, ScriptedEndpoint, Step, get, script,
};

use super::{assert_says, lines, log_file, logging_to};

/// Waits for the one line of `file`.
#[track_caller]
fn only_line(file: &Path) -> Value {
    let line = eventually("a line in the log", || lines(file).into_iter().next());
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// Asserts that a line has exactly the fields of the design.
#[track_caller]
fn assert_fields(line: &Value) {
    let mut expected = vec![
        "time",
        "request_id",
        "client",
        "method",
        "host",
        "path",
        "version",
        "status",
        "code",
        "route",
        "endpoint",
        "attempts",
        "bytes_in",
        "bytes_out",
        "duration_ms",
        "head_ms",
        "queue_ms",
        "user_agent",
        "referer",
        "tls",
        "trace_id",
    ];
    expected.sort_unstable();
    let mut fields: Vec<&str> =
        line.as_object().expect("a line is an object").keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, expected);
}

fn ms(line: &Value, field: &str) -> f64 {
    line[field].as_f64().unwrap_or_else(|| panic!("{field} is no number in {line}"))
}

#[test]
fn a_line_says_everything_about_a_get() {
    let (_directory, file) = log_file();
    let (held, gate) = (Gate::default(), Gate::default());
    let gates = (held.clone(), gate.clone());
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![
            Step::ReadHead,
            Step::WaitFor(gates.0.clone()),
            Step::Send(b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhe".to_vec()),
            Step::WaitFor(gates.1.clone()),
            Step::Send(b"llo".to_vec()),
        ]
    });
    let config = logging_to(&file).route_with("a.test", &[endpoint.address()], "path = \"/api\"");
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(
        "GET /api/x%20y?token=secret HTTP/1.1\r\nHost: A.test:80\r\nUser-Agent: a \"b\"\r\n\
         Referer: http://r.test/from?token=secret\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
    );
    endpoint.request_head(0);
    // The time before and after the head is time the line must show.
    let pause = Duration::from_millis(30);
    std::thread::sleep(pause);
    held.open();
    let head = client.answer_head().expect("the head comes");
    std::thread::sleep(pause);
    let asked_before = date(SystemTime::now(), "+%Y-%m-%dT%H:%M:%S.%3NZ");
    assert!(lines(&file).is_empty(), "a line is written when the last byte has gone");
    gate.open();
    assert_eq!(client.bytes(5), b"hello");
    let line = only_line(&file);
    assert_fields(&line);
    let text = |text: &str| Value::from(text);
    assert_says(
        &line,
        &[
            ("request_id", text(head.field("x-request-id"))),
            ("client", text(&client.local().to_string())),
            ("method", text("GET")),
            ("host", text("a.test")),
            ("path", text("/api/x%20y")),
            ("version", text("HTTP/1.1")),
            ("status", 201.into()),
            ("code", Value::Null),
            ("route", text("a.test/api")),
            ("endpoint", text(&endpoint.address().to_string())),
            ("attempts", 1.into()),
            ("bytes_in", 0.into()),
            ("bytes_out", 5.into()),
            ("queue_ms", 0.0.into()),
            ("user_agent", text("a \"b\"")),
            ("referer", text("http://r.test/from")),
            ("tls", Value::Null),
            ("trace_id", text("4bf92f3577b34da6a3ce929d0e0e4736")),
        ],
    );
    let pause_ms = pause.as_secs_f64() * 1e3;
    assert!(ms(&line, "head_ms") >= pause_ms, "{line}");
    assert!(ms(&line, "duration_ms") >= ms(&line, "head_ms") + pause_ms, "{line}");
    assert_is_recent(&line);
    let time = line["time"].as_str().expect("the time is text");
    assert!(*time < *asked_before, "{time} is not when it began, before {asked_before}");
}

/// RFC 3339 in UTC with milliseconds, less than a minute ago.
fn assert_is_recent(line: &Value) {
    let time = line["time"].as_str().expect("the time is text");
    let now = humantime(SystemTime::now());
    let earlier = humantime(SystemTime::now() - Duration::from_secs(60));
    assert_eq!(time.len(), "2026-01-01T00:00:00.000Z".len(), "{time}");
    assert!(time.ends_with('Z') && (&*earlier..=&*now).contains(&&time[..19]), "{time}");
}

fn humantime(time: SystemTime) -> String {
    date(time, "+%Y-%m-%dT%H:%M:%S")
}

/// A time as `date` writes it: an independent clock and an independent
/// calendar.
fn date(time: SystemTime, form: &str) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("it is past 1970");
    let date = ["-u", "-d", &format!("@{}.{:09}", since.as_secs(), since.subsec_nanos()), form];
    let output = Command::new("date").args(date).output().expect("date can be run");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_line_counts_the_content_of_a_post_and_nothing_else() {
    let (_directory, file) = log_file();
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("thanks")));
    let router = Router::start(&logging_to(&file).route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
         6;x=y\r\nhello \r\n4\r\nwrld\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    assert_eq!(client.answer("POST").status, 200);
    let line = only_line(&file);
    let expected = [("bytes_in", 10.into()), ("bytes_out", 6.into()), ("status", 200.into())];
    assert_says(&line, &expected);
    assert_says(&line, &[("user_agent", Value::Null), ("trace_id", Value::Null)]);
}

#[test]
fn a_trace_that_is_named_twice_is_none() {
    let (_directory, file) = log_file();
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&logging_to(&file).route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "GET / HTTP/1.1\r\nHost: a.test\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01\r\n\r\n",
    );
    assert_eq!(client.answer("GET").status, 200);
    assert_says(&only_line(&file), &[("trace_id", Value::Null)]);
}

#[test]
fn a_line_counts_the_attempts_and_names_the_last_endpoint() {
    let (_directory, file) = log_file();
    let (bad, good) = (RefusingEndpoint::start(), ScriptedEndpoint::echo("good"));
    let endpoints = [bad.address(), good.address()];
    let router = Router::start(&logging_to(&file).route("a.test", &endpoints));
    // Which one is asked first is the balance's choice; the second request
    // then begins with the other.
    let wanted = eventually("a request that began at the endpoint that refuses", || {
        assert_eq!(get(router.address(), "a.test", "/").status, 200);
        let logged = || lines(&file).len() == good.count();
        eventually("a line for every request", || logged().then_some(()));
        let lines = lines(&file).into_iter().map(|l| serde_json::from_str::<Value>(&l));
        lines.map(|line| line.expect("a line is JSON")).find(|line| line["attempts"] == 2)
    });
    assert_says(&wanted, &[("code", Value::Null), ("status", 200.into())]);
    assert_says(&wanted, &[("endpoint", good.address().to_string().into())]);
}

#[test]
fn an_answer_of_the_routers_own_has_its_code_and_no_endpoint() {
    let (_directory, file) = log_file();
    let router = Router::start(&logging_to(&file));
    let mut client = Connection::open(router.address());
    client.send("GET /x HTTP/1.0\r\nHost: none.test\r\n\r\n");
    let answer = client.answer("GET");
    let line = only_line(&file);
    assert_fields(&line);
    let null = [("route", Value::Null), ("endpoint", Value::Null), ("queue_ms", Value::Null)];
    assert_says(&line, &null);
    assert_says(&line, &[("status", 404.into()), ("code", "no-route".into())]);
    assert_says(&line, &[("attempts", 0.into()), ("version", "HTTP/1.0".into())]);
    assert_says(&line, &[("bytes_out", answer.body.len().into())]);
    assert!(ms(&line, "head_ms") <= ms(&line, "duration_ms"), "{line}");
}

#[test]
fn a_head_that_cannot_be_read_has_a_line_too() {
    let (_directory, file) = log_file();
    let router = Router::start(&logging_to(&file));
    let mut client = Connection::open(router.address());
    client.send("GET /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1, 1\r\n\r\n");
    assert_eq!(client.answer("GET").status, 400);
    let line = only_line(&file);
    assert_fields(&line);
    assert_says(&line, &[("status", 400.into()), ("code", "bad-framing".into())]);
    assert_says(&line, &[("method", "GET".into()), ("path", "/x".into())]);
}

#[test]
fn a_request_that_is_not_routed_is_logged_as_the_request_it_was() {
    let (_directory, file) = log_file();
    let router = Router::start(&logging_to(&file));
    let cases = [
        ("GET /a/../../x?t=1", "a.test", 400, Some("ambiguous-path"), "/a/../../x"),
        ("PUT /long\r\nContent-Length: 9", "", 400, Some("ambiguous-host"), "/long"),
        ("HEAD /health?t=1", "127.0.0.1", 200, None, "/health"),
        ("OPTIONS *", "a.test", 204, None, "*"),
    ];
    for (number, (line, host, status, code, path)) in cases.into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        let (line, more) = line.split_once("\r\n").unwrap_or((line, "X: y"));
        let method = line.split(' ').next().unwrap_or_default();
        client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: me\r\n{more}\r\n\r\n"));
        assert_eq!(client.answer(method).status, status, "{line}");
        let said = eventually("its line", || lines(&file).into_iter().nth(number));
        let said: Value = serde_json::from_str(&said).expect("a line is JSON");
        assert_says(&said, &[("status", status.into()), ("code", code.into())]);
        assert_says(&said, &[("method", method.into()), ("path", path.into())]);
        assert_says(&said, &[("version", "HTTP/1.1".into()), ("user_agent", "me".into())]);
        assert_says(&said, &[("route", Value::Null), ("attempts", 0.into())]);
    }
}

/// Heads that are refused, each with the code, and with method, path and version
/// as far as they were read.
fn refused_heads() -> Vec<(String, &'static str, [Option<String>; 3])> {
    let said = |method: &str, path: &str, version: &str| {
        [method, path, version].map(|text| (!text.is_empty()).then(|| text.to_owned()))
    };
    let head = |line: &str, lines: &str| format!("{line}\r\nHost: a.test\r\n{lines}\r\n");
    let post = |lines: &str| head("POST /x?t=1 HTTP/1.1", lines);
    let endless = format!("GET /{}", "a".repeat(70 << 10));
    // So much of it is kept, and the log is no place for more.
    let kept = endless["GET ".len()..][..1024].to_owned();
    let read = said("POST", "/x", "HTTP/1.1");
    vec![
        (post("Expect: x\r\n"), "expectation-failed", read.clone()),
        (post("Content-Length: 1\r\nContent-Length: 1\r\n"), "bad-framing", read.clone()),
        (post(&"X-A: 1\r\n".repeat(200)), "request-head-too-large", read),
        (head("GET /x HTTP/9.8", ""), "version-not-supported", said("GET", "/x", "HTTP/9.8")),
        (head("GET /x HTTP/1.0 y", ""), "bad-request", said("GET", "/x", "")),
        (head("GET /x", ""), "bad-request", said("GET", "/x", "")),
        (endless, "uri-too-long", said("GET", &kept, "")),
        (head("\u{16}\u{3}\u{1}", ""), "bad-request", said("", "", "")),
    ]
}

#[test]
fn a_refused_head_is_logged_as_far_as_it_was_read_and_the_rest_is_null() {
    let (_directory, file) = log_file();
    let router = Router::start(&logging_to(&file));
    for (number, (head, code, said)) in refused_heads().into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        drop(client.try_send(head));
        assert_eq!(client.answer("GET").code(), Some(code));
        let line = eventually("its line", || lines(&file).into_iter().nth(number));
        let line: Value = serde_json::from_str(&line).expect("a line is JSON");
        let fields = ["method", "path", "version"].map(|field| line[field].clone());
        assert_eq!(fields, said.map(Value::from), "{line}");
    }
}

#[test]
fn a_refused_head_is_logged_in_common_format_with_dashes_for_what_is_not_known() {
    let (_directory, file) = log_file();
    let router = Router::start(&logging_to(&file).set("access_log.format", "common"));
    for (number, (head, _, said)) in refused_heads().into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        drop(client.try_send(head));
        let answer = client.answer("GET");
        let line = eventually("its line", || lines(&file).into_iter().nth(number));
        let said = said.map(|text| text.unwrap_or_else(|| "-".to_owned()));
        let request = if said[0] == "-" { "-".to_owned() } else { said.join(" ") };
        let end = format!("] \"{request}\" {} {}", answer.status, answer.body.len());
        assert!(line.ends_with(&end), "{line} does not end with {end}");
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_is_logged_as_499_with_what_it_sent() {
    let (_directory, file) = log_file();
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let router = Router::start(&logging_to(&file).route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("PUT /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n0123456789");
    eventually("the content to be on its way", || {
        let listed = crate::admin::ask(&router, "/requests").text();
        listed.contains("\"bytes_in\":10").then_some(())
    });
    drop(client);
    let line = only_line(&file);
    assert_says(&line, &[("status", 499.into()), ("code", "client-closed".into())]);
    assert_says(&line, &[("bytes_in", 10.into()), ("bytes_out", 0.into())]);
    assert_says(&line, &[("head_ms", Value::Null), ("attempts", 1.into())]);
    assert_says(&line, &[("endpoint", endpoint.address().to_string().into())]);
}

#[test]
fn an_answer_cut_on_its_way_has_the_status_sent_and_the_code_of_the_cut() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let cut = |last: Step, leave: bool| {
        let (_directory, file) = log_file();
        let gate = Gate::default();
        let held = gate.clone();
        let endpoint = ScriptedEndpoint::start(move |_| {
            let mut script = script::answering_then(half, Step::WaitFor(held.clone()));
            script.push(last.clone());
            script
        });
        let router = Router::start(&logging_to(&file).route("a.test", &[endpoint.address()]));
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.answer_head().expect("the head comes").status, 200);
        assert_eq!(client.bytes(4), b"half");
        gate.open();
        if leave {
            drop(client);
        }
        only_line(&file)
    };
    let truncated = cut(Step::Close, false);
    assert_says(&truncated, &[("status", 200.into()), ("code", "upstream-truncated".into())]);
    assert_says(&truncated, &[("bytes_out", 4.into())]);
    let left = cut(Step::UntilPeerLeaves, true);
    assert_says(&left, &[("status", 200.into()), ("code", "client-closed".into())]);
    assert_says(&left, &[("bytes_out", 4.into())]);
}

#[test]
fn common_format_is_what_log_tools_read() {
    let (_directory, file) = log_file();
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("12345")));
    let config = logging_to(&file).set("access_log.format", "common");
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    get(router.address(), "a.test", "/p\"q?token=secret");
    let line = eventually("a line in the log", || lines(&file).into_iter().next());
    let (client, rest) = line.split_once(" - - [").expect("client, no ident, no user");
    assert_eq!(client, "127.0.0.1");
    let (date, rest) = rest.split_once("] ").expect("a date in brackets");
    assert!(date.ends_with(" +0000") && date.matches('/').count() == 2, "{date}");
    assert_eq!(rest, r#""GET /p\"q HTTP/1.1" 200 5"#);
}
