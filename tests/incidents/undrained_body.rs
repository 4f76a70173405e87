//! A workspace platform's hourly job asked a registry for image tags and forgot
//! to close the responses' bodies: two tasks and a socket more with every poll,
//! found only after weeks.
//!
//! Here an answer owns its connection. An answer that is not read to its end
//! takes the connection along when it is dropped; one that is goes back to a
//! pool, which is looked through now and then, since an endpoint that is asked
//! once an hour is not asked in time to notice (`Guard::Sweep`).

use crate::builds::Build;
use crate::harness::{Config, Connection, Held, Script, ScriptedEndpoint, Step};

/// Endpoints polled, each with a pool of its own.
const POLLED: usize = 30;
/// Polls of each, by each kind of client.
const HOURS: usize = 12;

/// Ways to answer, by the target. What is retried has a body too.
fn answer(target: &str) -> Script {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntags";
    let send = |text: &str| Step::Send(text.into());
    match target {
        "/whole" => vec![send(whole)],
        "/closing" => vec![
            send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ntags"),
            Step::UntilPeerLeaves,
        ],
        "/more-than-said" => vec![send(whole), send("and more"), Step::UntilPeerLeaves],
        "/endless" => vec![
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntags\r\n"),
            Step::UntilPeerLeaves,
        ],
        "/error" => vec![send("HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\ntags")],
        "/broken" => vec![send("HTTP/9.9 ?\r\n\r\ntags"), Step::UntilPeerLeaves],
        other => panic!("nobody asks for {other}"),
    }
}

const TARGETS: [&str; 6] =
    ["/whole", "/closing", "/more-than-said", "/endless", "/error", "/broken"];

fn polled() -> Vec<ScriptedEndpoint> {
    let script = |_| vec![Step::ReadHead, Step::ReadBody, Step::ByTarget(answer)];
    (0..POLLED).map(|_| ScriptedEndpoint::start(script)).collect()
}

fn config(endpoints: &[ScriptedEndpoint]) -> Config {
    let base = Config::new().set("timeouts.upstream_keep_alive", "300ms");
    endpoints.iter().enumerate().fold(base, |config, (number, endpoint)| {
        let beside = &endpoints[(number + 1) % endpoints.len()];
        config.route(&format!("{number}.test"), &[endpoint.address(), beside.address()])
    })
}

/// One poll; the body is read, or forgotten in one of two ways.
fn poll(build: &Build, host: usize, target: &str, forgets: bool) {
    let mut client = Connection::open(build.router.address());
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}.test\r\n\r\n");
    client.send(head);
    if target == "/endless" || forgets {
        // Only the head, and then away with what came of the body unread.
        client.answer_head().expect("a head comes");
    } else {
        client.answer("GET");
    }
}

fn hour(build: &Build, hour: usize) {
    for host in 0..POLLED {
        let target = TARGETS[(host + hour) % TARGETS.len()];
        poll(build, host, target, false);
        poll(build, host, target, true);
    }
}

#[test]
fn hours_of_polls_leave_no_socket_behind() {
    let endpoints = polled();
    let build = Build::guarded(&config(&endpoints));
    let rest = Held::at_rest(&build.router);
    for number in 0..HOURS {
        hour(&build, number);
    }
    let left = build.left(&rest);
    assert!(left.fits(&rest), "{rest:?} before, and now {left:?}");
}

#[test]
fn without_the_guard_sockets_pile_up() {
    let endpoints = polled();
    let build = Build::without("sweep", &config(&endpoints));
    let rest = Held::at_rest(&build.router);
    for host in 0..POLLED {
        poll(&build, host, "/whole", false);
    }
    // Two hosts share an endpoint, so at least every other one was asked, and
    // what it was asked on has stayed.
    let left = build.left(&rest);
    assert!(left.sockets >= rest.sockets + POLLED / 2, "{rest:?} before, and now {left:?}");
}
