//! Who may ask for another protocol, what the endpoint is asked, and what of
//! its answer is believed.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::harness::record::{Ended, mask};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{
    Config, Connection, Gate, Held, RefusingEndpoint, Router, ScriptedEndpoint, Step,
};
use crate::harness::{get, script};

use super::{SWITCHED, UPGRADE, switched, switching};

fn router(endpoint: &ScriptedEndpoint) -> Router {
    let config = Config::new()
        .set("headers.via", "")
        .set("headers.forwarded", "off")
        .route("a.test", &[endpoint.address()]);
    Router::start(&config)
}

#[test]
fn both_sides_are_told_of_the_switch_and_nothing_else_of_the_hop() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, x-hop, Upgrade\r\n\
                      Upgrade: WebSocket\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 3\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        vec![Step::ReadHead, Step::Send(answer.into()), Step::EchoBytes, Step::Close]
    });
    let router = router(&endpoint);
    let mut client = Connection::open(router.address());
    client.send(
        "GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket, h2c\r\nX-Hop: 1\r\n\
         Connection: keep-alive, UPGRADE, x-hop\r\nTE: trailers\r\nUpgrade: TLS/1.3, other/2\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    );
    let answer = client.answer_head().expect("an answer");
    assert_eq!(
        mask(&answer.head),
        "HTTP/1.1 101 Switching Protocols\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nx-request-id: ID\r\n\
         connection: upgrade\r\nupgrade: WebSocket\r\n\r\n"
    );
    assert_eq!(
        mask(&endpoint.request_head(0).head),
        "GET /chat HTTP/1.1\r\nhost: a.test\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         x-request-id: ID\r\nconnection: te, upgrade\r\nte: trailers\r\n\
         upgrade: websocket, other/2\r\n\r\n"
    );
    client.send("and back");
    assert_eq!(client.bytes(8), b"and back");
    client.finish_sending();
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn nothing_of_what_a_client_sends_early_goes_out_before_the_switch() {
    let echo = ScriptedEndpoint::echo("other");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let config = Config::new().route("a.test", &[address]).route("b.test", &[echo.address()]);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send([UPGRADE, "early"].concat());
    let (mut endpoint, _) = listener.accept().expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        endpoint.read_exact(&mut byte).expect("the head comes");
        head.push(byte[0]);
    }
    client.send(" and more");
    // The one worker has seen what came before this.
    for _ in 0..3 {
        assert_eq!(get(router.address(), "b.test", "/").status, 200);
    }
    endpoint.set_nonblocking(true).expect("a socket can be made non-blocking");
    let nothing = endpoint.read(&mut [0; 64]).expect_err("nothing behind the head");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    endpoint.set_nonblocking(false).expect("a socket can be made blocking");
    endpoint.write_all([SWITCHED, "hello"].concat().as_bytes()).expect("it is taken");
    assert_eq!(client.answer_head().expect("an answer").status, 101);
    assert_eq!(client.bytes(5), b"hello", "right behind the head");
    let mut early = [0; 14];
    endpoint.read_exact(&mut early).expect("what came early");
    assert_eq!(&early, b"early and more");
}

#[test]
fn early_bytes_beyond_what_is_read_ahead_are_held_back_and_whole_afterwards() {
    const EARLY: u64 = 64 << 20;
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![
            Step::ReadHead,
            Step::WaitFor(held.clone()),
            Step::Send(SWITCHED.into()),
            Step::ReadToEnd,
        ]
    });
    let router = router(&endpoint);
    let mut client = Connection::open(router.address());
    client.send(UPGRADE);
    let sent = client.send_until_it_stops(Duration::from_millis(500), EARLY);
    assert!(router.memory_kib("VmRSS") < 60 << 10, "it is held where it lies");
    gate.open();
    assert_eq!(client.answer_head().expect("an answer").status, 101);
    client.send("done");
    client.finish_sending();
    eventually("all of it at the endpoint", || {
        (endpoint.request(0).content_bytes == sent + 4).then_some(())
    });
}

#[test]
fn any_answer_but_101_passes_and_the_connection_goes_on() {
    let endpoint = ScriptedEndpoint::start(|visit| match visit.request {
        0 => script::answering(
            "HTTP/1.1 426 Upgrade Required\r\nupgrade: custom/2\r\nconnection: upgrade\r\ncontent-length: 3\r\n\r\nno.",
        ),
        1 => script::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
        _ => script::echo(),
    });
    let router = router(&endpoint);
    let mut client = Connection::open(router.address());
    // The second request stands where a tunnel's first bytes would.
    client.send([UPGRADE, "GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"].concat());
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.text().as_str()), (426, "no."));
    assert_eq!(answer.fields.all("upgrade"), ["custom/2"]);
    assert_eq!(answer.fields.all("connection"), ["upgrade"]);
    let next = client.answer("GET");
    assert_eq!(next.status, 403);
    client.send("GET /third HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(client.answer("GET").text().starts_with("GET /third HTTP/1.1\r\n"));
    assert_eq!(endpoint.connections(), 1, "it was kept");
}

#[test]
fn a_switch_that_was_not_asked_for_is_refused_and_nothing_repeated() {
    let asked = UPGRADE;
    let plain = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let not_named = "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: custom/1\r\n\r\n";
    let never = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade, http2-settings\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let old = "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: custom/1\r\n\r\n";
    let expecting = "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: custom/1\r\n\
                     Expect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let head = "HTTP/1.1 101 Switching Protocols\r\n";
    let to = |lines: &str| format!("{head}{lines}\r\n");
    let cases = [
        ("unasked", plain, SWITCHED.to_owned()),
        ("not named in Connection", not_named, SWITCHED.to_owned()),
        ("h2c", never, to("connection: upgrade\r\nupgrade: h2c\r\n")),
        ("HTTP/1.0", old, SWITCHED.to_owned()),
        ("to another protocol", asked, to("connection: upgrade\r\nupgrade: websocket\r\n")),
        ("to another version", asked, to("connection: upgrade\r\nupgrade: custom/2\r\n")),
        ("to more", asked, to("connection: upgrade\r\nupgrade: custom/1, h2c\r\n")),
        ("to nothing", asked, to("connection: upgrade\r\n")),
        ("without the option", asked, to("upgrade: custom/1\r\n")),
        ("before the content was asked for", expecting, SWITCHED.to_owned()),
    ];
    for (name, request, answer) in cases {
        let make = || {
            let answer = answer.clone();
            ScriptedEndpoint::start(move |_| {
                let tunnel = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
                vec![
                    Step::ReadHead,
                    Step::Send([&answer, tunnel].concat().into()),
                    Step::UntilPeerLeaves,
                ]
            })
        };
        let (one, other) = (make(), make());
        let router =
            Router::start(&Config::new().route("a.test", &[one.address(), other.address()]));
        let mut client = Connection::open(router.address());
        client.send(request);
        let refused = client.answer("GET");
        assert_eq!((refused.status, refused.code()), (502, Some("upgrade-failed")), "{name}");
        assert!(refused.field("proxy-status").contains("error=http_upgrade_failed"), "{name}");
        assert_eq!(one.count() + other.count(), 1, "{name}");
    }
}

#[test]
fn content_goes_before_the_switch_and_what_is_behind_it_after() {
    for framing in [
        "Content-Length: 7\r\n\r\ncontent",
        "Transfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n",
    ] {
        let endpoint = ScriptedEndpoint::start(|_| {
            vec![Step::ReadHead, Step::ReadBody, Step::Send(SWITCHED.into()), Step::EchoBytes]
        });
        let router = router(&endpoint);
        let mut client = Connection::open(router.address());
        client.send(format!(
            "POST /attach HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: custom/1\r\n\
             {framing}behind"
        ));
        assert_eq!(client.answer_head().expect("an answer").status, 101);
        assert_eq!(client.bytes(6), b"behind");
        assert_eq!(endpoint.request(0).content, b"content");
    }
}

#[test]
fn a_switch_that_comes_within_the_content_waits_for_its_end() {
    let endpoint = ScriptedEndpoint::start(|_| {
        vec![
            Step::ReadHead,
            Step::Send([SWITCHED, "first"].concat().into()),
            Step::ReadBody,
            Step::EchoBytes,
        ]
    });
    let router = router(&endpoint);
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: custom/1\r\n\
         Content-Length: 7\r\n\r\ncon",
    );
    endpoint.request_head(0);
    client.send("tentbehind");
    assert_eq!(client.answer_head().expect("an answer").status, 101);
    assert_eq!(client.bytes(11), b"firstbehind");
    assert_eq!(endpoint.request(0).content, b"content");
}

#[test]
fn a_handshake_that_may_have_been_taken_is_not_repeated_and_one_that_was_not_is() {
    let resetting = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Reset]);
    let other = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Reset]);
    let both = [resetting.address(), other.address()];
    let router = Router::start(&Config::new().route("a.test", &both));
    let mut client = Connection::open(router.address());
    client.send(UPGRADE);
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
    assert_eq!(resetting.count() + other.count(), 1);

    let refusing = RefusingEndpoint::start();
    let willing = ScriptedEndpoint::start(|_| switching([Step::EchoBytes]));
    let both = [refusing.address(), willing.address()];
    let router = Router::start(&Config::new().route("a.test", &both));
    for _ in 0..4 {
        switched(&router);
    }
}

#[test]
fn a_handshake_never_meets_a_connection_that_may_have_died() {
    let endpoint = ScriptedEndpoint::start(|visit| match (visit.connection, visit.request) {
        (0, 0) => script::echo(),
        // It dies as the next request comes.
        (0, _) => vec![Step::ReadHead, Step::Close],
        _ => switching([Step::EchoBytes]),
    });
    let router = router(&endpoint);
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    switched(&router);
    assert_eq!(endpoint.connections(), 2);
}

#[test]
fn a_client_that_leaves_within_the_handshake_ends_it() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let router = router(&endpoint);
    let rest = Held::at_rest(&router);
    let mut client = Connection::open(router.address());
    client.send([UPGRADE, "early"].concat());
    endpoint.request_head(0);
    drop(client);
    assert_eq!(endpoint.ending(0).1, Ended::ByPeer(Fault::Closed));
    rest.again(&router);
}
