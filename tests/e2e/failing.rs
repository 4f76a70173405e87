//! The figure for an endpoint that starts to fail every request: within a second
//! it gets under 1 % of the traffic, whatever way it fails, in a pool of two and
//! in one of ten.
//!
//! It is about time, and so measured at a steady rate of requests. A machine
//! that does not keep up the rate shows nothing: then the run does not count,
//! and there is another.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::harness::script::ok;
use crate::harness::{Config, Connection, Router, Script, ScriptedEndpoint, Step};

/// Clients side by side.
const CLIENTS: u32 = 4;
/// From one request of a client to its next.
const PACE: Duration = Duration::from_millis(20);
/// By then an endpoint that fails must have been found out.
const FOUND_OUT: Duration = Duration::from_secs(1);
/// For so long afterwards the traffic is looked at.
const LOOK: Duration = Duration::from_millis(1_500);
/// Runs before the machine is called too slow for the question.
const RUNS: usize = 20;

/// How long an attempt waits for a head.
const PATIENCE_MS: u64 = 150;

/// An endpoint that does `after` with every request, once it is told to.
struct Breaking {
    endpoint: ScriptedEndpoint,
    answer: Arc<Mutex<Script>>,
    failure: Script,
}

impl Breaking {
    fn start(failure: Script) -> Self {
        let answer = Arc::new(Mutex::new(vec![Step::Send(ok("well").into())]));
        let given = Arc::clone(&answer);
        let endpoint = ScriptedEndpoint::start(move |_| {
            vec![Step::ReadHead, Step::ReadBody, Step::Defer(Arc::clone(&given))]
        });
        Self { endpoint, answer, failure }
    }

    fn breaks(&self) {
        *self.answer.lock() = self.failure.clone();
    }

    /// The numbers of the requests it got.
    fn numbers(&self) -> Vec<usize> {
        let number = |line: &str| line.strip_prefix("GET /")?.split(' ').next()?.parse().ok();
        self.endpoint.requests().iter().filter_map(|request| number(request.line())).collect()
    }
}

/// Steady traffic until it is dropped: when each request was sent, by number.
struct Traffic {
    over: Arc<AtomicBool>,
    sent: Arc<Mutex<BTreeMap<usize, Instant>>>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

impl Traffic {
    fn start(router: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let sent = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let numbers = Arc::new(AtomicUsize::new(0));
        let client = |nth: u32| {
            let (over, sent, numbers) = (over.clone(), sent.clone(), numbers.clone());
            std::thread::spawn(move || {
                let mut client = Connection::open(router);
                let mut due = Instant::now() + PACE / CLIENTS * nth;
                while !over.load(Ordering::Relaxed) {
                    // The pace of the traffic; nothing is waited for.
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    due += PACE;
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    sent.lock().insert(number, Instant::now());
                    client.send(format!("GET /{number} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
                    if client.try_answer("GET").is_err() {
                        client = Connection::open(router);
                    }
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { over, sent, clients }
    }

    /// The requests sent in a span of time.
    fn between(&self, from: Instant, to: Instant) -> Vec<usize> {
        let sent = self.sent.lock();
        sent.iter().filter(|(_, at)| (from..to).contains(*at)).map(|(number, _)| *number).collect()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.clients.drain(..).for_each(|client| drop(client.join()));
    }
}

/// Of how many requests how many went to the endpoint that fails; `None` if the
/// rate was not kept up.
fn share(failure: &Script, pool: usize) -> Option<(usize, usize)> {
    let bad = Breaking::start(failure.clone());
    let good: Vec<_> = (1..pool).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let mut addresses = vec![bad.endpoint.address()];
    addresses.extend(good.iter().map(ScriptedEndpoint::address));
    let hangs = matches!(failure[..], [Step::UntilPeerLeaves]);
    // Only where it is needed: those that are well have to beat it too.
    let patience = format!("attempt_head = \"{}ms\"", if hangs { PATIENCE_MS } else { 30_000 });
    let config = Config::new().set("workers.threads", 2);
    let router = Router::start(&config.route_with("a.test", &addresses, &patience));
    let traffic = Traffic::start(router.address());
    std::thread::sleep(10 * PACE);
    bad.breaks();
    // Nobody knows of one that hangs before the first has waited in vain.
    let fails_by = Duration::from_millis(if hangs { PATIENCE_MS } else { 0 });
    let begun = Instant::now() + fails_by;
    let (from, to) = (begun + FOUND_OUT, begun + FOUND_OUT + LOOK);
    std::thread::sleep((to + 2 * PACE).saturating_duration_since(Instant::now()));
    let judged = traffic.between(from, to);
    let due = |span: Duration| (span.as_millis() / PACE.as_millis()) as usize * CLIENTS as usize;
    // Two thirds of the rate are enough for both.
    let kept = traffic.between(begun, from).len() >= due(FOUND_OUT) * 2 / 3
        && judged.len() >= due(LOOK) * 2 / 3;
    drop(traffic);
    let all_well = good.iter().all(|good| is_available(&router, good.address()));
    if !kept || !all_well {
        return None;
    }
    let at_bad = bad.numbers();
    assert!(at_bad.iter().any(|number| *number < judged[0]), "it had its share before");
    let share = judged.iter().filter(|number| at_bad.contains(number)).count();
    Some((share, judged.len()))
}

/// Whether the router thinks well of this endpoint, and did for some seconds:
/// on a slow machine one that is well may have been too late, too.
fn is_available(router: &Router, address: SocketAddr) -> bool {
    let routes = crate::admin::json(&crate::admin::ask(router, "/routes"));
    let endpoints = routes["routes"][0]["endpoints"].as_array().expect("a list").clone();
    let wanted = address.to_string();
    endpoints.iter().any(|e| e["address"] == *wanted && e["state"] == "available")
}

#[track_caller]
fn is_left_alone(failure: Script) {
    for pool in [2, 10] {
        let measured = (0..RUNS).find_map(|_| share(&failure, pool));
        let (share, all) = measured.expect("a machine that sends 200 requests a second");
        assert!(share * 100 < all, "{share} of {all} requests in a pool of {pool}");
    }
}

#[test]
fn one_that_answers_503_is_left_alone_within_a_second() {
    is_left_alone(vec![Step::Send(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_vec())]);
}

#[test]
fn one_that_answers_500_is_left_alone_within_a_second() {
    is_left_alone(vec![Step::Send(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec())]);
}

#[test]
fn one_that_resets_is_left_alone_within_a_second() {
    is_left_alone(vec![Step::Reset]);
}

#[test]
fn one_that_hangs_is_left_alone_within_a_second_of_the_first_timeout() {
    is_left_alone(vec![Step::UntilPeerLeaves]);
}

#[test]
fn one_that_breaks_off_its_answers_is_left_alone_within_a_second() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec();
    is_left_alone(vec![Step::Send(head), Step::Close]);
}
