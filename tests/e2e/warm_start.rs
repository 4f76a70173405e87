//! Live routes outlive the router: the snapshot, and what can happen to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::admin::{ask, json as body};
use crate::admin_routes::{put, who};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint};

/// A directory with a place for a snapshot.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be made"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("routes.snapshot")
    }

    fn aside(&self) -> PathBuf {
        self.0.path().join("routes.snapshot.aside")
    }

    fn config(&self) -> Config {
        config(&self.path())
    }

    fn start(&self) -> Router {
        Router::start(&self.config())
    }
}

fn config(path: &Path) -> Config {
    Config::new().set("registry.snapshot", path.to_str().expect("temporary paths are text"))
}

pub(crate) fn snapshot(router: &Router) -> Value {
    body(&ask(router, "/health/ready"))["snapshot"].clone()
}

/// Waits until the snapshot has everything that was in force when this was
/// called.
#[track_caller]
pub(crate) fn kept(router: &Router) {
    let since = Instant::now();
    eventually("the snapshot to be current", || {
        let asked = Instant::now();
        is_kept(&snapshot(router), asked, since).then_some(())
    });
}

/// Whether a snapshot seen so, by a question asked at `asked`, has everything
/// from before `since`.
pub(crate) fn is_kept(snapshot: &Value, asked: Instant, since: Instant) -> bool {
    let age = snapshot["age_ms"].as_u64().map(Duration::from_millis);
    // A millisecond is lost to rounding.
    age.is_some_and(|age| asked.duration_since(since) > age + Duration::from_millis(1))
}

/// Ends it at once, in the middle of whatever it does.
pub(crate) fn kill(mut router: Router) {
    router.signal("KILL");
    router.exit();
}

#[test]
fn a_router_that_was_killed_serves_at_once_what_was_given() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let router = place.start();
    let route = json!({ "balance": "least-requests", "endpoints": [{ "address": app.address(), "weight": 7 }] });
    for host in ["a.test", "*.b.test/api", "gone.test"] {
        assert_eq!(put(&router, host, &route).status, 201);
    }
    let delete = |router: &Router| {
        crate::admin_routes::send(router.admin(), "DELETE /routes/gone.test", "", "").status
    };
    assert_eq!(delete(&router), 204);
    kept(&router);
    kill(router);
    for stop_in_order in [true, false] {
        let router = place.start();
        assert_eq!(who(&router, "a.test", "/"), "app");
        assert_eq!(who(&router, "x.b.test", "/api"), "app");
        assert_eq!(who(&router, "gone.test", "/"), "no-route");
        let listed = body(&ask(&router, "/routes?host=a.test"))["routes"][0].clone();
        assert_eq!(listed["source"], "admin", "{listed}");
        assert_eq!(listed["balance"], "least-requests");
        assert_eq!(listed["endpoints"][0]["weight"], 7);
        assert!(snapshot(&router)["restored"].as_u64() >= Some(2), "{}", snapshot(&router));
        if stop_in_order {
            assert_eq!(router.stop().code(), Some(0));
        } else {
            kill(router);
        }
    }
}

#[test]
fn what_was_given_just_before_a_stop_in_order_is_kept() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    for round in 0..5 {
        let router = place.start();
        for before in 0..round {
            assert_eq!(who(&router, &format!("host-{before}.test"), "/"), "app");
        }
        let host = format!("host-{round}.test");
        assert_eq!(put(&router, &host, &json!({ "endpoints": [app.address()] })).status, 201);
        assert_eq!(router.stop().code(), Some(0));
    }
}

#[test]
fn what_is_not_confirmed_within_its_time_to_live_goes_after_a_restart() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let grace = |config: Config| config.set("registry.grace", "1ms");
    let router = Router::start(&grace(place.config()));
    let route = json!({ "ttl": "6s", "endpoints": [app.address()] });
    assert_eq!(put(&router, "a.test", &route).status, 201);
    assert_eq!(put(&router, "b.test", &json!({ "endpoints": [app.address()] })).status, 201);
    kept(&router);
    kill(router);
    let router = Router::start(&grace(place.config()));
    assert_eq!(who(&router, "a.test", "/"), "app");
    eventually("its time to be over", || (who(&router, "a.test", "/") == "no-route").then_some(()));
    assert_eq!(who(&router, "b.test", "/"), "app");
    kept(&router);
    kill(router);
    let router = place.start();
    assert_eq!(who(&router, "a.test", "/"), "no-route", "what expired does not come back");
}

/// The hosts of a router's live routes, by number.
fn numbers(router: &Router) -> Vec<usize> {
    let number = |route: &Value| {
        let host = route["host"].as_str().expect("a host");
        let number = host.strip_prefix("host-").and_then(|rest| rest.strip_suffix(".test"));
        number.and_then(|number| number.parse::<usize>().ok()).expect("a numbered host")
    };
    let (mut numbers, mut after) = (Vec::<usize>::new(), String::new());
    loop {
        let page = body(&ask(router, &format!("/routes?limit=10000{after}")));
        let routes = page["routes"].as_array().expect("a list of routes");
        numbers.extend(routes.iter().map(number));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    numbers.sort_unstable();
    numbers
}

#[test]
fn kills_under_constant_writes_lose_only_the_last_moment_and_nothing_in_between() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let mut next = 0;
    for round in 0..6 {
        let router = place.start();
        let route = json!({ "endpoints": [app.address()] }).to_string();
        // When each write was answered, from number `next` on.
        let answered: Mutex<Vec<Instant>> = Mutex::new(Vec::new());
        let stop = AtomicBool::new(false);
        let (admin, first) = (router.admin(), next);
        let safe = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = Connection::open(admin);
                for number in first.. {
                    let sent = client.try_send(format!(
                        "PUT /routes/host-{number}.test HTTP/1.1\r\nHost: {admin}\r\n\
                         Content-Length: {}\r\n\r\n{route}",
                        route.len()
                    ));
                    let answer = sent.ok().and_then(|()| client.try_answer("PUT").ok());
                    let Some(answer) = answer.filter(|_| !stop.load(SeqCst)) else { return };
                    assert_eq!(answer.status, 201, "{}", answer.text());
                    answered.lock().push(Instant::now());
                }
            });
            let safe = eventually("some writes to be kept", || {
                let asked = Instant::now();
                let seen = snapshot(&router);
                let answered = answered.lock();
                let safe = answered.iter().filter(|at| asked > **at && is_kept(&seen, asked, **at));
                let safe = safe.count();
                (safe >= 20 * (round + 1)).then_some(safe)
            });
            router.signal("KILL");
            stop.store(true, SeqCst);
            safe
        });
        let sent = answered.lock().len() + 1;
        kill(router);
        let router = place.start();
        let numbers = numbers(&router);
        let found = numbers.len();
        assert_eq!(numbers, (0..found).collect::<Vec<_>>(), "nothing is missing in between");
        assert!(found >= first + safe, "{found} of {first} and {safe} at least");
        assert!(found <= first + sent, "{found} of {first} and {sent} at most");
        assert!(!place.aside().exists(), "a kill is no damage");
        next = found;
        kill(router);
    }
}

/// A snapshot with two routes, written by a router that was killed.
fn written(place: &Place, app: &ScriptedEndpoint) -> Vec<u8> {
    let router = place.start();
    // The table it begins with has nothing, and the routes are changes.
    kept(&router);
    for host in ["a.test", "b.test"] {
        assert_eq!(put(&router, host, &json!({ "endpoints": [app.address()] })).status, 201);
        kept(&router);
    }
    kill(router);
    fs::read(place.path()).expect("there is a snapshot")
}

#[test]
fn a_file_that_cannot_be_used_is_set_aside_and_the_router_starts() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let good = written(&place, &app);
    let mut future = good.clone();
    future[8] += 1;
    let mut damaged = good.clone();
    damaged[30] ^= 4;
    let torn_base = &good[..30];
    for (bad, why) in [
        (&b"[[route]]\nhost = \"a.test\"\n"[..], "not a snapshot"),
        (&future, "version 2"),
        (&damaged, "damaged at byte 24"),
        (torn_base, "damaged at byte 24"),
        (b"", "not a snapshot"),
    ] {
        fs::write(place.path(), bad).expect("the file can be written");
        let router = place.start();
        assert_eq!(who(&router, "a.test", "/"), "no-route");
        assert_eq!(fs::read(place.aside()).expect("it is set aside"), bad);
        let said = snapshot(&router)["set_aside"].clone();
        assert!(said.as_str().is_some_and(|said| said.contains(why)), "{said}");
        eventually("it to be logged", || router.stderr().contains("set aside").then_some(()));
        let figures = ask(&router, "/metrics").text();
        assert!(figures.contains("pointsman_snapshot_set_aside_total 1"), "{figures}");
        kept(&router);
        kill(router);
        let router = place.start();
        assert!(snapshot(&router)["set_aside"].is_null(), "a new one was written");
        kill(router);
    }
}

#[test]
fn a_pipe_or_a_directory_in_its_place_is_set_aside_and_the_router_starts() {
    let app = ScriptedEndpoint::echo("app");
    let pipe = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo is there").success());
    };
    let directory = |path: &Path| fs::create_dir(path).expect("a directory can be made");
    let kinds: [&dyn Fn(&Path); 2] = [&pipe, &directory];
    for make in kinds {
        let place = Place::new();
        make(&place.path());
        let router = place.start();
        let said = snapshot(&router)["set_aside"].clone();
        assert!(said.as_str().is_some_and(|said| said.contains("not a regular file")), "{said}");
        assert!(place.aside().exists());
        assert_eq!(put(&router, "a.test", &json!({ "endpoints": [app.address()] })).status, 201);
        kept(&router);
        kill(router);
        assert_eq!(who(&place.start(), "a.test", "/"), "app");
    }
    // Nor are pipes beside it waited for.
    let place = Place::new();
    pipe(&place.0.path().join("routes.snapshot.new"));
    kept(&place.start());
}

#[test]
fn a_file_that_is_removed_or_replaced_meanwhile_is_written_anew() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let router = place.start();
    assert_eq!(put(&router, "a.test", &json!({ "endpoints": [app.address()] })).status, 201);
    kept(&router);
    let remove = || fs::remove_file(place.path()).expect("it can be removed");
    let replace = || {
        let other = place.0.path().join("other");
        fs::write(&other, "not a snapshot").expect("a file can be written");
        fs::rename(&other, place.path()).expect("a file can be renamed");
    };
    for (host, meddle) in [("b.test", &remove as &dyn Fn()), ("c.test", &replace)] {
        meddle();
        assert_eq!(put(&router, host, &json!({ "endpoints": [app.address()] })).status, 201);
        kept(&router);
        let there = fs::read(place.path()).expect("it is there again");
        assert!(there.windows(host.len()).any(|bytes| bytes == host.as_bytes()), "{host}");
    }
    remove();
    eventually("it to be there without a change, too", || place.path().exists().then_some(()));
    kill(router);
    let router = place.start();
    for host in ["a.test", "b.test", "c.test"] {
        assert_eq!(who(&router, host, "/"), "app", "{host}");
    }
}

#[test]
fn of_a_torn_or_damaged_end_what_precedes_it_is_used() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let good = written(&place, &app);
    let torn = &good[..good.len() - 3];
    let mut damaged = good.clone();
    *damaged.last_mut().expect("it is not empty") ^= 1;
    let zeros = [&good[..], &[0; 100]].concat();
    for (bad, b, aside) in
        [(torn, "no-route", false), (&damaged, "no-route", true), (&zeros, "app", true)]
    {
        drop(fs::remove_file(place.aside()));
        fs::write(place.path(), bad).expect("the file can be written");
        let router = place.start();
        assert_eq!(
            (who(&router, "a.test", "/"), who(&router, "b.test", "/")),
            ("app".into(), b.into())
        );
        assert_eq!(place.aside().exists(), aside);
        if aside {
            assert_eq!(fs::read(place.aside()).expect("it is kept"), bad);
        }
        assert_eq!(put(&router, "c.test", &json!({ "endpoints": [app.address()] })).status, 201);
        kept(&router);
        kill(router);
        let router = place.start();
        assert_eq!(who(&router, "c.test", "/"), "app", "writing went on");
        assert_eq!(who(&router, "b.test", "/"), b);
        assert!(snapshot(&router)["set_aside"].is_null());
    }
}

#[test]
fn where_it_cannot_be_written_the_router_serves_and_says_so_until_it_can() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let folder = place.0.path().join("later");
    let path = folder.join("routes.snapshot");
    let router = Router::start(&config(&path));
    assert_eq!(put(&router, "a.test", &json!({ "endpoints": [app.address()] })).status, 201);
    assert_eq!(who(&router, "a.test", "/"), "app");
    let failing = eventually("it to fail", || {
        Some(snapshot(&router)).filter(|seen| seen["state"] == "failing")
    });
    assert!(failing["error"].as_str().is_some_and(|error| error.contains("No such file")));
    assert_eq!(ask(&router, "/health").status, 200, "it decides no verdict");
    let figures = ask(&router, "/metrics").text();
    assert!(!figures.contains("pointsman_snapshot_write_failures_total 0\n"), "{figures}");
    fs::create_dir(&folder).expect("a directory can be made");
    eventually("it to be written", || (snapshot(&router)["state"] == "current").then_some(()));
    kill(router);
    assert_eq!(who(&Router::start(&config(&path)), "a.test", "/"), "app");
}

#[test]
fn two_routers_with_one_snapshot_do_not_write_over_each_other() {
    let app = ScriptedEndpoint::echo("app");
    let place = Place::new();
    let old = place.start();
    assert_eq!(put(&old, "a.test", &json!({ "endpoints": [app.address()] })).status, 201);
    kept(&old);
    let new = place.start();
    assert_eq!(who(&new, "a.test", "/"), "app", "it is read while the other still writes");
    assert_eq!(put(&new, "b.test", &json!({ "endpoints": [app.address()] })).status, 201);
    eventually("it to wait", || (snapshot(&new)["state"] == "elsewhere").then_some(()));
    assert_eq!(old.stop().code(), Some(0));
    eventually("it to take over", || (snapshot(&new)["state"] == "current").then_some(()));
    kill(new);
    let router = place.start();
    assert_eq!(
        (who(&router, "a.test", "/"), who(&router, "b.test", "/")),
        ("app".into(), "app".into())
    );
}

#[test]
fn without_the_key_nothing_is_written_and_health_has_no_snapshot() {
    let router = Router::start(&Config::new());
    assert!(snapshot(&router).is_null());
    assert!(!ask(&router, "/metrics").text().contains("pointsman_snapshot"));
}
