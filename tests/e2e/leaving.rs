//! A client that leaves takes along what was begun for it, at every stage, and
//! with bytes unread as well: promise 3 of the design.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::record::Ended;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Generous towards a loaded machine, and far below every clock of the router.
const SOON: Duration = Duration::from_secs(5);

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Goes {
    Closing,
    Resetting,
    /// A FIN before the response ends counts as leaving.
    HalfClosing,
}

/// Sends `request` to a router in front of an endpoint with this script; once
/// `until` says so, leaves, and sees that nothing stays behind.
#[track_caller]
fn leaves_nothing_behind(
    script: Vec<Step>,
    request: &[u8],
    until: impl Fn(&ScriptedEndpoint, &mut Connection, &Router),
) {
    for goes in [Goes::Closing, Goes::Resetting, Goes::HalfClosing] {
        let script = script.clone();
        let endpoint = ScriptedEndpoint::start(move |_| script.clone());
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        let mut client = Connection::open(router.address());
        client.send(request);
        until(&endpoint, &mut client, &router);
        let left = Instant::now();
        // Kept where only one side ends, or dropping it would end the other.
        let _half = match goes {
            Goes::Closing => {
                drop(client);
                None
            }
            Goes::Resetting => {
                client.reset();
                None
            }
            Goes::HalfClosing => {
                client.finish_sending();
                Some(client)
            }
        };
        let (ended, how) = endpoint.ending(0);
        assert!(matches!(how, Ended::ByPeer(_)), "{goes:?}: {how:?}");
        let took = ended.duration_since(left);
        assert!(took < SOON, "{goes:?}: the endpoint was left waiting {took:?}");
        eventually("no request to be in flight", || in_flight(&router).is_empty().then_some(()));
        assert_eq!(endpoint.count(), 1, "{goes:?}: it was sent again for nobody");
    }
}

fn in_flight(router: &Router) -> Vec<Value> {
    let listed = get(router.admin(), &router.admin().to_string(), "/requests").text();
    let listed: Value = serde_json::from_str(&listed).expect("a list in JSON");
    listed["requests"].as_array().cloned().expect("a list of requests")
}

fn head_came(endpoint: &ScriptedEndpoint, _client: &mut Connection, _router: &Router) {
    endpoint.request_head(0);
}

#[test]
fn while_the_endpoint_is_thinking() {
    leaves_nothing_behind(vec![Step::ReadHead, Step::UntilPeerLeaves], GET.as_bytes(), head_came);
}

#[test]
fn while_the_endpoint_is_thinking_with_another_request_unread() {
    let two = GET.repeat(2);
    leaves_nothing_behind(vec![Step::ReadHead, Step::UntilPeerLeaves], two.as_bytes(), head_came);
}

#[test]
fn while_the_endpoint_is_thinking_with_many_requests_unread() {
    // More than one read takes, and less than is read ahead.
    let many = GET.repeat(1000);
    leaves_nothing_behind(vec![Step::ReadHead, Step::UntilPeerLeaves], many.as_bytes(), head_came);
}

#[test]
fn while_it_uploads() {
    let half = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhell";
    leaves_nothing_behind(vec![Step::ReadHead, Step::UntilPeerLeaves], half.as_bytes(), head_came);
}

#[test]
fn after_it_uploaded() {
    let whole = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";
    leaves_nothing_behind(vec![Step::ReadHead, Step::UntilPeerLeaves], whole.as_bytes(), head_came);
}

#[test]
fn while_an_answer_is_under_way() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell".to_vec();
    let script = vec![Step::ReadHead, Step::Send(half), Step::UntilPeerLeaves];
    leaves_nothing_behind(script, GET.as_bytes(), |_, client, _| {
        assert_eq!(client.answer_head().expect("the head comes").status, 200);
        assert_eq!(client.bytes(4), b"hell");
    });
}

#[test]
fn while_an_answer_is_under_way_that_it_does_not_read() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
    let script = vec![
        Step::ReadHead,
        Step::Send(head),
        Step::SendPattern { bytes: 1_000_000_000, chunked: false },
    ];
    leaves_nothing_behind(script, GET.as_bytes(), |_, client, router| {
        assert_eq!(client.answer_head().expect("the head comes").status, 200);
        // Every buffer is full once the count of bytes written rests.
        let (mut last, mut rests) = (None, 0);
        eventually("the router to wait for its client", || {
            let now = in_flight(router).first().map(|request| request["bytes_out"].clone());
            rests = if now.is_some() && now == last { rests + 1 } else { 0 };
            last = now;
            (rests == 50).then_some(())
        });
    });
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
