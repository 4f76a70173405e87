//! A platform router in Go wrote late informational (1xx) responses into the
//! response's header map from one goroutine, while the error handler of the
//! failed round trip set its own field on the same map: `fatal error:
//! concurrent map writes`, and the process was gone with everyone on it.
//!
//! Here no two parts of an exchange share a head: an attempt moves its head
//! out and gets an owned one back, an error answer is built of the error alone,
//! and misuse does not compile (`tests/compile_fail`). What could still bring a
//! late head into another's exchange is the connection it came on: so one with
//! bytes nobody asked for is never used again (`Guard::CleanReuse`).

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::builds::Build;
use crate::harness::held::{ask, sum};
use crate::harness::wire::{Fault, Head};
use crate::harness::{Answer, Config, Connection, Script, ScriptedEndpoint, Step};

/// Clients at a time, and requests of each.
const CLIENTS: usize = 20;
const REQUESTS: usize = 200;

/// Ways in which heads come early, late, often, and with a failure.
const TARGETS: [&str; 12] = [
    "early",
    "late",
    "late-behind-content",
    "late-and-closing",
    "storm",
    "then-reset",
    "then-close",
    "then-garbage",
    "then-half-a-head",
    "then-switch-unasked",
    "tunnel",
    "tunnel-of-late-heads",
];

/// The target is `/WAY/ID`; every head an endpoint sends says the ID.
fn answer(target: &str) -> Script {
    let (way, id) = target[1..].split_once('/').expect("a way and an id");
    let hint = format!("HTTP/1.1 103 Early Hints\r\nx-hint: {id}\r\nx-shared: {id}\r\n\r\n");
    let whole = |more: &str, content: &str| {
        let length = content.len();
        format!(
            "HTTP/1.1 200 OK\r\nx-final: {id}\r\n{more}content-length: {length}\r\n\r\n{content}"
        )
    };
    let send = |text: String| Step::Send(text.into());
    match way {
        "early" => vec![send(hint.repeat(3)), send(whole("", "done"))],
        // In one write, so that the router has both before anyone else could.
        "late" => vec![send(whole("", "") + &hint)],
        "late-behind-content" => vec![send(whole("", "done") + &hint.repeat(2))],
        "late-and-closing" => {
            vec![send(whole("connection: close\r\n", "done")), send(hint), Step::Close]
        }
        "storm" => vec![send(hint.repeat(100)), Step::Reset],
        "then-reset" => vec![send(hint), Step::Reset],
        "then-close" => vec![send(hint), Step::Close],
        "then-garbage" => vec![send(hint.clone() + "HTTP/1.1 what\r\n\r\n" + &hint), Step::Close],
        "then-half-a-head" => vec![send(hint + "HTTP/1.1 200 OK\r\nx-fi"), Step::Reset],
        "then-switch-unasked" => vec![send(hint.repeat(2) + &switched(id) + &hint), Step::Close],
        "tunnel" => vec![send(hint + &switched(id)), Step::EchoBytes, Step::Close],
        // Whoever took these for HTTP would find heads of the right form.
        "tunnel-of-late-heads" => {
            vec![
                send(hint.clone() + &switched(id) + &whole("", "") + &hint),
                Step::EchoBytes,
                Step::Close,
            ]
        }
        other => panic!("nobody asks for {other}"),
    }
}

fn switched(id: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nx-final: {id}\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    )
}

fn endpoint() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::ReadBody, Step::ByTarget(answer)])
}

fn config(endpoints: &[&ScriptedEndpoint]) -> Config {
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address()).collect();
    Config::new().set("workers.threads", 2).route("a.test", &addresses)
}

/// Thousands of requests from all clients at once; every head that was not
/// its request's own.
fn storm(build: &Build) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(build, &next, &wrong));
        }
    });
    wrong.into_inner()
}

fn client(build: &Build, next: &AtomicUsize, wrong: &Mutex<Vec<String>>) {
    let mut connection = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= CLIENTS * REQUESTS {
            return;
        }
        let (way, id) = (TARGETS[number % TARGETS.len()], number.to_string());
        let method = if (number / TARGETS.len()).is_multiple_of(2) { "GET" } else { "DELETE" };
        let client = connection.get_or_insert_with(|| Connection::open(build.router.address()));
        let head = format!("{method} /{way}/{id} HTTP/1.1\r\nHost: a.test\r\n");
        if way.starts_with("tunnel") {
            if let Err(why) = tunnel(client, &head, way, &id) {
                wrong.lock().push(format!("{way} {id}: {why}"));
            }
            connection = None;
            continue;
        }
        client.send(head + "\r\n");
        match client.try_answer(method) {
            Ok(answer) => {
                if let Err(why) = judge(&answer, way, &id) {
                    wrong.lock().push(format!("{way} {id}: {why}: {answer:?}"));
                }
                let closes = answer.fields.one("connection") == Some("close");
                connection = connection.filter(|_| !closes);
            }
            Err(broken) => {
                wrong.lock().push(format!("{way} {id}: {broken:?}"));
                connection = None;
            }
        }
    }
}

/// A tunnel carries its own client's bytes behind its own heads.
fn tunnel(client: &mut Connection, head: &str, way: &str, id: &str) -> Result<(), String> {
    client.send(format!("{head}Connection: upgrade\r\nUpgrade: x\r\n\r\nearly {id}"));
    let answer = client.answer_head().map_err(|broken| format!("{broken:?}"))?;
    let own = |head: &Head| head.fields.one("x-hint") == Some(id);
    if answer.status != 101
        || answer.fields.all("x-final") != [id]
        || !answer.interim.iter().all(own)
    {
        return Err(format!("not its own switch: {answer:?}"));
    }
    client.finish_sending();
    let (bytes, fault) = client.ending();
    let said = String::from_utf8_lossy(&bytes);
    let late = if way == "tunnel" { 0 } else { said.matches(&format!(": {id}\r\n")).count() };
    let whole = said.ends_with(&format!("early {id}")) && fault == Fault::Closed;
    if !whole || (way != "tunnel" && late != 3) {
        return Err(format!("{fault:?} after {said:?}"));
    }
    Ok(())
}

/// One final head, all its own: the app's or an error's, and never both.
fn judge(answer: &Answer, way: &str, id: &str) -> Result<(), String> {
    let foreign = answer.interim.iter().find(|hint| hint.fields.one("x-hint") != Some(id));
    if let Some(hint) = foreign {
        return Err(format!("another's hint: {hint:?}"));
    }
    if answer.fields.all("x-hint").len() + answer.fields.all("x-shared").len() > 0 {
        return Err("a hint's field in the final head".into());
    }
    let app_answers = matches!(way, "early" | "late" | "late-behind-content" | "late-and-closing");
    let expected = if app_answers { (200, None) } else { (502, answer.code()) };
    if (answer.status, answer.code()) != expected || (answer.code().is_some() == app_answers) {
        return Err("neither the app's answer nor an error's".into());
    }
    let own = if app_answers { vec![id] } else { vec![] };
    if answer.fields.all("x-final") != own {
        return Err("not its own head".into());
    }
    Ok(())
}

#[test]
fn thousands_of_late_heads_racing_failures_reach_nobody_they_are_not_for() {
    let (one, other) = (endpoint(), endpoint());
    let mut build = Build::guarded(&config(&[&one, &other]));
    let wrong = storm(&build);
    assert!(wrong.is_empty(), "{} wrong, such as {}", wrong.len(), wrong[0]);
    assert!(build.router.runs());
    assert_eq!(sum(&ask(&build.router, "/metrics"), "pointsman_panics_total"), 0);
}

#[test]
fn without_the_guard_late_heads_reach_the_next_client() {
    let (one, other) = (endpoint(), endpoint());
    let build = Build::without("clean-reuse", &config(&[&one, &other]));
    let wrong = storm(&build);
    let foreign = wrong.iter().filter(|why| why.contains("another's hint")).count();
    assert!(foreign > 0, "{} wrong, such as {:?}", wrong.len(), wrong.first());
}
