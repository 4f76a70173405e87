//! Every clock of `[timeouts]`, each by what happens when it runs out.
//!
//! A clock is set shorter than its default, and what it does must come before
//! the default would; or, where the default itself is short, longer than that.
//! Without the clock each of these would hang until the harness gives up.

mod client;
mod endpoint;
mod linger;
mod request;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint};

/// The clocks under test, unless a test says otherwise.
const SHORT: &str = "800ms";
const SHORT_TIME: Duration = Duration::from_millis(800);
/// What a loaded machine may add: less than the shortest default it must not
/// be mistaken for.
const GENEROUS: Duration = Duration::from_secs(8);

/// A router in front of `endpoint` with these clocks, and its log on stdout.
#[track_caller]
fn clocked(endpoint: &ScriptedEndpoint, clocks: &[(&str, &str)]) -> Router {
    let logging = Config::new().set("access_log.path", "-");
    let config = clocks
        .iter()
        .fold(logging, |config, (clock, time)| config.set(&format!("timeouts.{clock}"), *time));
    Router::start(&config.route("a.test", &[endpoint.address()]))
}

/// A time that is being taken.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// The clock ran its time, and no other did.
    #[track_caller]
    fn stopped_by(&self, clock: Duration) {
        let took = self.0.elapsed();
        assert!(took >= clock, "over after {took:?}, before its time of {clock:?}");
        assert!(took < clock + GENEROUS, "over only after {took:?} instead of {clock:?}");
    }
}

/// Sends `piece` over and over, `pause` apart, until something comes back.
#[track_caller]
fn trickle(client: &mut Connection, piece: &str, pause: Duration) {
    let begun = Instant::now();
    while !client.answers() {
        assert!(begun.elapsed() < Duration::from_secs(60), "a trickle is taken without end");
        if client.try_send(piece).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
}

/// Waits for the first request's line in the access log.
#[track_caller]
fn logged(router: &Router) -> Value {
    let line = eventually("a line of access log", || router.stdout().get(2).cloned());
    serde_json::from_str(&line).expect("a line of JSON")
}
