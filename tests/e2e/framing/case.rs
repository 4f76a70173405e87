//! One request case, and how it is run.

use crate::harness::record::mask;
use crate::harness::wire::Fault;
use crate::harness::{Answer, Config, Connection, Router, ScriptedEndpoint};

/// Bytes, and what must become of them.
pub(super) struct Case {
    name: &'static str,
    cite: &'static str,
    send: Vec<u8>,
    /// What the router answers by itself before all else.
    first: Vec<(&'static str, u16)>,
    forwarded: Vec<Message>,
    then: Then,
}

/// A request as the endpoint must receive it.
struct Message {
    head: String,
    content: Vec<u8>,
    trailers: Vec<(&'static str, &'static str)>,
}

/// What comes after the last forwarded request.
enum Then {
    /// Nothing: the connection waits for more.
    Open,
    /// The router closes, without a further answer.
    Closed,
    /// The router answers with this code, and nothing of what it refused
    /// reaches the endpoint.
    Refused(&'static str),
    /// The router answers with this code in the middle of a body: the
    /// endpoint may have a part of the request, and never the whole.
    Aborted(&'static str),
    /// The router answers by itself with this status.
    Answered(u16),
    /// The router answers with this code and closes, though the next request
    /// would be found.
    Ended(&'static str),
}

impl Case {
    /// These bytes become nothing but a refusal with this code.
    pub(super) fn refused(
        name: &'static str,
        cite: &'static str,
        code: &'static str,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(name, cite, send.as_ref(), Then::Refused(code))
    }

    /// These bytes are refused with this code after their head was taken.
    pub(super) fn aborted(
        name: &'static str,
        cite: &'static str,
        code: &'static str,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(name, cite, send.as_ref(), Then::Aborted(code))
    }

    /// The router answers these bytes itself.
    pub(super) fn answered(
        name: &'static str,
        cite: &'static str,
        status: u16,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(name, cite, send.as_ref(), Then::Answered(status))
    }

    /// These bytes are forwarded, as [`Case::seen`] says.
    pub(super) fn forwarded(
        name: &'static str,
        cite: &'static str,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(name, cite, send.as_ref(), Then::Open)
    }

    fn new(name: &'static str, cite: &'static str, send: &[u8], then: Then) -> Self {
        let (first, forwarded) = (Vec::new(), Vec::new());
        Self { name, cite, send: send.to_vec(), first, forwarded, then }
    }

    /// These bytes are refused with this code, which ends the connection.
    pub(super) fn ended(
        name: &'static str,
        cite: &'static str,
        code: &'static str,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(name, cite, send.as_ref(), Then::Ended(code))
    }

    /// The first request is one with this method, which the router answers by
    /// itself with this status, without the endpoint.
    pub(super) fn answered_first(mut self, method: &'static str, status: u16) -> Self {
        self.first.push((method, status));
        self
    }

    /// The endpoint sees a request with this head (see [`seen`]) and content.
    pub(super) fn seen(mut self, head: impl Into<String>, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref().to_vec();
        self.forwarded.push(Message { head: head.into(), content, trailers: Vec::new() });
        self
    }

    /// The endpoint sees so many requests with this head and no content.
    pub(super) fn seen_times(mut self, times: usize, head: impl Into<String>) -> Self {
        let head = head.into();
        for _ in 0..times {
            self = self.seen(head.as_str(), "");
        }
        self
    }

    /// The last request seen has these trailers.
    pub(super) fn trailing(mut self, trailers: &[(&'static str, &'static str)]) -> Self {
        let last = self.forwarded.last_mut().expect("trailers belong to a request seen");
        last.trailers = trailers.to_vec();
        self
    }

    /// After what was seen, the router refuses the rest with this code.
    pub(super) fn then_refused(mut self, code: &'static str) -> Self {
        self.then = Then::Refused(code);
        self
    }

    /// After what was seen, the router closes.
    pub(super) fn then_closed(mut self) -> Self {
        self.then = Then::Closed;
        self
    }
}

/// A request to the one host of these tests, with `lines` after its Host.
pub(super) fn request(method: &str, target: &str, lines: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n")
}

/// A GET of `/` with `lines`.
pub(super) fn get(lines: &str) -> String {
    request("GET", "/", lines)
}

/// A POST to `/` with `lines`, and these bytes behind its head.
pub(super) fn post(lines: &str, body: &str) -> String {
    request("POST", "/", lines) + body
}

/// The head the endpoint sees: `passed` lines after the host, `framing` lines
/// at the end.
pub(super) fn seen(method: &str, target: &str, passed: &str, framing: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: a.test\r\n{passed}x-request-id: ID\r\n{framing}\r\n"
    )
}

/// The head of a GET of `/` as the endpoint sees it.
pub(super) fn seen_get(passed: &str) -> String {
    seen("GET", "/", passed, "")
}

/// The framing line of a chunked body.
pub(super) const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// A router that adds nothing to a head but the request id, and its endpoint.
pub(super) struct Bench {
    router: Router,
    endpoint: ScriptedEndpoint,
    /// The requests the endpoint must have seen so far.
    expected: usize,
    failures: Vec<String>,
}

impl Bench {
    /// Runs every case, then says which went wrong, all of them.
    pub(super) fn run(cases: &[Case]) {
        let endpoint = ScriptedEndpoint::echo("one");
        let config = Config::new()
            .set("headers.via", "")
            .set("headers.forwarded", "off")
            .set("timeouts.linger", "200ms")
            .route("a.test", &[endpoint.address()]);
        let router = Router::start(&config);
        let mut bench = Self { router, endpoint, expected: 0, failures: Vec::new() };
        for case in cases {
            if let Err(why) = bench.case(case) {
                bench.failures.push(format!("{} ({}): {why}", case.name, case.cite));
                // What a failed case did to the endpoint is no later case's fault.
                bench.expected = bench.endpoint.count();
            }
        }
        let violations = bench.endpoint.violations();
        // A request cut off in its body is no violation; bytes that no strict
        // reader takes are.
        assert!(violations.is_empty(), "forwarded and not HTTP: {violations:#?}");
        let failed = bench.failures.len();
        let all = bench.failures.join("\n\n");
        assert!(failed == 0, "{failed} of {} cases failed:\n\n{all}\n", cases.len());
        assert_eq!(bench.endpoint.count(), bench.expected, "a request came that no case sent");
        assert!(bench.router.runs(), "the router ended");
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        let mut client = Connection::open(self.router.address());
        // The router may answer and close before it has read everything.
        drop(client.try_send(&case.send));
        for (method, status) in &case.first {
            let answer = client.try_answer(method).map_err(|b| format!("{b:?}"))?;
            if answer.status != *status || answer.fields.one("server") != Some("pointsman") {
                return Err(format!("not the router's own {status}: {answer:?}"));
            }
        }
        for message in &case.forwarded {
            self.forwarded(message, &mut client)?;
        }
        match case.then {
            Then::Open => {
                client.finish_sending();
                silence(&mut client)?;
            }
            Then::Closed => silence(&mut client)?,
            Then::Refused(code) => {
                self.refused(code, &mut client)?;
                let count = self.endpoint.count();
                if count != self.expected {
                    return Err("what was refused reached the endpoint".into());
                }
            }
            Then::Ended(code) => {
                self.refused(code, &mut client)?;
                silence(&mut client)?;
                if self.endpoint.count() != self.expected {
                    return Err("what was sent behind a refusal reached the endpoint".into());
                }
            }
            Then::Aborted(code) => {
                self.refused(code, &mut client)?;
                self.aborted()?;
            }
            Then::Answered(status) => {
                let answer = client.try_answer("OPTIONS").map_err(|b| format!("{b:?}"))?;
                if answer.status != status {
                    return Err(format!("not {status}: {answer:?}"));
                }
            }
        }
        Ok(())
    }

    fn forwarded(&mut self, message: &Message, client: &mut Connection) -> Result<(), String> {
        let method = message.head.split(' ').next().unwrap_or_default();
        let answer = client.try_answer(method).map_err(|b| format!("not answered: {b:?}"))?;
        if answer.status != 200 {
            return Err(format!("not forwarded: {} {}", answer.head, answer.text()));
        }
        let requests = self.endpoint.requests();
        let received = requests.get(self.expected).ok_or("it never reached the endpoint")?;
        self.expected += 1;
        let head = mask(&received.head);
        if head != message.head {
            return Err(format!("forwarded\n{head:?}\nand not as\n{:?}", message.head));
        }
        if received.content != message.content {
            return Err(format!("the content became {:?}", received.content));
        }
        let trailers = received.trailers.0.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        if !trailers.eq(message.trailers.iter().copied()) {
            return Err(format!("the trailers became {:?}", received.trailers));
        }
        Ok(())
    }

    /// The router's own answer with `code`, and the end of the connection
    /// where nobody can know where the next request would begin.
    fn refused(&self, code: &str, client: &mut Connection) -> Result<(), String> {
        let answer = client.try_answer("GET").map_err(|b| format!("not answered: {b:?}"))?;
        expect_code(&answer, code)?;
        if !ends_connection(code) {
            return Ok(());
        }
        if answer.fields.one("connection") != Some("close") {
            return Err(format!("the end is not announced: {}", answer.head));
        }
        silence(client)
    }

    /// Whatever of a request reached the endpoint is not a whole request.
    fn aborted(&mut self) -> Result<(), String> {
        let requests = self.endpoint.requests();
        for received in &requests[self.expected..] {
            self.endpoint.ending(received.connection);
        }
        let requests = self.endpoint.requests();
        let whole = requests[self.expected..].iter().any(|received| received.complete);
        self.expected = requests.len();
        if whole { Err("the endpoint has the whole of a refused request".into()) } else { Ok(()) }
    }
}

/// The connection ends cleanly and nothing more comes.
fn silence(client: &mut Connection) -> Result<(), String> {
    match client.ending() {
        (rest, Fault::Closed) if rest.is_empty() => Ok(()),
        other => Err(format!("not closed in silence: {other:?}")),
    }
}

fn expect_code(answer: &Answer, code: &str) -> Result<(), String> {
    if answer.code() != Some(code) || answer.status != status_of(code) {
        return Err(format!("not {code}: {} {}", answer.head, answer.text()));
    }
    Ok(())
}

/// The error table of the design, as far as these cases need it.
fn status_of(code: &str) -> u16 {
    match code {
        "bad-request" | "bad-framing" | "ambiguous-host" | "ambiguous-path" => 400,
        "no-route" => 404,
        "method-not-allowed" => 405,
        "uri-too-long" => 414,
        "expectation-failed" => 417,
        "request-head-too-large" => 431,
        "version-not-supported" => 505,
        other => panic!("no status is known for {other}"),
    }
}

/// After these nobody knows where the next request begins.
fn ends_connection(code: &str) -> bool {
    matches!(
        code,
        "bad-request"
            | "bad-framing"
            | "uri-too-long"
            | "request-head-too-large"
            | "version-not-supported"
    )
}
