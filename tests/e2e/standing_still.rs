//! A router that stands still for a while, as with a machine that is suspended or
//! has too much to do: what came in time meanwhile is not late.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint};

/// The clock that runs out while the router stands still.
const CLOCK: &str = "1s";
const TIME: Duration = Duration::from_secs(1);

/// A router with this clock before this endpoint.
#[track_caller]
fn before(endpoint: SocketAddr, clock: &str) -> Router {
    let config = Config::new().set("workers.threads", 1).set("retry.attempts", 1);
    Router::start(&config.set(clock, CLOCK).route("a.test", &[endpoint]))
}

/// The connection of the next request, whose head has come.
fn request(endpoint: &TcpListener) -> TcpStream {
    let (stream, _) = endpoint.accept().expect("a request comes");
    let mut lines = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(lines.read_line(&mut head).expect("a head comes") > 0, "the head is whole");
    }
    stream
}

fn answer(mut stream: TcpStream) {
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).expect("the router's system takes it");
}

/// Has the router stand still while `act` acts, and until a clock that began
/// before has run out; whether it acted in `TIME` from `begun` on.
fn standing_still(router: &Router, begun: Instant, act: impl FnOnce()) -> bool {
    router.suspend();
    eventually("its threads to stand still", || stand_still(router).then_some(()));
    let still_since = Instant::now();
    act();
    let in_time = begun.elapsed() < TIME;
    eventually("the clock to run out", || (still_since.elapsed() > TIME * 2).then_some(()));
    router.resume();
    in_time
}

/// Whether no thread of it runs, nor has a wait to end before it stops.
fn stand_still(router: &Router) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", router.id()));
    threads.expect("a process has threads").all(|thread| {
        // One may end between the listing and the reading.
        let stat = thread.and_then(|thread| fs::read_to_string(thread.path().join("stat")));
        stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    })
}

#[test]
fn an_answer_that_came_while_the_router_stood_still_is_not_late() {
    // The test itself plays it, so that it knows when it answered.
    let endpoint = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = endpoint.local_addr().expect("a bound socket has an address");
    let router = before(address, "timeouts.attempt_head");
    // Again where the test itself was too slow.
    eventually("an answer in time", || {
        let begun = Instant::now();
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let stream = request(&endpoint);
        let in_time = standing_still(&router, begun, || answer(stream));
        let status = client.answer("GET").status;
        in_time.then(|| assert_eq!(status, 200))
    });
}

#[test]
fn a_request_whose_rest_came_while_the_router_stood_still_is_not_late() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = before(endpoint.address(), "timeouts.request_head");
    eventually("a request in time", || {
        let begun = Instant::now();
        let mut first = Connection::open(router.address());
        first.send("GET /first HTTP/1.1\r\n");
        // The one worker has seen that much when it serves who came later.
        let mut second = Connection::open(router.address());
        second.send("GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(second.answer("GET").status, 200);
        let rest = || first.send("Host: a.test\r\n\r\n");
        let in_time = standing_still(&router, begun, rest);
        let status = first.answer("GET").status;
        in_time.then(|| assert_eq!(status, 200))
    });
}
