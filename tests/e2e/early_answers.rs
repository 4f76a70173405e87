//! Answers that come while the client still uploads, to clients that send
//! all they can before they read.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::harness::{Answer, Config, Connection, Gate, Router, ScriptedEndpoint, Step};

/// Larger than what a client's socket takes in before anyone reads it.
const REFUSAL_BYTES: usize = 300_000;
/// More than `limits.linger_bytes`.
const SENT_FIRST_BYTES: usize = 4_000_000;

fn refusal(bytes: usize) -> Vec<u8> {
    let body = "x".repeat(bytes);
    let head = format!("HTTP/1.1 413 Content Too Large\r\ncontent-length: {bytes}\r\n\r\n");
    (head + &body).into_bytes()
}

/// Sends part of a large upload, not looking at what comes, then reads.
#[track_caller]
fn send_much_then_read(router: SocketAddr, framing: &str, content: &[u8]) -> Answer {
    let mut client = Connection::open(router);
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n"));
    client.send(content);
    client.answer("POST")
}

#[test]
fn a_large_refusal_by_the_app_reaches_a_client_that_sends_before_it_reads() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let refusal = refusal(REFUSAL_BYTES);
        vec![Step::ReadHead, Step::ReadBytes(1000), Step::Send(refusal), Step::UntilPeerLeaves]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    for _ in 0..5 {
        let content = vec![b'x'; SENT_FIRST_BYTES];
        let framing = "Content-Length: 100000000";
        let answer = send_much_then_read(router.address(), framing, &content);
        assert_eq!((answer.status, answer.body.len()), (413, REFUSAL_BYTES));
    }
}

#[test]
fn a_refusal_by_an_app_that_reads_no_more_and_stays_reaches_the_client() {
    let endpoint = ScriptedEndpoint::start(|_| {
        vec![Step::ReadHead, Step::Send(refusal(REFUSAL_BYTES)), Step::Stall]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let content = vec![b'x'; SENT_FIRST_BYTES];
    let answer = send_much_then_read(router.address(), "Content-Length: 100000000", &content);
    assert_eq!((answer.status, answer.body.len()), (413, REFUSAL_BYTES));
}

#[test]
fn a_refusal_by_an_app_that_closes_with_input_unread_reaches_the_client() {
    for last in [Step::Close, Step::Reset] {
        let endpoint = ScriptedEndpoint::start(move |_| {
            let refusal = refusal(3);
            vec![Step::ReadHead, Step::ReadBytes(1000), Step::Send(refusal), last.clone()]
        });
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        for _ in 0..20 {
            let content = vec![b'x'; SENT_FIRST_BYTES];
            let framing = "Content-Length: 100000000";
            let answer = send_much_then_read(router.address(), framing, &content);
            assert_eq!((answer.status, answer.text().as_str()), (413, "xxx"));
        }
    }
}

#[test]
fn the_routers_own_refusals_reach_a_client_that_sends_before_it_reads() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("limits.request_body_bytes", 1000).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let content = vec![b'x'; SENT_FIRST_BYTES];
    let chunk = [b"3d0900\r\n", &content[..], b"\r\n"].concat();
    let garbage = [b"zzz\r\n", &content[..]].concat();
    let cases: [(&str, &[u8], u16, &str); 4] = [
        ("Content-Length: 100000000", &content, 413, "request-body-too-large"),
        ("Transfer-Encoding: chunked", &chunk, 413, "request-body-too-large"),
        ("Transfer-Encoding: chunked", &garbage, 400, "bad-framing"),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", &content, 400, "bad-framing"),
    ];
    for (framing, content, status, code) in cases {
        let answer = send_much_then_read(router.address(), framing, content);
        assert_eq!((answer.status, answer.code()), (status, Some(code)), "{framing}");
    }
}

#[test]
fn an_upload_goes_on_whole_although_its_answer_has_begun() {
    const CONTENT: u64 = 64 << 20;
    let [answer, read] = [Gate::default(), Gate::default()];
    let gates = [answer.clone(), read.clone()];
    let endpoint = ScriptedEndpoint::start(move |_| {
        let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        vec![
            Step::ReadHead,
            Step::WaitFor(gates[0].clone()),
            Step::Send(begun.into()),
            Step::WaitFor(gates[1].clone()),
            Step::ReadBody,
            Step::Send(b"4\r\ndone\r\n0\r\n\r\n".to_vec()),
        ]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {CONTENT}\r\n\r\n"));
    // Every buffer on the way is full when the answer begins.
    let sent = client.send_until_it_stops(Duration::from_millis(500), CONTENT);
    answer.open();
    assert_eq!(client.answer_head().expect("the answer begins").status, 200);
    read.open();
    client.send(vec![b'x'; usize::try_from(CONTENT - sent).expect("it fits")]);
    assert_eq!(client.bytes(14), b"4\r\ndone\r\n0\r\n\r\n"[..14]);
    assert_eq!(endpoint.request(0).content_bytes, CONTENT);
}

#[test]
fn an_early_answer_reaches_a_client_that_still_uploads() {
    let body = "x".repeat(300_000);
    let answer = format!(
        "HTTP/1.1 413 Content Too Large\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::Send(answer.clone().into()), Step::UntilPeerLeaves]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\nsome");
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.body.len()), (413, 300_000));
}

#[test]
fn an_early_answer_before_a_reset_reaches_the_client() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
        vec![Step::ReadHead, Step::ReadBytes(10), Step::Send(answer.into()), Step::Close]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n0123456789");
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
}

#[test]
fn an_upload_behind_an_early_answer_head_loses_nothing() {
    const BODY_BYTES: u64 = 32 << 20;
    let (stalled, read) = (Gate::default(), Gate::default());
    let (answer_at, read_at) = (stalled.clone(), read.clone());
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![
            Step::ReadHead,
            Step::WaitFor(answer_at.clone()),
            Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n".to_vec()),
            Step::WaitFor(read_at.clone()),
            Step::ReadBody,
            Step::Send(b"done".to_vec()),
        ]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {BODY_BYTES}\r\n\r\n"));
    // The endpoint takes nothing, so content lies in the router when the
    // answer's head comes. It is the endpoint's, to the last byte.
    let sent = client.send_until_it_stops(Duration::from_millis(500), BODY_BYTES);
    stalled.open();
    assert_eq!(client.answer_head().expect("the head comes at once").status, 200);
    read.open();
    client.send(vec![b'x'; (BODY_BYTES - sent) as usize]);
    assert_eq!(client.bytes(4), b"done");
    assert_eq!(endpoint.request(0).content_bytes, BODY_BYTES);
}

#[test]
fn an_upload_goes_on_while_nobody_takes_its_answer() {
    // More than all buffers on the way, in both directions.
    const BYTES: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let endpoint = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the router connects");
        let mut request = Vec::new();
        let mut piece = vec![0; 1 << 16];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut piece).expect("the head comes");
            assert_ne!(read, 0, "the head is whole");
            request.extend_from_slice(&piece[..read]);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the router takes the head");
        // Answers as far as anyone takes it, and only then reads on.
        stream.set_write_timeout(Some(Duration::from_millis(500))).expect("it is a socket");
        let (mut left, answer) = (BYTES, vec![b'a'; 1 << 16]);
        while left > 0 {
            match stream.write(&answer[..answer.len().min(left)]) {
                Ok(written) => left -= written,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let head = request.windows(4).position(|end| end == b"\r\n\r\n").expect("it is there");
        let mut content = request.len() - head - 4;
        while content < BYTES {
            let read = stream.read(&mut piece).expect("the upload goes on");
            assert_ne!(read, 0, "the upload is whole");
            content += read;
        }
        stream.set_write_timeout(None).expect("it is a socket");
        stream.write_all(&vec![b'a'; left]).expect("the router takes the rest");
    });
    let router = Router::start(&Config::new().route("a.test", &[address]));
    let mut client = Connection::open(router.address());
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {BYTES}\r\n\r\n"));
    assert_eq!(client.answer_head().expect("the answer begins").status, 200);
    client.send(vec![b'x'; BYTES]);
    assert_eq!(client.bytes(BYTES as u64).len(), BYTES);
    endpoint.join().expect("it has seen everything");
}

#[test]
fn an_endpoint_that_takes_no_more_of_the_request_may_still_finish_its_answer() {
    let begun = Gate::default();
    let at = begun.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let head = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 40\r\n\r\n";
        // Many times longer than it may leave the request lying.
        let pause = Duration::from_millis(50);
        let slowly = Step::SendInPieces { bytes: vec![b'x'; 40], size: 1, pause };
        vec![
            Step::ReadHead,
            Step::WaitFor(at.clone()),
            Step::Send(head.into()),
            slowly,
            Step::UntilPeerLeaves,
        ]
    });
    let config = Config::new().set("timeouts.request_write_idle", "5s");
    let more = "request_write_idle = \"200ms\"";
    let router = Router::start(&config.route_with("a.test", &[endpoint.address()], more));
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n");
    begun.open();
    assert_eq!(client.answer_head().expect("the answer begins").status, 413);
    client.send_until_it_stops(Duration::from_millis(100), 1_000_000_000);
    assert_eq!(client.bytes(40), [b'x'; 40]);
}
