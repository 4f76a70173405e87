//! The snapshot at its limits: when it is written anew, and when there is no
//! room for it.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::admin::json as body;
use crate::admin_routes::{send, who};
use crate::harness::router::binary;
use crate::harness::wait::eventually;
use crate::harness::{Answer, Config, Connection, Router, ScriptedEndpoint};
use crate::warm_start::{is_kept, kept, snapshot};

/// A thousand routes, all of round `round`, in about 200 KB of the snapshot.
fn many(app: &ScriptedEndpoint, round: usize) -> String {
    let far = "x".repeat(180);
    let uris: Vec<String> = (0..1_000).map(|at| format!("r{round}.test/{far}/{at}")).collect();
    let (host, port) = (app.address().ip(), app.address().port());
    json!({ "host": host, "port": port, "uris": uris, "stale_threshold_in_seconds": 3_600 })
        .to_string()
}

fn register_many(router: &Router, app: &ScriptedEndpoint, round: usize) {
    let answer = send(router.admin(), "POST /register", "", &many(app, round));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn unregister_many(router: &Router, app: &ScriptedEndpoint, round: usize) {
    let answer = send(router.admin(), "POST /unregister", "", &many(app, round));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Asks a router that may be killed meanwhile.
fn try_ask(admin: SocketAddr, request: &str, content: &str) -> Option<Answer> {
    let mut client = Connection::try_open(admin).ok()?;
    let length = content.len();
    client
        .try_send(format!(
            "{request} HTTP/1.1\r\nHost: {admin}\r\nContent-Length: {length}\r\n\r\n{content}"
        ))
        .ok()?;
    client.try_answer("POST").ok()
}

/// Whether all routes of a round are there, by its first and its last.
fn has_round(router: &Router, round: usize) -> bool {
    let far = "x".repeat(180);
    let there =
        |at: usize| who(router, &format!("r{round}.test"), &format!("/{far}/{at}")) == "app";
    let (first, last) = (there(0), there(999));
    assert_eq!(first, last, "what was said together is kept together, or not at all");
    first
}

fn config() -> Config {
    Config::new().set("registry.snapshot", "routes.snapshot")
}

#[test]
fn a_kill_while_the_whole_is_written_anew_loses_nothing_that_was_kept() {
    let app = ScriptedEndpoint::echo("app");
    let mut router = Router::start(&config());
    kept(&router);
    let new = router.config_file().with_file_name("routes.snapshot.new");
    let over = AtomicBool::new(false);
    let (said, safe) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                if new.exists() {
                    return router.signal("KILL");
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let _over = SetWhenDropped(&over);
        let (mut said, mut safe): (Vec<Instant>, usize) = (Vec::new(), 0);
        // Beyond 4 MiB of changes a new table is due, in which it is killed.
        loop {
            assert!(said.len() < 400, "no new table after {} MB", said.len() / 5);
            let done = try_ask(router.admin(), "POST /register", &many(&app, said.len()));
            if done.is_none_or(|answer| answer.status != 200) {
                return (said.len() + 1, safe);
            }
            said.push(Instant::now());
            let asked = Instant::now();
            if let Some(seen) = try_ask(router.admin(), "GET /health/ready", "") {
                let seen = &body(&seen)["snapshot"];
                safe = said.iter().filter(|at| is_kept(seen, asked, **at)).count();
            }
        }
    });
    router.exit();
    router.start_again();
    let found = (0..said).take_while(|round| has_round(&router, *round)).count();
    assert!(found >= safe, "{found} of {said} rounds were found, and {safe} were kept");
    assert!(snapshot(&router)["set_aside"].is_null(), "{}", snapshot(&router));
}

/// So that the other thread ends when the test fails, too.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_table_that_was_written_anew_has_everything_and_is_shorter() {
    let app = ScriptedEndpoint::echo("app");
    let mut router = Router::start(&config());
    let bytes = |router: &Router| snapshot(router)["bytes"].as_u64().expect("a length");
    register_many(&router, &app, 0);
    let mut longest = 0;
    // The same routes over and over: the changes grow, the table does not.
    eventually("a new table", || {
        register_many(&router, &app, 1);
        unregister_many(&router, &app, 1);
        let now = bytes(&router);
        longest = longest.max(now);
        (now < longest).then_some(())
    });
    kept(&router);
    assert!(longest > 3 << 20, "nobody writes a table of {longest} bytes anew");
    register_many(&router, &app, 2);
    kept(&router);
    router.kill();
    router.start_again();
    let found = [0, 1, 2].map(|round| has_round(&router, round));
    assert_eq!(found, [true, false, true]);
}

/// A router that may write so many bytes to a file.
fn limited(blocks: u32) -> Router {
    let mut command = Command::new("sh");
    // Blocks are of 512 bytes; the hard limit stays, so that it can be lifted.
    let run = format!("ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
    command.arg("-c").arg(run).arg(binary().get_program());
    Router::start_as(command, &config())
}

fn lift_limit(router: &Router) {
    let id = router.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited:"]).status();
    assert!(lifted.expect("prlimit can be run").success());
}

#[test]
fn without_room_the_router_serves_and_says_so_and_with_room_again_nothing_is_missing() {
    let app = ScriptedEndpoint::echo("app");
    let mut router = limited(1_000);
    for round in 0..2 {
        register_many(&router, &app, round);
        kept(&router);
    }
    for round in 2..6 {
        register_many(&router, &app, round);
    }
    let failing: Value = eventually("it to fail", || {
        Some(snapshot(&router)).filter(|seen| seen["state"] == "failing")
    });
    let error = failing["error"].as_str().unwrap_or_default().to_lowercase();
    assert!(error.contains("file too large"), "{failing}");
    assert!((0..6).all(|round| has_round(&router, round)), "it serves from memory");
    eventually("it to be logged", || {
        router.stderr().contains("the snapshot cannot be written").then_some(())
    });
    lift_limit(&router);
    eventually("it to be written again", || {
        (snapshot(&router)["state"] == "current").then_some(())
    });
    kept(&router);
    router.kill();
    router.start_again();
    assert!((0..6).all(|round| has_round(&router, round)));
    assert!(snapshot(&router)["set_aside"].is_null(), "what was cut off does no harm");
}

#[test]
fn where_changes_find_no_room_and_what_they_come_to_does_that_is_written() {
    let app = ScriptedEndpoint::echo("app");
    let mut router = limited(1_000);
    register_many(&router, &app, 0);
    kept(&router);
    // Five times the room there is, and nothing in the end.
    for _ in 0..6 {
        register_many(&router, &app, 1);
        unregister_many(&router, &app, 1);
    }
    kept(&router);
    router.kill();
    router.start_again();
    assert_eq!([0, 1].map(|round| has_round(&router, round)), [true, false]);
    assert!(snapshot(&router)["set_aside"].is_null(), "{}", snapshot(&router));
}

#[test]
fn a_kill_while_there_is_no_room_leaves_what_there_was_room_for() {
    let app = ScriptedEndpoint::echo("app");
    let mut router = limited(1_000);
    register_many(&router, &app, 0);
    kept(&router);
    for round in 1..6 {
        register_many(&router, &app, round);
    }
    eventually("it to fail", || (snapshot(&router)["state"] == "failing").then_some(()));
    router.kill();
    router.start_again();
    assert!(has_round(&router, 0));
    assert!(snapshot(&router)["set_aside"].is_null(), "a torn end is cut off");
}
