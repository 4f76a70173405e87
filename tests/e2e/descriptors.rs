//! A router with few file descriptors, and one that has none left: it lives
//! with what it has, blames nobody, and says so.

use std::process::Command;
use std::time::Instant;

use crate::admin::{ask, json};
use crate::harness::router::binary;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{
    Answer, Config, Connection, Gate, Held, Router, ScriptedEndpoint, Step, script,
};

/// One worker, so that who holds what can be counted.
pub(crate) fn one_worker() -> Config {
    Config::new().set("workers.threads", 1)
}

/// Runs a program without the descriptors that this process was given by
/// whoever runs the tests: they are no part of what is counted here.
const ALONE: &str = r#"
for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
done
exec "$0" "$@"
"#;

fn start(before: &str, config: &Config) -> Router {
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("{before}{ALONE}")).arg(binary().get_program());
    Router::start_as(command, config)
}

/// A router that may have so many descriptors from its start on.
pub(crate) fn with_descriptors(limit: usize, config: &Config) -> Router {
    start(&format!("ulimit -S -n {limit}"), config)
}

/// The descriptors a router has, in order.
fn descriptors(router: &Router) -> Vec<usize> {
    let path = format!("/proc/{}/fd", router.id());
    let listed = std::fs::read_dir(path).expect("a running process has descriptors");
    let number =
        |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let mut numbers: Vec<usize> = listed.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn allow(router: &Router, limit: &str) {
    let (id, limit) = (router.id().to_string(), format!("--nofile={limit}:"));
    let set = Command::new("prlimit").args(["--pid", &id, &limit]).status();
    assert!(set.expect("prlimit can be run").success());
}

/// From now on it gets no descriptor more than it has.
fn allow_no_more(router: &Router) {
    allow_more(router, 0);
}

/// From now on it gets so many descriptors more than it has, of which none is
/// free below the highest if it is to be more than one.
fn allow_more(router: &Router, more: usize) {
    let taken = descriptors(router);
    let free = (0..).zip(&taken).find(|(number, taken)| number != *taken);
    let lowest_free = free.map_or(taken.len(), |(number, _)| number);
    allow(router, &(lowest_free + more).to_string());
}

/// The same, once no number below the highest is free: one that is given back
/// can be taken again. The connections that fill the gaps are idle.
fn allow_no_more_than_these(router: &Router) -> Vec<Connection> {
    let mut fillers = Vec::new();
    eventually("no gap among the descriptors", || {
        let taken = descriptors(router);
        if taken.last() == Some(&(taken.len() - 1)) {
            return Some(());
        }
        let mut filler = Connection::open(router.address());
        assert_eq!(send(&mut filler, "nowhere.test").status, 404);
        fillers.push(filler);
        None
    });
    allow_no_more(router);
    fillers
}

fn send(client: &mut Connection, host: &str) -> Answer {
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.answer("GET")
}

fn health(admin: &mut Connection) -> Answer {
    admin.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    admin.answer("GET")
}

/// Answers when the gate is open.
pub(crate) fn gated() -> (ScriptedEndpoint, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("yes").into())]
    });
    (endpoint, gate)
}

#[test]
fn idle_endpoint_connections_make_room_for_others_whichever_endpoint_they_lead_to() {
    const ROUTES: usize = 12;
    const CLIENTS: usize = 20;
    // Of 256 descriptors, in one worker: see src/descriptors.rs.
    const ENDPOINT_CONNECTIONS: u64 = 40;
    let endpoints: Vec<_> = (0..ROUTES).map(|_| gated()).collect();
    let mut config = one_worker().set("timeouts.upstream_keep_alive", "1h");
    for (route, (endpoint, _)) in endpoints.iter().enumerate() {
        config = config.route(&format!("r{route}.test"), &[endpoint.address()]);
    }
    let router = with_descriptors(256, &config);
    for (route, (endpoint, gate)) in endpoints.iter().enumerate() {
        let mut clients: Vec<_> =
            (0..CLIENTS).map(|_| Connection::open(router.address())).collect();
        for client in &mut clients {
            client.send(format!("GET / HTTP/1.1\r\nHost: r{route}.test\r\n\r\n"));
        }
        endpoint.request_head(CLIENTS - 1);
        // Were there no such bound, it would be long before any are lacking.
        let held = Held::by(&router).endpoints;
        assert!(held <= ENDPOINT_CONNECTIONS, "{held} connections to endpoints");
        gate.open();
        for client in &mut clients {
            let answer = client.answer("GET");
            assert_eq!(answer.status, 200, "route {route}: {}", answer.text());
        }
    }
}

#[test]
fn where_the_system_has_none_left_idle_endpoint_connections_are_given_back() {
    let (one, other) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("other"));
    let config =
        one_worker().route("one.test", &[one.address()]).route("other.test", &[other.address()]);
    let router = start("", &config);
    let mut client = Connection::open(router.address());
    assert_eq!(send(&mut client, "one.test").status, 200);
    let _fillers = allow_no_more_than_these(&router);
    let answer = send(&mut client, "other.test");
    assert_eq!(answer.status, 200, "{}", answer.text());
    one.ending(0);
}

#[test]
fn a_shortage_of_the_routers_is_its_own_and_no_endpoint_is_passed_over_for_it() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&one_worker().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    assert_eq!(send(&mut client, "nowhere.test").status, 404);
    allow_no_more(&router);
    let answer = send(&mut client, "a.test");
    assert_eq!((answer.status, answer.code()), (503, Some("overloaded")), "{}", answer.text());
    assert!(answer.field("proxy-status").contains("no file descriptor left"), "{}", answer.head);
    allow(&router, "20000");
    let routes = json(&ask(&router, "/routes"));
    let state = &routes["routes"][0]["endpoints"][0]["state"];
    assert_eq!(state, "available", "{routes}");
    assert_eq!(send(&mut client, "a.test").status, 200);
}

#[test]
fn a_router_that_cannot_accept_is_not_ready_and_says_why_once_a_second() {
    let (endpoint, gate) = gated();
    let router = Router::start(&one_worker().route("a.test", &[endpoint.address()]));
    let mut served = Connection::open(router.address());
    served.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    let mut admin = Connection::open(router.admin());
    let mut health = || health(&mut admin);
    assert_eq!(health().status, 200);
    let begun = Instant::now();
    allow_no_more(&router);
    // The system completes the handshake, and there it stays.
    let mut newcomer = Connection::open(router.address());
    let unready = eventually("unreadiness", || Some(health()).filter(|h| h.status == 503));
    assert!(unready.text().contains("does not accept connections"), "{}", unready.text());
    let lines = || router.stderr().matches("cannot accept a connection").count();
    eventually("two lines about it", || (lines() >= 2).then_some(()));
    let remedy = "shortly; raise the limit of file descriptors (ulimit -n, LimitNOFILE)";
    assert!(router.stderr().contains(remedy), "{}", router.stderr());
    let (said, most) = (lines(), begun.elapsed().as_secs() as usize + 2);
    assert!(said <= most, "{said} lines in less than {most} s");
    allow(&router, "20000");
    gate.open();
    assert_eq!(served.answer("GET").text(), "yes");
    assert_eq!(send(&mut newcomer, "a.test").text(), "yes");
    eventually("readiness", || (health().status == 200).then_some(()));
}

#[test]
fn the_client_that_was_idle_longest_makes_room_where_none_can_be_accepted_and_nobody_else() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = start("", &one_worker().route("a.test", &[endpoint.address()]));
    let mut idle = Connection::open(router.address());
    assert_eq!(send(&mut idle, "a.test").status, 200);
    let mut other = Connection::open(router.address());
    assert_eq!(send(&mut other, "a.test").status, 200);
    let mut admin = Connection::open(router.admin());
    assert_eq!(health(&mut admin).status, 200);
    let _fillers = allow_no_more_than_these(&router);
    let mut newcomer = Connection::open(router.address());
    let answer = send(&mut newcomer, "a.test");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(idle.ending(), (Vec::new(), Fault::Closed));
    // There is still no descriptor left, and nobody who would need one.
    for client in [&mut newcomer, &mut other] {
        assert_eq!(send(client, "a.test").status, 200);
    }
    assert_eq!(health(&mut admin).status, 200);
}

#[test]
fn the_admin_side_says_that_it_cannot_accept_only_where_somebody_waits() {
    let router = start("", &one_worker());
    let mut first = Connection::open(router.admin());
    assert_eq!(health(&mut first).status, 200);
    allow_more(&router, 1);
    let mut last = Connection::open(router.admin());
    // It has the last descriptor, and the next accept fails.
    for _ in 0..20 {
        assert_eq!(health(&mut last).status, 200);
    }
    let said = || router.stderr().contains("the admin side cannot accept a connection");
    assert!(!said(), "{}", router.stderr());
    let mut waiting = Connection::open(router.admin());
    eventually("a word about it", || said().then_some(()));
    drop(last);
    assert_eq!(health(&mut waiting).status, 200);
}

#[test]
fn a_limit_of_connections_above_that_of_descriptors_is_the_latter_and_both_are_named() {
    let config = one_worker().set("limits.connections", 1_000);
    let router = with_descriptors(256, &config);
    let said = eventually("a warning", || {
        let said = router.stderr();
        Some(said.split_once("limits.connections is 1000, and ")?.1.to_owned())
    });
    let (most, rest) = said.split_once(' ').expect("a number");
    assert!(rest.starts_with("is what 256 file descriptors allow"), "{said}");
    let most: usize = most.parse().expect("it is one");
    // Idle they hold a descriptor each, of 256 in all.
    assert!((64..128).contains(&most), "{said}");
    let mut clients: Vec<_> = (0..most).map(|_| Connection::open(router.address())).collect();
    for client in &mut clients {
        assert_eq!(send(client, "nowhere.test").status, 404);
    }
    let mut crowding = Connection::open(router.address());
    assert_eq!(send(&mut crowding, "nowhere.test").status, 404);
    assert_eq!(clients[0].ending(), (Vec::new(), Fault::Closed), "the limit is reached");
}

#[test]
fn where_those_served_need_the_descriptors_idle_clients_leave_and_newcomers_are_told() {
    let (endpoint, gate) = gated();
    let router = with_descriptors(256, &one_worker().route("a.test", &[endpoint.address()]));
    let mut served = Vec::new();
    let mut idle: Vec<_> = (0..60).map(|_| Connection::open(router.address())).collect();
    for client in &mut idle {
        assert_eq!(send(client, "nowhere.test").status, 404);
    }
    let refused = loop {
        let mut client = Connection::open(router.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        eventually("it is served or refused", || {
            (endpoint.count() > served.len() || client.answers()).then_some(())
        });
        if endpoint.count() == served.len() {
            break client.answer("GET");
        }
        served.push(client);
        // What the process needs for itself stays free.
        let held = Held::by(&router);
        assert!(held.clients + held.endpoints <= 128, "{held:?}");
        assert_eq!(ask(&router, "/health/live").status, 200);
    };
    assert_eq!((refused.status, refused.code()), (503, Some("overloaded")), "{}", refused.text());
    assert!((50..64).contains(&served.len()), "{} are served", served.len());
    let unready = eventually("unreadiness", || {
        Some(ask(&router, "/health")).filter(|health| health.status == 503)
    });
    let why = "saturated: what file descriptors allow of connections (ulimit -n, LimitNOFILE) is";
    assert!(unready.text().starts_with(why), "{}", unready.text());
    for client in &mut idle {
        assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    }
    gate.open();
    for client in &mut served {
        assert_eq!(client.answer("GET").text(), "yes");
    }
}

#[test]
fn idle_clients_leave_where_others_that_came_with_them_need_the_descriptors() {
    // Of 256 descriptors, in one worker: see src/descriptors.rs.
    const CONNECTIONS: u64 = 120;
    let (endpoint, gate) = gated();
    let router = with_descriptors(256, &one_worker().route("a.test", &[endpoint.address()]));
    let mut clients: Vec<_> = (0..70).map(|_| Connection::open(router.address())).collect();
    for client in &mut clients {
        assert_eq!(send(client, "nowhere.test").status, 404);
    }
    let (idle, served) = clients.split_at_mut(10);
    for (at, client) in served.iter_mut().enumerate() {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        endpoint.request_head(at);
    }
    eventually("no more than there may be", || {
        let held = Held::by(&router);
        (held.clients + held.endpoints <= CONNECTIONS + 1).then_some(())
    });
    let left = idle.iter().filter(|client| client.ended()).count();
    assert!((8..=10).contains(&left), "{left} left");
    gate.open();
    for client in served {
        assert_eq!(client.answer("GET").text(), "yes");
    }
}

#[test]
fn a_file_that_came_while_there_were_none_to_read_it_is_in_force_later() {
    let (old, new) = (ScriptedEndpoint::echo("old"), ScriptedEndpoint::echo("new"));
    let config = |app: &ScriptedEndpoint| one_worker().route("a.test", &[app.address()]);
    let router = Router::start(&config(&old));
    let mut client = Connection::open(router.address());
    assert_eq!(send(&mut client, "a.test").field("x-endpoint"), "old");
    let _fillers = allow_no_more_than_these(&router);
    std::fs::write(router.config_file(), config(&new).text()).expect("it can be written");
    eventually("a refusal", || router.stderr().contains("Too many open files").then_some(()));
    allow(&router, "20000");
    eventually("an answer by the new app", || {
        (send(&mut client, "a.test").field("x-endpoint") == "new").then_some(())
    });
}
