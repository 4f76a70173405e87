//! `adaptive_concurrency`: what is beyond the limit is refused at once, what is
//! let in stays quick, and nobody holds a place who does not wait for an
//! endpoint.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use crate::admin_routes::send;
use crate::harness::held::{Held, ask, sum};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, script};

/// Bounds that leave no choice.
fn fixed(limit: u64) -> String {
    format!("adaptive_concurrency = {{ min_limit = {limit}, max_limit = {limit} }}")
}

fn config(endpoint: &ScriptedEndpoint, more: &str) -> Config {
    let config = Config::new().set("access_log.path", "-");
    config.route_with("a.test", &[endpoint.address()], more)
}

/// An endpoint that answers `/held` once the gate is open, and others at once.
fn held() -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let answer = Step::Send(script::ok("done").into_bytes());
        vec![Step::ReadHead, Step::WaitFor(shut.clone()), answer]
    });
    (endpoint, gate)
}

fn asking(router: &Router, path: &str) -> Connection {
    let mut client = Connection::open(router.address());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    client
}

/// What `/routes` says of the limit of the only route.
fn adaptive(router: &Router) -> Value {
    let routes: Value = serde_json::from_str(&ask(router, "/routes")).expect("a page is JSON");
    routes["routes"][0]["adaptive"].clone()
}

#[track_caller]
fn until_in_flight(router: &Router, count: u64) {
    eventually(&format!("{count} in flight"), || {
        (adaptive(router)["in_flight"] == count).then_some(())
    });
}

#[test]
fn what_is_beyond_the_limit_is_refused_at_once_and_goes_nowhere() {
    let (endpoint, gate) = held();
    let router = Router::start(&config(&endpoint, &fixed(2)));
    let mut two: Vec<_> = (0..2).map(|_| asking(&router, "/held")).collect();
    until_in_flight(&router, 2);
    endpoint.request_head(1);
    // While both are still held: what is refused has not waited for them.
    let refused = asking(&router, "/more").answer("GET");
    assert_eq!((refused.status, refused.field("retry-after")), (503, "1"));
    assert!(refused.field("proxy-status").contains("overloaded"), "{refused:?}");
    assert_eq!(endpoint.count(), 2);
    let seen = adaptive(&router);
    assert_eq!((&seen["limit"], &seen["shed"]), (&2.into(), &1.into()), "{seen}");
    let metrics = ask(&router, "/metrics");
    for (series, value) in [("limit", 2), ("in_flight", 2), ("shed_total", 1)] {
        let series = format!("pointsman_adaptive_{series}{{route=\"a.test\"}}");
        assert_eq!(sum(&metrics, &series), value, "{series}");
    }
    let line = eventually("the log's line", || {
        let lines = router.stdout();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["path"] == "/more")
    });
    let said = (&line["status"], &line["code"], &line["route"], &line["attempts"]);
    assert_eq!(said, (&503.into(), &"overloaded".into(), &"a.test".into(), &0.into()));
    gate.open();
    for client in &mut two {
        assert_eq!(client.answer("GET").text(), "done");
    }
    until_in_flight(&router, 0);
    assert_eq!(asking(&router, "/").answer("GET").status, 200);
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    let (endpoint, gate) = held();
    let router = Router::start(&config(&endpoint, &fixed(1)));
    let before = Held::at_rest(&router);
    for turn in 1..=3 {
        let client = asking(&router, "/held");
        endpoint.request_head(turn - 1);
        until_in_flight(&router, 1);
        drop(client);
        until_in_flight(&router, 0);
        assert_eq!(endpoint.count(), turn);
    }
    before.again(&router);
    gate.open();
    assert_eq!(asking(&router, "/").answer("GET").status, 200);
}

#[test]
fn a_request_that_fails_gives_its_place_back() {
    let refusing = crate::harness::RefusingEndpoint::start();
    let config = Config::new().route_with("a.test", &[refusing.address()], &fixed(1));
    let router = Router::start(&config);
    for _ in 0..5 {
        assert_eq!(asking(&router, "/").answer("GET").status, 502);
    }
    assert_eq!(adaptive(&router)["in_flight"], 0);
}

#[test]
fn a_stream_and_a_tunnel_hold_no_place_beyond_their_heads() {
    let endpoint = ScriptedEndpoint::start(|_| {
        vec![
            Step::ReadHead,
            Step::ByTarget(|target| match target {
                "/stream" => {
                    let half = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
                    vec![Step::Send(half.into()), Step::UntilPeerLeaves]
                }
                "/tunnel" => {
                    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                                upgrade: custom/1\r\n\r\n";
                    vec![Step::Send(head.into()), Step::UntilPeerLeaves]
                }
                _ => vec![Step::Send(script::ok("done").into_bytes())],
            }),
        ]
    });
    let router = Router::start(&config(&endpoint, &fixed(1)));
    let mut stream = asking(&router, "/stream");
    assert_eq!(stream.answer_head().expect("it comes at once").status, 200);
    let mut tunnel = Connection::open(router.address());
    tunnel.send(
        "GET /tunnel HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: custom/1\r\n\r\n",
    );
    assert_eq!(tunnel.answer_head().expect("it comes at once").status, 101);
    assert_eq!(adaptive(&router)["in_flight"], 0);
    assert_eq!(asking(&router, "/").answer("GET").text(), "done");
}

#[test]
fn a_client_that_is_slow_to_send_holds_no_place() {
    let endpoint = ScriptedEndpoint::echo("app");
    let router = Router::start(&config(&endpoint, &fixed(1)));
    let mut slow = Connection::open(router.address());
    slow.send("POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\nhalf");
    endpoint.request_head(0);
    until_in_flight(&router, 0);
    for _ in 0..3 {
        assert_eq!(asking(&router, "/").answer("GET").status, 200);
    }
    slow.send("done");
    assert_eq!(slow.answer("POST").status, 200);
    until_in_flight(&router, 0);
    // And one that leaves in the middle takes nothing along.
    let mut leaves = Connection::open(router.address());
    leaves.send("POST /left HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\nhalf");
    endpoint.request_head(4);
    drop(leaves);
    eventually("it to be gone", || {
        (sum(&ask(&router, "/metrics"), "pointsman_requests_in_flight") == 0).then_some(())
    });
    assert_eq!(asking(&router, "/").answer("GET").status, 200);
    assert_eq!(adaptive(&router)["shed"], 0);
}

/// Two that work at a time, 5 ms on each request; the others wait.
struct Counter {
    free: Mutex<usize>,
    freed: Condvar,
    inside: AtomicUsize,
    /// How many each found there, itself included.
    seen: Mutex<Vec<usize>>,
}

static COUNTER: Counter = Counter {
    free: Mutex::new(2),
    freed: Condvar::new(),
    inside: AtomicUsize::new(0),
    seen: Mutex::new(Vec::new()),
};

impl Counter {
    fn serve(&self) {
        let here = self.inside.fetch_add(1, SeqCst) + 1;
        self.seen.lock().push(here);
        let mut free = self.free.lock();
        self.freed.wait_while(&mut free, |free| *free == 0);
        *free -= 1;
        drop(free);
        // The work.
        std::thread::sleep(Duration::from_millis(50));
        *self.free.lock() += 1;
        self.freed.notify_one();
        self.inside.fetch_sub(1, SeqCst);
    }
}

/// Ends the clients even if the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// The median time to an answer, the median of how many the endpoint had at a
/// time, both of the first hundred in a row that are `enough`, else of the last;
/// and whether any were refused. Medians, and a while for it: the limit follows
/// what it measures, and a machine that is busy otherwise may mislead it once.
fn under_overload(more: &str, enough: impl Fn(Duration, usize) -> bool) -> (Duration, usize, bool) {
    const CLIENTS: usize = 40;
    let endpoint = ScriptedEndpoint::start(|_| {
        let work = Step::ByTarget(|_| {
            COUNTER.serve();
            vec![Step::Send(script::ok("done").into_bytes())]
        });
        vec![Step::ReadHead, work]
    });
    let router = Router::start(&config(&endpoint, more));
    let (over, took) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let (shed, mut medians) = (AtomicBool::new(false), (Duration::ZERO, 0));
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Connection::open(router.address());
                while !over.load(SeqCst) {
                    let begun = Instant::now();
                    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
                    let answer = client.answer("GET");
                    match answer.status {
                        200 => took.lock().push(begun.elapsed()),
                        _ => {
                            shed.store(true, SeqCst);
                            assert!(answer.field("proxy-status").contains("overloaded"));
                            // The patience of a client that was told to try later.
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                }
            });
        }
        for _ in 0..40 {
            took.lock().clear();
            COUNTER.seen.lock().clear();
            eventually("a hundred answers", || (took.lock().len() >= 100).then_some(()));
            medians = (median(&mut took.lock()), median(&mut COUNTER.seen.lock()));
            if enough(medians.0, medians.1) {
                break;
            }
        }
    });
    (medians.0, medians.1, shed.load(SeqCst))
}

fn median<T: Copy + Ord>(all: &mut [T]) -> T {
    all.sort_unstable();
    all[all.len() / 2]
}

#[test]
fn an_endpoint_under_overload_stays_quick_and_without_the_limit_it_does_not() {
    let (unlimited, all, none_shed) = under_overload("", |_, all| all >= 30);
    assert!(all >= 30 && !none_shed, "{all} at a time, and everybody is let in");
    let more = "adaptive_concurrency = { initial_limit = 40, measure_every = \"2s\" }";
    let is_quick = |took, few| took < unlimited / 2 && few <= 20;
    let (limited, few, shed) = under_overload(more, is_quick);
    assert!(shed);
    assert!(few <= 20, "{few} at a time");
    assert!(limited < unlimited / 2, "{limited:?} against {unlimited:?}");
}

#[test]
fn what_was_learnt_survives_a_reload_and_other_bounds_hold_at_once() {
    let endpoint = ScriptedEndpoint::echo("app");
    let with = |more: &str, rest: &str| {
        let config = config(&endpoint, &format!("adaptive_concurrency = {{ {more} }}\n{rest}"));
        config.set("health.path", "/up")
    };
    let router = Router::start(&with("initial_limit = 30", ""));
    let mut client = Connection::open(router.address());
    let learnt = eventually("the latency to be known", || {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
        let seen = adaptive(&router);
        (!seen["latency_us"].is_null()).then_some(seen)
    });
    let reload = |config: Config, what: &str, done: &dyn Fn(&Value) -> bool| {
        fs::write(router.config_file(), config.text()).expect("it can be written");
        eventually(what, || {
            let config: Value = serde_json::from_str(&ask(&router, "/config")).expect("JSON");
            done(&config["route"][0]).then_some(())
        });
        adaptive(&router)
    };
    let is_labelled = |route: &Value| route["metrics"] == true;
    let other = reload(with("initial_limit = 30", "metrics = true"), "a reload", &is_labelled);
    assert_eq!(other, learnt);
    let is_low = |route: &Value| route["adaptive_concurrency"]["max_limit"] == 3;
    let lower = reload(with("max_limit = 3", ""), "other bounds", &is_low);
    assert_eq!((&lower["limit"], &lower["latency_us"]), (&3.into(), &learnt["latency_us"]));
    let is_off = |route: &Value| route["adaptive_concurrency"]["enabled"] == false;
    assert_eq!(reload(config(&endpoint, ""), "no limit", &is_off), Value::Null);
}

#[test]
fn live_routes_have_the_limit_that_all_have() {
    let (endpoint, gate) = held();
    let global = |enabled: bool| {
        let config = Config::new().set("adaptive_concurrency.enabled", enabled);
        config.set("adaptive_concurrency.min_limit", 1).set("adaptive_concurrency.max_limit", 1)
    };
    let router = Router::start(&global(true));
    let message = serde_json::json!([{
        "host": "127.0.0.1", "port": endpoint.address().port(), "uris": ["a.test"],
    }]);
    let said = send(router.admin(), "POST /register", "", &message.to_string());
    assert_eq!(said.status, 200, "{}", said.text());
    let mut first = asking(&router, "/held");
    until_in_flight(&router, 1);
    assert_eq!(asking(&router, "/").answer("GET").status, 503);
    fs::write(router.config_file(), global(false).text()).expect("it can be written");
    eventually("the limit to be off", || adaptive(&router).is_null().then_some(()));
    let mut second = asking(&router, "/held");
    endpoint.request_head(1);
    gate.open();
    assert_eq!((first.answer("GET").status, second.answer("GET").status), (200, 200));
}
