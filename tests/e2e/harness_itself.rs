//! The harness, tested without a router: a test that leans on it can only be
//! as right as it is.

use std::time::Duration;

use crate::harness::pattern::Pattern;
use crate::harness::record::{Ended, mask};
use crate::harness::script::{self, ok};
use crate::harness::wire::{self, Fault, Framing};
use crate::harness::{Connection, Gate, RefusingEndpoint, ScriptedEndpoint, Step, Visit, get};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn an_echo_answers_with_the_bytes_it_received() {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut client = Connection::open(endpoint.address());
    client.send_in_pieces("POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc", 7);
    let answer = client.answer("POST");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("x-endpoint"), "one");
    assert_eq!(answer.text(), "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    let received = endpoint.request(0);
    assert_eq!(received.line(), "POST /p HTTP/1.1");
    assert_eq!(received.content, b"abc");
    assert!(received.complete);
}

#[test]
fn an_echo_keeps_the_connection_and_gives_head_no_content() {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut client = Connection::open(endpoint.address());
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer("HEAD").text(), "");
    assert_eq!(client.answer("GET").text(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((endpoint.connections(), endpoint.count()), (1, 2));
}

#[test]
fn chunks_and_trailers_are_read_on_both_sides() {
    let reply =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(move |_| script::answering(reply));
    let mut client = Connection::open(endpoint.address());
    client.send(
        "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-u: 2\r\n\r\n",
    );
    let answer = client.answer("PUT");
    assert_eq!((answer.text().as_str(), answer.trailers.one("x-t")), ("hi", Some("1")));
    let received = endpoint.request(0);
    assert_eq!(
        (received.content.as_slice(), received.trailers.one("x-u")),
        (&b"abc"[..], Some("2"))
    );
}

#[test]
fn a_refusing_endpoint_refuses() {
    let endpoint = RefusingEndpoint::start();
    let outcome = Connection::try_open(endpoint.address()).map(|_| ());
    let refused = outcome.expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_reset_and_a_close_can_be_told_apart() {
    let endpoint = ScriptedEndpoint::start(|visit: Visit| match visit.connection {
        0 => vec![Step::ReadHead, Step::Reset],
        1 => vec![Step::ReadHead, Step::Close],
        _ => vec![Step::Reset],
    });
    let fault = || {
        // A reset at accept may be faster than the connect that it follows.
        let Ok(mut client) = Connection::try_open(endpoint.address()) else {
            return Fault::Reset;
        };
        drop(client.try_send(GET));
        client.ending().1
    };
    assert_eq!(fault(), Fault::Reset);
    assert_eq!(fault(), Fault::Closed);
    assert_eq!(fault(), Fault::Reset);
    assert_eq!(endpoint.ending(1).1, Ended::ByScript);
}

#[test]
fn a_response_that_breaks_off_is_given_as_far_as_it_came() {
    let endpoint = ScriptedEndpoint::start(|_| {
        script::answering_then("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Step::Close)
    });
    let mut client = Connection::open(endpoint.address());
    client.send(GET);
    let broken = client.try_answer("GET").expect_err("six bytes are missing");
    assert_eq!(broken.fault, Fault::Closed);
    assert_eq!(broken.answer.expect("the head came").text(), "abc");
}

#[test]
fn a_head_that_breaks_off_leaves_its_bytes_unread() {
    let endpoint =
        ScriptedEndpoint::start(|_| script::answering_then("HTTP/1.1 200 OK\r\ncont", Step::Close));
    let mut client = Connection::open(endpoint.address());
    client.send(GET);
    let broken = client.try_answer("GET").expect_err("the head is half");
    assert!(broken.answer.is_none());
    assert_eq!(broken.unread, b"HTTP/1.1 200 OK\r\ncont");
}

#[test]
fn informational_heads_are_kept_apart_from_the_final_one() {
    let reply = format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{}", ok("done"));
    let endpoint = ScriptedEndpoint::start(move |_| script::answering(&reply));
    let answer = get(endpoint.address(), "a.test", "/");
    assert_eq!(answer.text(), "done");
    assert_eq!(answer.interim.len(), 1);
    assert_eq!(answer.interim[0].fields.one("link"), Some("</a>"));
}

#[test]
fn a_gate_holds_an_answer_until_it_is_opened() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(ok("late").into())]
    });
    let mut client = Connection::open(endpoint.address());
    client.send(GET);
    endpoint.request_head(0);
    gate.open();
    assert_eq!(client.answer("GET").text(), "late");
}

#[test]
fn a_stalled_connection_ends_with_its_endpoint() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Stall]);
    let mut client = Connection::open(endpoint.address());
    client.send(GET);
    endpoint.request_head(0);
    drop(endpoint);
    assert_eq!(client.ending().1, Fault::Closed);
}

#[test]
fn a_peer_that_leaves_is_noticed_and_how_it_left() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    for (number, how) in [Fault::Closed, Fault::Reset].into_iter().enumerate() {
        let mut client = Connection::open(endpoint.address());
        client.send(GET);
        endpoint.request_head(number);
        if how == Fault::Reset {
            client.reset();
        } else {
            drop(client);
        }
        assert_eq!(endpoint.ending(number).1, Ended::ByPeer(how));
    }
}

#[test]
fn the_pattern_notices_a_missing_byte() {
    let bytes = Pattern::bytes(200_000);
    let mut whole = Pattern::new();
    bytes.chunks(777).for_each(|piece| whole.follow(piece));
    assert!(whole.agrees);
    let mut gap = Pattern::new();
    gap.follow(&bytes[..100_000]);
    gap.follow(&bytes[100_001..]);
    assert!(!gap.agrees);
}

#[test]
fn a_patterned_body_is_recognised_on_both_sides() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        vec![
            Step::ReadHead,
            Step::ReadBody,
            Step::Send(head.into()),
            Step::SendPattern { bytes: 300_000, chunked: true },
            Step::Send(b"0\r\n\r\n".to_vec()),
        ]
    });
    let mut client = Connection::open(endpoint.address());
    client.send("PUT / HTTP/1.1\r\ncontent-length: 3000000\r\n\r\n");
    client.send_pattern(3_000_000, false);
    assert_eq!(client.answer("PUT").body, Pattern::bytes(300_000));
    let received = endpoint.request(0);
    assert_eq!((received.content_bytes, received.is_pattern), (3_000_000, true));
}

#[test]
fn a_forwarded_request_that_is_not_http_is_a_violation() {
    let endpoint = ScriptedEndpoint::echo("one");
    for bad in [
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nx: a\nb\r\n\r\n",
        "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    ] {
        let seen = endpoint.violations().len();
        let mut client = Connection::open(endpoint.address());
        client.send(bad);
        client.ending();
        assert_eq!(endpoint.violations().len(), seen + 1, "{bad:?}");
    }
}

#[test]
fn a_head_is_taken_apart_without_leniency() {
    let head = wire::parse_head(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie:\t b \r\n\r\n");
    let head = head.expect("it is a head");
    assert_eq!(head.start, "HTTP/1.1 200 OK");
    assert_eq!(head.fields.all("set-cookie"), ["a", "b"]);
    assert_eq!(head.fields.one("set-cookie"), None);
    assert_eq!(wire::response_framing(&head, 200, "GET"), Ok(Framing::UntilClose));
    assert_eq!(wire::response_framing(&head, 304, "GET"), Ok(Framing::None));
}

#[test]
fn only_the_request_id_is_masked() {
    let head = "GET / HTTP/1.1\r\nx-request-id: 0190\r\nx-other: 0190\r\n\r\n";
    assert_eq!(mask(head), "GET / HTTP/1.1\r\nx-request-id: ID\r\nx-other: 0190\r\n\r\n");
}

#[test]
fn a_trickled_answer_arrives_whole() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let pieces = Step::SendInPieces {
            bytes: ok("slow").into_bytes(),
            size: 5,
            pause: Duration::from_millis(1),
        };
        vec![Step::ReadHead, pieces]
    });
    assert_eq!(get(endpoint.address(), "a.test", "/").text(), "slow");
}
