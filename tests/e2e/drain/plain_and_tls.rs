//! The rules of a drain, each as it is and under TLS.

use super::{GET, Over, Site, held, logged, until_draining};

use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, ScriptedEndpoint, Step, get};

fn a_router_told_to_stop_finishes_what_it_has_and_exits_with_0(over: Over) {
    let (endpoint, gate) = held();
    let mut site = Site::start(over, Config::new().route("a.test", &[endpoint.address()]));
    let mut client = site.open();
    client.send(GET);
    endpoint.request_head(0);
    site.router.terminate();
    let address = site.router.address();
    eventually("the listener to be closed", || Connection::try_open(address).err());
    assert!(site.router.runs(), "a request is in flight");
    gate.open();
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    assert_eq!(site.router.exit().code(), Some(0));
}

fn a_body_under_way_is_finished_too(over: Over) {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell";
        vec![
            Step::ReadHead,
            Step::Send(half.into()),
            Step::WaitFor(held.clone()),
            Step::Send(b"o all".to_vec()),
        ]
    });
    let mut site = Site::start(over, Config::new().route("a.test", &[endpoint.address()]));
    let mut client = site.open();
    client.send(GET);
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"hell");
    site.router.terminate();
    let address = site.router.address();
    eventually("the listener to be closed", || Connection::try_open(address).err());
    gate.open();
    assert_eq!(client.bytes(5), b"o all");
    assert_eq!(site.router.exit().code(), Some(0));
}

fn idle_connections_do_not_hold_a_router_up(over: Over) {
    let endpoint = ScriptedEndpoint::echo("one");
    let site = Site::start(over, Config::new().route("a.test", &[endpoint.address()]));
    let mut used = site.open();
    used.send(GET);
    assert_eq!(used.answer("GET").status, 200);
    let mut silent = site.open();
    site.router.terminate();
    assert_eq!(used.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(silent.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(site.router.stop().code(), Some(0));
}

fn a_router_about_to_stop_serves_on_and_asks_to_be_left(over: Over) {
    let endpoint = ScriptedEndpoint::echo("one");
    let config =
        Config::new().set("timeouts.drain_delay", "10m").route("a.test", &[endpoint.address()]);
    let mut site = Site::start(over, config);
    let mut kept = site.open();
    kept.send(GET);
    assert_eq!(kept.answer("GET").fields.one("connection"), None);
    site.router.terminate();
    until_draining(&site.router);
    let health = get(site.address(), "127.0.0.1", "/health");
    assert_eq!((health.status, health.text().as_str()), (503, "draining\n"));
    let live = get(site.router.admin(), "admin", "/health/live");
    assert_eq!(live.status, 200, "a drain is no reason to be killed");
    kept.send(GET);
    let answer = kept.answer("GET");
    assert_eq!((answer.status, answer.field("connection")), (200, "close"));
    assert_eq!(kept.ending(), (Vec::new(), Fault::Closed));
    assert_eq!(get(site.address(), "a.test", "/").status, 200, "new connections are welcome");
    site.router.terminate();
    assert_eq!(site.router.exit().code(), Some(0));
}

fn a_connection_made_before_the_stop_may_bring_its_request_after_it(over: Over) {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut site = Site::start(over, Config::new().route("a.test", &[endpoint.address()]));
    let mut client = site.open();
    site.router.terminate();
    until_draining(&site.router);
    client.send(GET);
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.field("connection")), (200, "close"));
    assert_eq!(site.router.exit().code(), Some(0));
}

fn a_request_without_an_answer_at_the_deadline_is_told_to_try_elsewhere(over: Over) {
    let (endpoint, _gate) = held();
    let config = Config::new()
        .set("timeouts.drain", "300ms")
        .set("access_log.path", "-")
        .route("a.test", &[endpoint.address()]);
    let mut site = Site::start(over, config);
    let mut client = site.open();
    client.send(GET);
    endpoint.request_head(0);
    site.router.terminate();
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.code()), (503, Some("draining")));
    assert_eq!(answer.field("connection"), "close");
    let line = logged(|| site.router.stdout());
    assert_eq!((&line["status"], &line["code"]), (&503.into(), &"draining".into()), "{line}");
    assert_eq!(site.router.exit().code(), Some(0));
}

fn a_response_cut_at_the_deadline_does_not_look_whole_and_the_log_says_why(over: Over) {
    // Ends with the connection for HTTP/1.0: only a reset tells.
    let begun = "HTTP/1.1 200 OK\r\n\r\nhalf";
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::Send(begun.into()), Step::UntilPeerLeaves]
    });
    let config = Config::new()
        .set("timeouts.drain", "300ms")
        .set("access_log.path", "-")
        .route("a.test", &[endpoint.address()]);
    let mut site = Site::start(over, config);
    let mut client = site.open();
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"half");
    site.router.terminate();
    assert_eq!(client.ending(), (Vec::new(), Fault::Reset));
    let line = logged(|| site.router.stdout());
    assert_eq!((&line["status"], &line["code"]), (&200.into(), &"drain-cut".into()), "{line}");
    assert_eq!(site.router.exit().code(), Some(0));
}

fn a_drain_by_the_admin_side_is_as_good_as_a_signal(over: Over) {
    let (endpoint, gate) = held();
    let mut site = Site::start(over, Config::new().route("a.test", &[endpoint.address()]));
    let mut client = site.open();
    client.send(GET);
    endpoint.request_head(0);
    let admin = format!("http://{}", site.router.admin());
    let said = crate::harness::router::run(["drain", "--admin", &admin]);
    assert!(said.status.success(), "{said:?}");
    until_draining(&site.router);
    assert!(site.router.runs(), "a request is in flight");
    gate.open();
    assert_eq!(client.answer("GET").status, 200);
    assert_eq!(site.router.exit().code(), Some(0));
}

fn the_first_signal_behind_a_drain_by_the_admin_side_cuts_nothing(over: Over) {
    let (endpoint, gate) = held();
    let config = Config::new().set("timeouts.drain", "10m").route("a.test", &[endpoint.address()]);
    let mut site = Site::start(over, config);
    let mut served = site.open();
    served.send(GET);
    endpoint.request_head(0);
    let admin = format!("http://{}", site.router.admin());
    let said = crate::harness::router::run(["drain", "--admin", &admin]);
    assert!(said.status.success(), "{said:?}");
    until_draining(&site.router);
    let says = |text: &str| {
        eventually(text, || site.router.stderr().contains(text).then_some(()));
    };
    says("draining, as the admin side was asked");
    assert!(site.router.stderr().contains("caller=127.0.0.1:"), "{}", site.router.stderr());
    site.router.terminate();
    says("draining already; another signal cuts");
    gate.open();
    assert_eq!(served.answer("GET").status, 200);
    assert_eq!(site.router.exit().code(), Some(0));
}

fn a_second_signal_cuts_at_once(over: Over) {
    let (endpoint, _gate) = held();
    let config = Config::new().set("timeouts.drain", "10m").route("a.test", &[endpoint.address()]);
    let mut site = Site::start(over, config);
    let mut client = site.open();
    client.send(GET);
    endpoint.request_head(0);
    site.router.terminate();
    until_draining(&site.router);
    assert!(site.router.runs());
    site.router.terminate();
    assert_eq!(site.router.exit().code(), Some(0));
    for line in ["draining; another signal cuts", "cutting what is left"] {
        let said = || site.router.stderr();
        let says = || said().contains(&format!("{line} signal=SIGTERM")).then_some(());
        eventually(line, says);
    }
}

macro_rules! suite {
    ($($rule:ident,)*) => {
        mod plain {
            $(#[test]
            fn $rule() {
                super::$rule(super::Over::Tcp);
            })*
        }
        mod under_tls {
            $(#[test]
            fn $rule() {
                super::$rule(super::Over::Tls);
            })*
        }
    };
}

suite! {
    a_router_told_to_stop_finishes_what_it_has_and_exits_with_0,
    a_body_under_way_is_finished_too,
    idle_connections_do_not_hold_a_router_up,
    a_router_about_to_stop_serves_on_and_asks_to_be_left,
    a_connection_made_before_the_stop_may_bring_its_request_after_it,
    a_request_without_an_answer_at_the_deadline_is_told_to_try_elsewhere,
    a_response_cut_at_the_deadline_does_not_look_whole_and_the_log_says_why,
    a_drain_by_the_admin_side_is_as_good_as_a_signal,
    the_first_signal_behind_a_drain_by_the_admin_side_cuts_nothing,
    a_second_signal_cuts_at_once,
}
