//! A server with the defaults of its library, which are none: ten connections
//! a second that never send a byte left it with ten thousand tasks.
//!
//! Here every clock has a finite default. The one that ends silent clients is
//! `keep_alive` (`Guard::KeepAlive`).

use crate::builds::Build;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Held, ScriptedEndpoint, get};

/// Silent clients at a time.
const CROWD: usize = 200;

fn config(endpoint: &ScriptedEndpoint) -> Config {
    Config::new()
        .set("timeouts.keep_alive", "1s")
        .set("timeouts.upstream_keep_alive", "300ms")
        .route("a.test", &[endpoint.address()])
}

/// Connects and says nothing, or nothing more after one request.
fn crowd(build: &Build) -> Vec<Connection> {
    let connect = |number: usize| {
        let mut client = Connection::open(build.router.address());
        if number.is_multiple_of(10) {
            client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            assert_eq!(client.answer("GET").status, 200);
        }
        client
    };
    (0..CROWD).map(connect).collect()
}

#[test]
fn thousands_of_silent_connections_come_to_an_end() {
    let endpoint = ScriptedEndpoint::echo("one");
    let build = Build::guarded(&config(&endpoint));
    let rest = Held::at_rest(&build.router);
    for _ in 0..10 {
        for mut silent in crowd(&build) {
            assert_eq!(silent.ending(), (Vec::new(), Fault::Closed), "and without a word");
        }
        assert_eq!(get(build.router.address(), "a.test", "/").status, 200);
    }
    let left = build.left(&rest);
    assert!(left.fits(&rest), "{rest:?} before, and now {left:?}");
}

#[test]
fn without_the_guard_they_all_stay() {
    let endpoint = ScriptedEndpoint::echo("one");
    let build = Build::without("keep-alive", &config(&endpoint));
    let rest = Held::at_rest(&build.router);
    let _silent = crowd(&build);
    let left = build.left(&rest);
    assert_eq!(left.clients, CROWD as u64, "{left:?}");
}
