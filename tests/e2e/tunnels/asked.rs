//! What an endpoint is asked for, and answers that are no switch.

use crate::harness::record::Ended;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, script};

use super::{SWITCHED, UPGRADE, switching};

#[test]
fn an_endpoint_is_asked_for_what_can_be_tunnelled_and_for_nothing_else() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    let cases: [(&str, &[&str], Option<&str>); 17] = [
        ("Upgrade", &["websocket"], Some("websocket")),
        ("keep-alive , upGRADE", &["WebSocket"], Some("WebSocket")),
        ("upgrade", &["a/1 ,b", "c"], Some("a/1, b, c")),
        ("upgrade", &["h2c, websocket", ", HTTP/2.0,x/y"], Some("websocket, x/y")),
        ("upgrade", &["h2c"], None),
        ("upgrade", &["H2C, h2, h3, HTTP/3, TLS/1.3"], None),
        // What is no list of protocols asks for nothing (RFC 9110 section 7.8).
        ("upgrade", &["websocket, a b"], None),
        ("upgrade", &["websocket;x=1"], None),
        ("upgrade", &["\"websocket\""], None),
        ("upgrade", &["a/"], None),
        ("upgrade", &["/1"], None),
        ("upgrade", &["a/1/2"], None),
        ("upgrade", &[""], None),
        ("upgrade", &[" , "], None),
        // Without the connection option it is not meant for us.
        ("keep-alive", &["websocket"], None),
        ("upgrade-insecure-requests", &["websocket"], None),
        ("x-hop", &["websocket"], None),
    ];
    for (number, (options, lines, expected)) in cases.into_iter().enumerate() {
        let lines: String = lines.iter().map(|line| format!("Upgrade: {line}\r\n")).collect();
        client.send(format!(
            "GET /{number} HTTP/1.1\r\nHost: a.test\r\nConnection: {options}\r\n{lines}\r\n"
        ));
        assert_eq!(client.answer("GET").status, 200, "{lines}");
        let received = endpoint.request(number).fields;
        let connection = expected.map(|_| "upgrade");
        assert_eq!(received.one("upgrade"), expected, "{options} {lines}");
        assert_eq!(received.one("connection"), connection, "{options} {lines}");
    }
}

#[test]
fn an_answer_that_is_no_switch_comes_whole_and_the_connection_goes_on() {
    let answers = [
        ("200 OK", "content-length: 5\r\n\r\nplain", "plain"),
        (
            "200 OK",
            "transfer-encoding: chunked\r\n\r\n3\r\nchu\r\n4\r\nnked\r\n0\r\n\r\n",
            "chunked",
        ),
        ("403 Forbidden", "content-length: 2\r\n\r\nno", "no"),
        (
            "426 Upgrade Required",
            "upgrade: x/2\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\n!",
            "!",
        ),
        ("503 Service Unavailable", "retry-after: 1\r\ncontent-length: 4\r\n\r\nbusy", "busy"),
        ("204 No Content", "\r\n", ""),
        ("304 Not Modified", "etag: \"1\"\r\n\r\n", ""),
        // Hints before it are hints.
        (
            "103 Early Hints",
            "link: </a>\r\n\r\nHTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
            "",
        ),
    ];
    let scripts = answers.map(|(status, rest, _)| format!("HTTP/1.1 {status}\r\n{rest}"));
    let endpoint = ScriptedEndpoint::start(move |visit| match visit.request {
        0 => script::answering(&scripts[visit.connection.min(scripts.len() - 1)]),
        _ => script::echo(),
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for (number, (status, rest, content)) in answers.into_iter().enumerate() {
        client.send(UPGRADE);
        let answer = client.answer("GET");
        let last = rest.split("HTTP/1.1 ").nth(1).unwrap_or(status);
        assert_eq!(answer.status.to_string(), last[..3], "{rest}");
        assert_eq!(answer.text(), content);
        assert_eq!(answer.interim.len(), usize::from(status.starts_with('1')));
        assert!(answer.fields.all("connection").iter().all(|o| !o.contains("close")), "{rest}");
        assert_eq!(endpoint.connections(), number + 1, "a handshake has a connection of its own");
    }
}

#[test]
fn frames_sent_early_to_an_endpoint_that_declines_are_no_request() {
    let endpoint = ScriptedEndpoint::start(|_| {
        script::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    // A masked text frame.
    let frame = [0x81, 0x85, 1, 2, 3, 4, 0x69, 0x67, 0x6f, 0x68, 0x6e];
    client.send([UPGRADE.as_bytes(), &frame].concat());
    assert_eq!(client.answer("GET").text(), "no");
    let refused = client.answer("GET");
    assert_eq!((refused.status, refused.code()), (400, Some("bad-request")));
    assert_eq!(refused.field("connection"), "close");
    assert_eq!((endpoint.count(), endpoint.violations()), (1, vec![]));
}

#[test]
fn a_switch_by_an_endpoint_that_takes_no_more_of_the_request_is_none() {
    if crate::OVER_TLS {
        // The bridge takes the rest before it knows of the reset.
        return;
    }
    let endpoint =
        ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Send(SWITCHED.into()), Step::Reset]);
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: custom/1\r\n\
         Content-Length: 7\r\n\r\ncon",
    );
    assert_eq!(endpoint.ending(0).1, Ended::ByScript);
    client.send("tent");
    let answer = client.answer("POST");
    assert_eq!(answer.status, 502, "{}", answer.head);
    assert!(matches!(answer.code(), Some("upgrade-failed" | "upstream-reset")), "{}", answer.head);
}

#[test]
fn what_the_ends_say_of_their_websocket_is_theirs() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                  Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat.v2\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n\
                  Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::Send(answer.into()), Step::EchoBytes, Step::Close]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "GET /chat?room=1%2F2 HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Origin: https://a.test\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat.v1, chat.v2\r\n\
         Sec-WebSocket-Protocol: superchat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other;q=\"a,b\"\r\n\
         Cookie: session=1\r\n\r\n",
    );
    let answer = client.answer_head().expect("an answer");
    assert_eq!(answer.status, 101);
    for (name, values) in [
        ("sec-websocket-accept", vec!["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
        ("sec-websocket-protocol", vec!["chat.v2"]),
        ("sec-websocket-extensions", vec!["permessage-deflate; client_max_window_bits=12"]),
        ("set-cookie", vec!["a=1", "b=2"]),
        ("content-length", vec![]),
        ("transfer-encoding", vec![]),
    ] {
        assert_eq!(answer.fields.all(name), values, "{}", answer.head);
    }
    let asked = endpoint.request_head(0);
    assert_eq!(asked.line(), "GET /chat?room=1%2F2 HTTP/1.1");
    for (name, values) in [
        ("origin", vec!["https://a.test"]),
        ("sec-websocket-key", vec!["dGhlIHNhbXBsZSBub25jZQ=="]),
        ("sec-websocket-version", vec!["13"]),
        ("sec-websocket-protocol", vec!["chat.v1, chat.v2", "superchat"]),
        (
            "sec-websocket-extensions",
            vec!["permessage-deflate; client_max_window_bits, x-other;q=\"a,b\""],
        ),
        ("cookie", vec!["session=1"]),
    ] {
        assert_eq!(asked.fields.all(name), values, "{}", asked.head);
    }
}

#[test]
fn a_switch_and_the_first_bytes_behind_it_may_come_in_any_pieces() {
    let whole = [SWITCHED, "hello"].concat();
    for size in [1, 7, whole.len() - 5, whole.len() - 4] {
        let bytes: Vec<u8> = whole.clone().into();
        let endpoint = ScriptedEndpoint::start(move |_| {
            let pause = std::time::Duration::from_micros(200);
            let pieces = Step::SendInPieces { bytes: bytes.clone(), size, pause };
            vec![Step::ReadHead, pieces, Step::EchoBytes, Step::Close]
        });
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        let mut client = Connection::open(router.address());
        client.send_in_pieces([UPGRADE, "early"].concat(), size);
        assert_eq!(client.answer_head().expect("an answer").status, 101);
        assert_eq!(client.bytes(10), b"helloearly", "in pieces of {size}");
        client.finish_sending();
        assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    }
}

#[test]
fn only_the_first_switch_counts() {
    // The second head is the tunnel's first bytes, whatever it looks like.
    let endpoint =
        ScriptedEndpoint::start(|_| switching([Step::Send(SWITCHED.into()), Step::Close]));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = super::switched(&router);
    assert_eq!(client.ending(), (SWITCHED.into(), Fault::Closed));
}

/// A request to switch that has content and waits for a 100.
const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\n\
                         Upgrade: custom/1\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n";

/// RFC 9110 section 7.8: a 100 goes before the 101; but who sends the content
/// unasked needs none (section 10.1.1).
#[test]
fn a_switch_comes_behind_the_content_whether_a_client_waits_to_be_asked_for_it_or_not() {
    let ask = Step::Send("HTTP/1.1 100 Continue\r\n\r\n".into());
    let tunnel = [Step::ReadBody, Step::Send(SWITCHED.into()), Step::EchoBytes, Step::Close];
    let endpoint = ScriptedEndpoint::start(move |visit| {
        let asked = (visit.connection == 1).then(|| ask.clone());
        std::iter::once(Step::ReadHead).chain(asked).chain(tunnel.clone()).collect()
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    for waits in [false, true] {
        let mut client = Connection::open(router.address());
        client.send(EXPECTING);
        if waits {
            assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        client.send("contentearly");
        assert_eq!(client.answer_head().expect("an answer").status, 101, "waits: {waits}");
        assert_eq!(client.bytes(5), b"early");
        client.finish_sending();
        assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    }
}

#[test]
fn a_switch_before_the_content_was_asked_for_is_none() {
    let endpoint = ScriptedEndpoint::start(|_| switching([Step::Stall]));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(EXPECTING);
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (502, Some("upgrade-failed")), "{}", answer.head);
}
