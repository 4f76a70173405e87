//! One response case, and how it is run.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::harness::record::mask;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, Script, ScriptedEndpoint, Step};

/// What an endpoint answers, and what must become of it.
pub(super) struct ResponseCase {
    name: &'static str,
    cite: &'static str,
    method: &'static str,
    answer: Vec<u8>,
    last: Option<Step>,
    expect: Expect,
}

enum Expect {
    /// The client receives exactly this head (the request id masked) and content.
    Passed { head: String, content: Vec<u8>, trailers: Vec<(&'static str, &'static str)> },
    /// The client receives the router's own answer with this code and status.
    Refused(&'static str, u16),
    /// The connection breaks off before the response is whole: with a reset,
    /// whether its head was sent on by then or not.
    CutShort,
}

impl ResponseCase {
    /// `answer` to a GET; the endpoint keeps the connection.
    pub(super) fn new(name: &'static str, cite: &'static str, answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self { name, cite, method: "GET", answer, last: None, expect: Expect::CutShort }
    }

    /// To a request with another method.
    pub(super) fn to(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// The endpoint then closes.
    pub(super) fn closing(mut self) -> Self {
        self.last = Some(Step::Close);
        self
    }

    /// The endpoint then resets.
    pub(super) fn resetting(mut self) -> Self {
        self.last = Some(Step::Reset);
        self
    }

    /// The client receives this.
    pub(super) fn passes(mut self, head: impl Into<String>, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref().to_vec();
        self.expect = Expect::Passed { head: head.into(), content, trailers: Vec::new() };
        self
    }

    /// And these trailers.
    pub(super) fn trailing(mut self, kept: &[(&'static str, &'static str)]) -> Self {
        match &mut self.expect {
            Expect::Passed { trailers, .. } => *trailers = kept.to_vec(),
            _ => panic!("trailers belong to a response that passes"),
        }
        self
    }

    /// The client receives the router's own answer.
    pub(super) fn refused(mut self, code: &'static str) -> Self {
        self.expect = Expect::Refused(code, 502);
        self
    }
}

/// The head the client sees: the passed lines, then the request id, then the
/// framing lines.
pub(super) fn seen(status: &str, passed: &str, framing: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{passed}x-request-id: ID\r\n{framing}\r\n")
}

/// The framing line of a chunked response.
pub(super) const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// Runs every case, then says which went wrong, all of them.
pub(super) fn run(cases: &[ResponseCase]) {
    let script = Arc::new(Mutex::new(Script::new()));
    let current = Arc::clone(&script);
    let endpoint = ScriptedEndpoint::start(move |_| {
        // The script of a request is asked for before its head has come, so
        // the answer is looked up once it has.
        vec![Step::ReadHead, Step::ReadBody, Step::Defer(Arc::clone(&current))]
    });
    let config = Config::new().set("retry.attempts", 1).route("a.test", &[endpoint.address()]);
    let mut router = Router::start(&config);
    let mut failures = Vec::new();
    for case in cases {
        *script.lock() =
            std::iter::once(Step::Send(case.answer.clone())).chain(case.last.clone()).collect();
        if let Err(why) = check(case, &router) {
            failures.push(format!("{} ({}): {why}", case.name, case.cite));
        }
        // The connection after a refused answer must not serve again, and one
        // that may must still be in step: the next exchange shows it.
        *script.lock() =
            vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext".into())];
        if let Err(why) = next(&router) {
            failures.push(format!("{} ({}): afterwards {why}", case.name, case.cite));
        }
    }
    let all = failures.join("\n\n");
    assert!(failures.is_empty(), "{} of {} failed:\n\n{all}\n", failures.len(), cases.len());
    assert!(router.runs(), "the router ended");
}

fn check(case: &ResponseCase, router: &Router) -> Result<(), String> {
    let mut client = Connection::open(router.address());
    client.send(format!("{} / HTTP/1.1\r\nHost: a.test\r\n\r\n", case.method));
    let outcome = client.try_answer(case.method);
    match &case.expect {
        Expect::Passed { head, content, trailers } => {
            let answer = outcome.map_err(|broken| format!("{broken:?}"))?;
            let received = mask(&answer.head);
            if received != *head {
                return Err(format!("passed on as\n{received:?}\nand not as\n{head:?}"));
            }
            if answer.body != *content {
                return Err(format!("the content became {:?}", answer.text()));
            }
            let kept = answer.trailers.0.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            if !kept.eq(trailers.iter().copied()) {
                return Err(format!("the trailers became {:?}", answer.trailers));
            }
        }
        Expect::Refused(code, status) => {
            let answer = outcome.map_err(|broken| format!("{broken:?}"))?;
            if answer.code() != Some(code) || answer.status != *status {
                return Err(format!("not {code}: {} {}", answer.head, answer.text()));
            }
        }
        Expect::CutShort => match outcome {
            Ok(answer) => return Err(format!("taken for whole: {answer:?}")),
            // A clean end of the connection would be the end of the content,
            // where nothing else marks it.
            Err(broken) if broken.fault != Fault::Reset => {
                return Err(format!("broke off, and not with a reset: {broken:?}"));
            }
            Err(_) => {}
        },
    }
    Ok(())
}

fn next(router: &Router) -> Result<(), String> {
    let mut client = Connection::open(router.address());
    client.send("GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n");
    match client.try_answer("GET") {
        Ok(answer) if answer.status == 200 && answer.body == b"next" => Ok(()),
        other => Err(format!("the next exchange got {other:?}")),
    }
}
