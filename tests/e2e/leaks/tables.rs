//! Ten thousand tables, while requests flow: what a swap leaves behind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Held, Router, ScriptedEndpoint, get};

use super::budget;

/// Tables before the first look at memory, and those that count.
const WARM_UP: usize = 1_000;
const SWAPS: usize = 10_000;
/// What its memory may be larger by, in KiB: a hundred bytes for each table.
const ROOM_KIB: u64 = 1_000;
/// Hosts that come and go.
const HOSTS: usize = 40;

/// Tells when it goes, also by a panic, that it was the last.
struct Last<'a>(&'a AtomicBool);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks on one connection for as long as tables change; how often.
fn ask(router: &Router, done: &AtomicBool, asked: &AtomicUsize) {
    let mut client = Connection::open(router.address());
    while !done.load(Ordering::Relaxed) {
        client.send("GET / HTTP/1.1\r\nHost: stays.test\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!(answer.status, 200, "{}", answer.head);
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

/// One after the other: two endpoints of a host come, one changes, both go; and
/// the host that requests are for changes as often.
fn swap(router: &Router, app: &ScriptedEndpoint, count: usize) {
    let (admin, app) = (router.admin(), app.address());
    let mut operator = Connection::open(admin);
    for turn in 0..count {
        if turn % 500 == 499 {
            // The admin side ends connections after a minute.
            operator = Connection::open(admin);
        }
        let (host, port) = (format!("{}.test", turn / 5 % HOSTS), 1 + turn as u16 % 2);
        let (what, told) = match turn % 5 {
            0 | 1 => ("register", json!({ "host": "127.0.0.2", "port": port, "uris": [host] })),
            2 => {
                let tags = json!({ "turn": turn.to_string() });
                let uris = ["stays.test"];
                let (ip, port) = (app.ip(), app.port());
                ("register", json!({ "host": ip, "port": port, "uris": uris, "tags": tags }))
            }
            _ => ("unregister", json!({ "host": "127.0.0.2", "port": port, "uris": [host] })),
        };
        let content = told.to_string();
        let length = content.len();
        operator.send(format!(
            "POST /{what} HTTP/1.1\r\nHost: {admin}\r\nContent-Length: {length}\r\n\r\n{content}"
        ));
        let answer = operator.answer("POST");
        let is_change = ["added", "updated", "removed"].iter().any(|o| answer.text().contains(o));
        assert!(answer.status == 200 && is_change, "no table: {}", answer.text());
    }
}

#[test]
fn ten_thousand_tables_fail_no_request_and_leave_tasks_and_memory_where_they_were() {
    let app = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .set("workers.threads", 2)
        .set("timeouts.upstream_keep_alive", "300ms")
        .route_with("kept.test", &[app.address()], "");
    let router = budget::router(&config);
    let rest = Held::at_rest(&router);
    swap(&router, &app, WARM_UP);
    eventually("the host to be served", || {
        (get(router.address(), "stays.test", "/").status == 200).then_some(())
    });
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    budget::keeps_to(&router, &rest, ROOM_KIB, || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ask(&router, &done, &asked));
            }
            let _last = Last(&done);
            swap(&router, &app, SWAPS);
        });
    });
    assert!(asked.into_inner() > 4, "requests flowed meanwhile");
}
