//! The workspace platform's job again (see [`undrained_body`]), as a health
//! check: an endpoint whose answer to a probe never ends. Who reads it to its
//! end keeps a connection and a task more with every probe.
//!
//! Here a probe is over when its time is, or when it has read enough, and its
//! connection with it (`Guard::ProbeEnd`).
//!
//! [`undrained_body`]: super::undrained_body

use crate::builds::Build;
use crate::harness::wait::eventually;
use crate::harness::{Config, ScriptedEndpoint, Step};

/// Probes that are waited for.
const PROBES: usize = 20;

/// A head that lets a probe pass, and content that does not end.
fn endless() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwell\r\n";
        vec![Step::ReadHead, Step::Send(head.into()), Step::UntilPeerLeaves]
    })
}

fn config(endpoint: &ScriptedEndpoint, timeout: &str) -> Config {
    let check = format!(
        "health_check = {{ path = \"/up\", interval = \"20ms\", timeout = \"{timeout}\" }}"
    );
    Config::new().route_with("a.test", &[endpoint.address()], &check)
}

fn probed(endpoint: &ScriptedEndpoint) {
    eventually("a number of probes", || (endpoint.count() >= PROBES).then_some(()));
}

#[test]
fn probes_whose_answers_never_end_leave_no_connection_behind() {
    let endpoint = endless();
    let _build = Build::guarded(&config(&endpoint, "50ms"));
    probed(&endpoint);
    // Each has been closed, but for the last, which may be under way.
    (0..PROBES - 1).for_each(|number| drop(endpoint.ending(number)));
}

#[test]
fn without_the_guard_each_probe_leaves_a_connection() {
    let endpoint = endless();
    let build = Build::without("probe-end", &config(&endpoint, "1m"));
    probed(&endpoint);
    assert!(build.router.sockets() >= PROBES, "{} sockets", build.router.sockets());
}
