//! The debug pages: what is alive, and profiles.

use serde_json::Value;

use crate::admin::{ask, json};
use crate::harness::router::binary;
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script};

/// The live tasks of a kind.
fn tasks(router: &Router, kind: &str) -> Vec<Value> {
    let listed = json(&ask(router, &format!("/debug/tasks?kind={kind}")));
    listed["tasks"].as_array().expect("a list of tasks").clone()
}

#[test]
fn tasks_lists_everything_that_is_alive() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("hi").into())]
    });
    let log = tempfile::NamedTempFile::new().expect("a file can be made");
    let config = Config::new()
        .set("workers.threads", 2)
        .set("access_log.path", log.path().to_str().expect("temporary paths are text"));
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    let idle = Connection::open(router.address());
    let mut busy = Connection::open(router.address());
    busy.send("GET /slow?token=secret HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    let of = |kind: &str| tasks(&router, kind);
    let connections = eventually("both connections", || {
        Some(of("connection")).filter(|connections| connections.len() == 2)
    });
    let state = |client: &Connection| {
        let local = client.local().to_string();
        let task = connections.iter().find(|task| task["subject"] == *local);
        task.unwrap_or_else(|| panic!("{local} in {connections:?}"))["state"].clone()
    };
    assert_eq!((state(&idle), state(&busy)), ("idle".into(), "active".into()));
    let requests = of("request");
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0]["subject"], "GET a.test/slow", "and no query: {requests:?}");
    assert_eq!(requests[0]["state"], "waiting");
    for (kind, count) in [
        ("worker", 2),
        ("heartbeat", 2),
        ("accept", 2),
        ("admin", 1),
        ("signals", 1),
        ("drain", 1),
        ("access-log", 1),
        ("reload", 2),
        ("profile", 0),
    ] {
        let tasks = of(kind);
        assert_eq!(tasks.len(), count, "{kind}: {tasks:?}");
    }
    let address = router.address().to_string();
    assert!(of("accept").iter().all(|task| task["subject"] == *address));
    let ages = json(&ask(&router, "/debug/tasks"));
    let ages: Vec<u64> = ages["tasks"]
        .as_array()
        .expect("a list of tasks")
        .iter()
        .map(|task| task["age_ms"].as_u64().expect("an age is a number"))
        .collect();
    assert!(ages.is_sorted_by(|a, b| a >= b), "the oldest come first: {ages:?}");
    gate.open();
    busy.answer("GET");
    drop((idle, busy));
    eventually("the connections to be gone", || of("connection").is_empty().then_some(()));
    assert!(of("request").is_empty());
}

#[test]
fn every_thread_of_the_process_is_a_task() {
    let log = tempfile::NamedTempFile::new().expect("a file can be made");
    let config = Config::new()
        .set("workers.threads", 3)
        .set("access_log.path", log.path().to_str().expect("temporary paths are text"));
    let router = Router::start(&config);
    // Threads that come and go, for blocking work, are not the router's own.
    let counts = eventually("the threads to be the tasks that have one", || {
        let counts = json(&ask(&router, "/debug/tasks"))["counts"].clone();
        let threads = router.threads();
        let own = threads.iter().filter(|name| name.starts_with("worker-")).count();
        let logs = threads.iter().filter(|name| *name == "access-log").count();
        (counts["worker"] == own && counts["access-log"] == logs).then_some(counts)
    });
    assert_eq!((&counts["worker"], &counts["access-log"]), (&3.into(), &1.into()));
}

#[cfg(feature = "profiling")]
mod profiles {
    use super::*;

    const TWO_SECONDS: &str = "/debug/pprof/profile?seconds=2";

    #[test]
    fn a_cpu_profile_names_what_ran_meanwhile_and_there_is_one_at_a_time() {
        let endpoint = ScriptedEndpoint::echo("one");
        let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
        let mut profile = Connection::open(router.admin());
        let admin = router.admin();
        profile.send(format!("GET {TWO_SECONDS} HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
        eventually("the profile to be under way", || {
            (!tasks(&router, "profile").is_empty()).then_some(())
        });
        let second = ask(&router, "/debug/pprof/profile?seconds=1");
        assert_eq!(second.status, 409, "{}", second.text());
        // What it samples is CPU time, of which there may be little just now.
        eventually("a sample of a worker", || {
            // Work for the sampler to find; every request is served meanwhile.
            while !profile.answers() {
                assert_eq!(get(router.address(), "a.test", "/").status, 200);
            }
            let answer = profile.answer("GET");
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.field("content-disposition").contains("cpu.pb"));
            // The first of its strings, which must be the empty one.
            assert_eq!(answer.body[..2], [0x32, 0]);
            let text = answer.text();
            profile.send(format!("GET {TWO_SECONDS} HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
            (text.contains("worker-0") && text.contains("pointsman::")).then_some(())
        });
        drop(profile);
        eventually("the profile to be gone", || tasks(&router, "profile").is_empty().then_some(()));
    }

    #[test]
    fn a_profile_whose_client_leaves_makes_room_for_the_next() {
        let router = Router::start(&Config::new());
        let admin = router.admin();
        let mut first = Connection::open(admin);
        first
            .send(format!("GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
        eventually("the profile to be under way", || {
            (!tasks(&router, "profile").is_empty()).then_some(())
        });
        drop(first);
        eventually("the profile to be gone", || tasks(&router, "profile").is_empty().then_some(()));
        assert_eq!(ask(&router, "/debug/pprof/profile?seconds=1").status, 200);
    }

    #[test]
    fn a_profile_of_no_length_or_of_hours_is_refused() {
        let router = Router::start(&Config::new());
        for seconds in ["0", "61", "-1", "x", ""] {
            let answer = ask(&router, &format!("/debug/pprof/profile?seconds={seconds}"));
            assert_eq!(answer.status, 400, "{seconds:?}");
        }
    }

    #[test]
    fn a_heap_profile_needs_a_start_that_asked_for_it_and_says_how() {
        let router = Router::start(&Config::new());
        let refused = ask(&router, "/debug/pprof/heap");
        assert_eq!(refused.status, 501);
        let detail = json(&refused)["detail"].as_str().expect("it says why").to_owned();
        let (_, setting) = detail.split_once("_RJEM_").expect("it names the variable");
        let setting = format!("_RJEM_{}", setting.split(' ').next().unwrap_or_default());
        let (name, value) = setting.split_once('=').expect("and its value");
        let mut command = binary();
        command.env(name, value);
        let router = Router::start_as(command, &Config::new());
        let answer = ask(&router, "/debug/pprof/heap");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.body[..2], [0x1f, 0x8b], "it is compressed with gzip");
        assert!(answer.body.len() > 100, "{} bytes", answer.body.len());
    }
}
