//! What was said before an endpoint left and comes after it, also over a
//! restart.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::admin::json as body;
use crate::admin_routes::{send, who};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint};
use crate::warm_start::{kept, kill};

fn start(snapshot: &Path) -> Router {
    let path = snapshot.to_str().expect("temporary paths are text");
    Router::start(&Config::new().set("registry.snapshot", path))
}

/// Says something of the app on a host, by a word of this time; what became of
/// it.
fn say(router: &Router, what: &str, host: &str, app: &ScriptedEndpoint, time: i64) -> Value {
    say_for(router, what, host, app, time, 600)
}

/// The same, of something that holds for so many seconds.
fn say_for(
    router: &Router,
    what: &str,
    host: &str,
    app: &ScriptedEndpoint,
    time: i64,
    seconds: u32,
) -> Value {
    let at = app.address();
    let said = json!({ "host": at.ip(), "port": at.port(), "uris": [host],
        "endpoint_updated_at_ns": time, "stale_threshold_in_seconds": seconds });
    let answer = send(router.admin(), &format!("POST /{what}"), "", &said.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    body(&answer)["changes"][0]["outcome"].clone()
}

#[test]
fn a_late_word_does_not_bring_back_over_restarts_what_has_left() {
    let app = ScriptedEndpoint::echo("app");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let snapshot = folder.path().join("routes");
    let router = start(&snapshot);
    // From here on changes are appended.
    kept(&router);
    for host in ["left.test", "back.test", "removed.test"] {
        assert_eq!(say(&router, "register", host, &app, 20), "added");
    }
    for host in ["left.test", "back.test"] {
        assert_eq!(say(&router, "unregister", host, &app, 30), "removed");
    }
    assert_eq!(say(&router, "unregister", "unheard.test", &app, 30), "unknown");
    let deleted = send(router.admin(), "DELETE /routes/removed.test", "", "");
    assert_eq!(deleted.status, 204);
    assert_eq!(say(&router, "register", "back.test", &app, 30), "added", "not older");
    kept(&router);
    kill(router);
    // Once from what was appended, then from a table written anew.
    for anew in [false, true] {
        let router = start(&snapshot);
        for (host, late) in [("left.test", 29), ("unheard.test", 29), ("removed.test", 19)] {
            assert_eq!(say(&router, "register", host, &app, late), "stale", "{host}, {anew}");
            assert_eq!(who(&router, host, "/"), "no-route");
        }
        assert_eq!(who(&router, "back.test", "/"), "app");
        fs::remove_file(&snapshot).expect("it is there");
        eventually("a new one", || snapshot.exists().then_some(()));
        kept(&router);
        kill(router);
    }
    let router = start(&snapshot);
    assert_eq!(say(&router, "register", "back.test", &app, 29), "stale");
    for host in ["left.test", "unheard.test"] {
        assert_eq!(say(&router, "register", host, &app, 30), "added", "as old is not older");
    }
}

#[test]
fn what_expired_before_a_restart_may_be_said_again_by_an_older_word() {
    let app = ScriptedEndpoint::echo("app");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let snapshot = folder.path().join("routes");
    let router = start(&snapshot);
    kept(&router);
    assert_eq!(say_for(&router, "register", "a.test", &app, 20, 1), "added");
    eventually("it to expire", || (who(&router, "a.test", "/") == "no-endpoint").then_some(()));
    kept(&router);
    kill(router);
    let router = start(&snapshot);
    assert_eq!(who(&router, "a.test", "/"), "no-route", "its grace is not kept");
    assert_eq!(say(&router, "register", "a.test", &app, 19), "added");
    assert_eq!(who(&router, "a.test", "/"), "app");
}
