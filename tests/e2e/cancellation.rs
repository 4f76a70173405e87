//! Clients that leave, at every stage and in every way: their endpoint
//! connection is closed, their record is gone, the log has a line of them.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::absent::UnansweringEndpoint;
use crate::harness::record::Ended;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Held, Router, Script, ScriptedEndpoint, Step, get};

/// How far an exchange has come when its client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The endpoint does not take the connection.
    Connecting,
    /// The endpoint does not answer.
    Waiting,
    /// The client has had all that the endpoint sent of its answer.
    Reading,
    /// The client takes nothing of an answer without end.
    TakingNothing,
}

/// What the client sends before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    /// A request without content.
    Get,
    /// And another one behind it.
    Pipelined,
    /// And more of them than the router reads ahead.
    ManyPipelined,
    /// Half of a request's content.
    HalfABody,
    /// Content that is larger than what the router reads ahead, and whole.
    Body,
}

/// How it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Closing,
    Resetting,
    HalfClosing,
}

const SENDS: [Sends; 5] =
    [Sends::Get, Sends::Pipelined, Sends::ManyPipelined, Sends::HalfABody, Sends::Body];
const LEAVES: [Leaves; 3] = [Leaves::Closing, Leaves::Resetting, Leaves::HalfClosing];

/// More than the 64 KiB that are read ahead, less than a socket holds.
const BEYOND_READ_AHEAD: usize = 100 << 10;
/// A connection that a client has left lasts at most this long in a test: the
/// promise is 100 ms, but a loaded machine is no failure.
const MOST: Duration = Duration::from_secs(5);

impl Stage {
    fn script(self) -> Script {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
        let mut script = vec![Step::ReadHead];
        match self {
            Self::Connecting => unreachable!("nobody takes the connection"),
            Self::Waiting => {}
            Self::Reading => script.push(Step::Send(format!("{head}begun").into())),
            Self::TakingNothing => {
                script.push(Step::Send(head.into()));
                script.push(Step::SendPattern { bytes: 1_000_000_000, chunked: false });
            }
        }
        script.push(Step::UntilPeerLeaves);
        script
    }

    /// The status in the log: what was sent, else 499.
    fn logged_status(self) -> u64 {
        match self {
            Self::Connecting | Self::Waiting => 499,
            Self::Reading | Self::TakingNothing => 200,
        }
    }
}

impl Sends {
    fn bytes(self, id: &str) -> Vec<u8> {
        let head = |method, more: &str| {
            format!("{method} /{id} HTTP/1.1\r\nHost: a.test\r\n{more}\r\n").into_bytes()
        };
        let get = head("GET", "");
        let post = head("POST", &format!("Content-Length: {BEYOND_READ_AHEAD}\r\n"));
        match self {
            Self::Get => get,
            Self::Pipelined => get.repeat(2),
            Self::ManyPipelined => get.repeat(BEYOND_READ_AHEAD / get.len() + 1),
            Self::HalfABody => [post, vec![b'x'; BEYOND_READ_AHEAD / 2]].concat(),
            Self::Body => [post, vec![b'x'; BEYOND_READ_AHEAD]].concat(),
        }
    }
}

/// A client that left; one that half-closed can still read.
struct Left {
    _staying: Option<Connection>,
    at: Instant,
}

impl Leaves {
    fn leave(self, client: Connection) -> Left {
        let at = Instant::now();
        let _staying = match self {
            Self::Closing => None,
            Self::Resetting => {
                client.reset();
                None
            }
            Self::HalfClosing => {
                client.finish_sending();
                Some(client)
            }
        };
        Left { _staying, at }
    }
}

/// Every way out of one stage: how long each endpoint connection outlived its
/// client.
fn every_way_out(stage: Stage) -> Vec<Duration> {
    let unanswering = (stage == Stage::Connecting).then(UnansweringEndpoint::start);
    let endpoint = ScriptedEndpoint::start(move |_| stage.script());
    let address = unanswering.as_ref().map_or(endpoint.address(), UnansweringEndpoint::address);
    let config = Config::new()
        .set("access_log.path", "-")
        .set("timeouts.connect", "1m")
        .route("a.test", &[address]);
    let router = Router::start(&config);
    let before = Held::at_rest(&router);
    let mut took = Vec::new();
    for (sends, leaves) in SENDS.iter().flat_map(|s| LEAVES.map(|l| (*s, l))) {
        let id = format!("{sends:?}-{leaves:?}");
        let mut client = Connection::open(router.address());
        client.send(sends.bytes(&id));
        let number = took.len();
        if stage == Stage::Connecting {
            eventually("a request that waits for its connection", || {
                (Held::by(&router).leases > 0).then_some(())
            });
        } else {
            endpoint.request_head(number);
        }
        match stage {
            Stage::Reading => {
                client.answer_head().expect("the head comes");
                assert_eq!(client.bytes(5), b"begun");
            }
            Stage::TakingNothing => wait_for_a_full_socket(&router),
            Stage::Connecting | Stage::Waiting => {}
        }
        let left = leaves.leave(client);
        let lasted = if stage == Stage::Connecting {
            eventually("the connection that never came to be given up", || {
                (router.sockets() <= before.sockets).then(|| left.at.elapsed())
            })
        } else {
            let (at, ended) = endpoint.ending(number);
            assert!(
                matches!(ended, Ended::ByPeer(Fault::Closed | Fault::Reset)),
                "{id}: {ended:?}"
            );
            at.saturating_duration_since(left.at)
        };
        assert!(lasted < MOST, "{stage:?} {id}: {lasted:?}");
        before.again(&router);
        let line = logged(&router, number);
        assert_eq!(line["path"], format!("/{id}"), "{line}");
        assert_eq!(line["code"], "client-closed", "{line}");
        assert_eq!(line["status"], stage.logged_status(), "{line}");
        assert_eq!(line["attempts"], 1, "{line}");
        took.push(lasted);
    }
    let heads = if stage == Stage::Connecting { 0 } else { took.len() };
    assert_eq!(endpoint.count(), heads, "nothing pipelined was sent on after its client");
    assert_eq!(router.stdout().len(), 2 + took.len(), "a line for each request, none for more");
    took
}

/// Waits until the answer's way to the client is full.
fn wait_for_a_full_socket(router: &Router) {
    let mut last = None;
    eventually("an answer that does not get on", || {
        let out = crate::harness::held::ask(router, "/requests");
        let out: Value = serde_json::from_str(&out).expect("a page is JSON");
        let bytes = out["requests"][0]["bytes_out"].as_u64().filter(|bytes| *bytes > 0);
        let full = bytes.is_some() && bytes == last;
        last = bytes;
        full.then_some(())
    });
}

/// The `number`th line of the access log, after the two ready lines.
fn logged(router: &Router, number: usize) -> Value {
    let line = eventually("a line of the access log", || router.stdout().get(2 + number).cloned());
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in {line}"))
}

/// Shown by `--no-capture`: what the promise of 100 ms is measured by.
fn report(stage: Stage, mut took: Vec<Duration>) {
    took.sort_unstable();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    let line = format!("{stage:?}: median {median:?}, most {most:?} of {}\n", took.len());
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
}

#[test]
fn a_client_that_leaves_while_its_endpoint_is_connected_to_is_let_go() {
    report(Stage::Connecting, every_way_out(Stage::Connecting));
}

#[test]
fn a_client_that_leaves_while_its_endpoint_does_not_answer_is_let_go() {
    report(Stage::Waiting, every_way_out(Stage::Waiting));
}

#[test]
fn a_client_that_leaves_within_its_answer_is_let_go() {
    report(Stage::Reading, every_way_out(Stage::Reading));
}

#[test]
fn a_client_that_leaves_an_answer_it_does_not_take_is_let_go() {
    report(Stage::TakingNothing, every_way_out(Stage::TakingNothing));
}

#[test]
fn within_a_head_nothing_is_begun() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.te");
    drop(client);
    // The router has dealt with it once it serves the next.
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    assert_eq!(endpoint.count(), 1);
}
