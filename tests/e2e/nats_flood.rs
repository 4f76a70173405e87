//! More messages than can be read.

use std::time::{Duration, Instant};

use crate::admin::{ask, json as body};
use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::wait::eventually;
use crate::harness::{Router, ScriptedEndpoint, get};
use crate::nats::{config, metric, until, until_connected};

const REGISTER: &str = "router.register";

/// The number that an endpoint was registered with last.
fn number(router: &Router, host: &str) -> Option<u64> {
    let listed = body(&ask(router, &format!("/routes?host={host}")));
    listed["routes"][0]["endpoints"][0]["instance_id"].as_str()?.parse().ok()
}

#[test]
fn what_does_not_fit_is_dropped_and_counted_and_the_rest_stays_in_order() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = Router::start(&config(&server).set("registry.nats.queue", 16));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let numbered = |number: u64| {
        let instance = format!("\"private_instance_id\":\"{number}\"");
        (REGISTER, message(app.address(), &["a.test"], &instance))
    };
    let taken = || metric(&router, "pointsman_nats_messages_total{subject=\"register\"}");
    let dropped = || metric(&router, "pointsman_nats_messages_dropped_total").unwrap_or_default();
    let (mut sent, mut last) = (0, None);
    // In pieces, until one was too much: held still, the router finds them all
    // at once.
    eventually("some to be dropped", || {
        router.suspend();
        let piece: Vec<_> = (sent..sent + 5_000).map(numbered).collect();
        emitter.publish_all(&piece);
        sent += 5_000;
        router.resume();
        eventually("every message to be taken or counted as dropped", || {
            let now = number(&router, "a.test");
            assert!(now >= last, "{now:?} after {last:?}");
            last = now;
            let known = taken().unwrap_or_default() + dropped();
            assert!(known <= sent as f64, "{known} of {sent}");
            (known == sent as f64).then_some(())
        });
        (dropped() > 0.0).then_some(())
    });
    eventually("it to be logged", || router.stderr().contains("registry.nats.queue").then_some(()));
    let (subject, text) = numbered(sent);
    emitter.publish(subject, &text);
    eventually("what is said afterwards", || {
        (number(&router, "a.test") == Some(sent)).then_some(())
    });
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
}

#[test]
fn who_was_not_listened_to_has_not_been_silent() {
    const THRESHOLD: Duration = Duration::from_secs(5);
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let router = Router::start(&config(&server).set("registry.nats.queue", 16));
    until_connected(&router);
    let mut emitter = Emitter::connect(&server);
    let brief = message(app.address(), &["brief.test"], "\"stale_threshold_in_seconds\":5");
    let dropped = || metric(&router, "pointsman_nats_messages_dropped_total").unwrap_or_default();
    let piece: Vec<_> = (0..2_000)
        .map(|at| (REGISTER, message(app.address(), &[&format!("o{}.test", at % 50)], "")))
        .collect();
    // When it was said, and since when at least nothing was lost.
    let mut said: Option<(Instant, Instant)> = None;
    eventually("losses over more than its threshold", || {
        let before = dropped();
        let (first, since) = *said.get_or_insert_with(|| {
            let now = Instant::now();
            emitter.publish(REGISTER, &brief);
            until(&router, "brief.test", "/", 200);
            (now, now)
        });
        let sent = Instant::now();
        router.suspend();
        emitter.publish_all(&piece);
        router.resume();
        let status = get(router.address(), "brief.test", "/").status;
        if since.elapsed() > THRESHOLD {
            // This machine was too slow for it: once more.
            said = None;
            return None;
        }
        assert_eq!(status, 200, "after {:?}", first.elapsed());
        if dropped() > before {
            said = Some((first, sent));
        }
        (first.elapsed() > 3 * THRESHOLD).then_some(())
    });
    until(&router, "brief.test", "/", 404);
}
