//! Bodies: whole, in step with whoever reads them, and never held in memory.

use std::time::Duration;

use crate::harness::pattern::Pattern;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, script};

/// Under TLS less: the test's own bridges would take most of the time.
const GIB: u64 = if crate::OVER_TLS { 1 << 27 } else { 1 << 30 };
/// What a router may grow by while a body of any size passes.
const ROOM_KIB: u64 = 32 << 10;

/// A router whose memory is watched, after one exchange has warmed it up.
struct Watched {
    router: Router,
    before_kib: u64,
}

impl Watched {
    fn start(endpoint: &ScriptedEndpoint) -> Self {
        let config = Config::new().route("a.test", &[endpoint.address()]);
        let router = Router::start(&config);
        let before_kib = router.memory_kib("VmRSS");
        Self { router, before_kib }
    }

    #[track_caller]
    fn stayed_small(&self) {
        // The peak, so that nothing can come and go unseen.
        let peak_kib = self.router.memory_kib("VmHWM");
        let before_kib = self.before_kib;
        assert!(peak_kib < before_kib + ROOM_KIB, "{before_kib} KiB became {peak_kib} KiB");
    }
}

fn upload(chunked: bool) {
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("thanks")));
    let watched = Watched::start(&endpoint);
    let mut client = Connection::open(watched.router.address());
    let framing = if chunked {
        "Transfer-Encoding: chunked".into()
    } else {
        format!("Content-Length: {GIB}")
    };
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n"));
    client.send_pattern(GIB, chunked);
    if chunked {
        client.send("0\r\nX-Sum: 1\r\n\r\n");
    }
    assert_eq!(client.answer("POST").text(), "thanks");
    let received = endpoint.request(0);
    assert_eq!((received.content_bytes, received.is_pattern), (GIB, true));
    assert_eq!(received.trailers.one("x-sum"), chunked.then_some("1"));
    watched.stayed_small();
}

#[test]
fn a_gibibyte_goes_up_at_constant_memory() {
    upload(false);
}

#[test]
fn a_gibibyte_goes_up_in_chunks_at_constant_memory() {
    upload(true);
}

fn download(framing: String, chunked: bool) {
    let endpoint = ScriptedEndpoint::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        let mut steps = vec![
            Step::ReadHead,
            Step::Send(head.into()),
            Step::SendPattern { bytes: GIB, chunked },
        ];
        steps.push(if chunked {
            Step::Send(b"0\r\nX-Sum: 1\r\n\r\n".to_vec())
        } else {
            Step::Close
        });
        steps
    });
    let watched = Watched::start(&endpoint);
    let mut client = Connection::open(watched.router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let (mut bytes, mut pattern) = (0, Pattern::new());
    let answer = client.answer_into("GET", &mut |piece| {
        bytes += piece.len() as u64;
        pattern.follow(piece);
    });
    let answer = answer.expect("the answer comes whole");
    assert_eq!((bytes, pattern.agrees), (GIB, true));
    assert_eq!(answer.trailers.one("x-sum"), chunked.then_some("1"));
    watched.stayed_small();
}

#[test]
fn a_gibibyte_comes_down_at_constant_memory() {
    download(format!("Content-Length: {GIB}"), false);
}

#[test]
fn a_gibibyte_comes_down_in_chunks_at_constant_memory() {
    download("Transfer-Encoding: chunked".into(), true);
}

#[test]
fn bodies_of_every_size_near_a_buffer_pass_unharmed_both_ways() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    let sizes = [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 16_384, 16_385, 32_768, 65_535, 65_536]
        .into_iter()
        .chain([65_537, 131_071, 131_072, 131_073, 1_000_000]);
    for size in sizes {
        let body = Pattern::bytes(size);
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {size}\r\n\r\n"));
        client.send(&body);
        let answer = client.answer("POST");
        assert!(answer.body.ends_with(&body), "{size} bytes with a length");
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send_pattern(size as u64, true);
        client.send("0\r\n\r\n");
        let answer = client.answer("POST");
        assert!(answer.body.ends_with(&body), "{size} bytes in chunks");
    }
}

#[test]
fn a_request_trickled_byte_by_byte_arrives_whole() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    let request = "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n";
    client.send_in_pieces(request, 1);
    assert_eq!(client.answer("POST").status, 200);
    let received = endpoint.request(0);
    assert_eq!(
        (received.content.as_slice(), received.trailers.one("x-t")),
        (&b"abcde"[..], Some("1"))
    );
}

#[test]
fn an_answer_trickled_byte_by_byte_arrives_whole() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let bytes = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\
                      transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n";
        let pause = Duration::from_micros(100);
        vec![Step::ReadHead, Step::SendInPieces { bytes: bytes.to_vec(), size: 1, pause }]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let answer = crate::harness::get(router.address(), "a.test", "/");
    assert_eq!((answer.text().as_str(), answer.trailers.one("x-t")), ("abcde", Some("1")));
}

#[test]
fn each_piece_of_an_answer_arrives_before_the_next_is_sent() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let first = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        vec![
            Step::ReadHead,
            Step::Send(first.into()),
            Step::WaitFor(held.clone()),
            Step::Send(b"6\r\nsecond\r\n0\r\n\r\n".to_vec()),
        ]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer_head().expect("the head comes at once");
    assert_eq!(client.bytes(10), b"5\r\nfirst\r\n");
    gate.open();
    assert_eq!(client.bytes(16), b"6\r\nsecond\r\n0\r\n\r\n");
}

#[test]
fn each_piece_of_a_request_arrives_before_the_next_is_sent() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\nfirst");
    eventually("the first piece at the endpoint", || {
        endpoint.requests().first().filter(|r| r.content == b"first").map(|_| ())
    });
    client.send("second");
    assert_eq!(client.answer("POST").status, 200);
    assert_eq!(endpoint.request(0).content, b"firstsecond");
}

#[test]
fn an_endpoint_that_does_not_read_stops_the_client() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::Stall]);
    let watched = Watched::start(&endpoint);
    let mut client = Connection::open(watched.router.address());
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {GIB}\r\n\r\n"));
    // What two pairs of socket buffers hold, and the router's own; a router
    // without back-pressure takes all that is offered.
    client.send_until_it_stops(Duration::from_secs(1), 64 << 20);
    watched.stayed_small();
}

#[test]
fn a_client_that_does_not_read_stops_the_endpoint() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {GIB}\r\n\r\n");
        vec![
            Step::ReadHead,
            Step::Send(head.into()),
            Step::SendPattern { bytes: GIB, chunked: false },
        ]
    });
    let watched = Watched::start(&endpoint);
    let mut client = Connection::open(watched.router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer_head().expect("the head comes");
    // All that can be in flight is in flight once the router's memory rests;
    // were the answer read without end, it would not before the GiB is over.
    let mut last = 0;
    let mut rests = 0;
    eventually("the router to rest", || {
        std::thread::sleep(Duration::from_millis(20));
        let now = watched.router.memory_kib("VmRSS");
        rests = if now == last { rests + 1 } else { 0 };
        last = now;
        (rests >= 20).then_some(())
    });
    watched.stayed_small();
    // Held back, not lost: the rest is still to be had.
    let mut pattern = Pattern::new();
    pattern.follow(&client.bytes(16 << 20));
    assert!(pattern.agrees);
}

#[test]
fn a_slow_client_that_takes_bytes_all_the_time_is_not_taken_for_a_stalled_one() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {GIB}\r\n\r\n");
        let content = Step::SendPattern { bytes: GIB, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    });
    let config = Config::new()
        .set("timeouts.response_write_idle", "2s")
        .route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.receive_little();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer_head().expect("the head comes");
    let mut pattern = Pattern::new();
    for _ in 0..300 {
        pattern.follow(&client.bytes(10_000));
        // The slowness itself.
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(pattern.agrees);
}

#[test]
fn a_client_that_leaves_within_its_body_leaves_half_a_request() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhell");
    endpoint.request_head(0);
    drop(client);
    endpoint.ending(0);
    assert!(!endpoint.requests()[0].complete);
}

#[test]
fn an_unframed_answer_ends_the_connection_of_an_http_1_0_client() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                      2\r\nhi\r\n6\r\n there\r\n0\r\n\r\n";
        script::answering(answer)
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer("GET");
    assert!(answer.fields.all("transfer-encoding").is_empty());
    assert_eq!(answer.text(), "hi there");
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}
