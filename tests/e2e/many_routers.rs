//! Three routers on one bus, and everything that can go wrong with it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::wait::eventually;
use crate::harness::{Router, ScriptedEndpoint, get};
use crate::nats::{config, metric, until, until_connected};
use crate::warm_start::kept;

/// Long enough that no slow machine lets fifty refreshes in a row be late.
const THRESHOLD: &str = "\"stale_threshold_in_seconds\":10";

/// Each keeps its routes in its own directory.
fn three(server: &NatsServer) -> Vec<Router> {
    let config = config(server).set("registry.snapshot", "routes.snapshot");
    let routers: Vec<_> = (0..3).map(|_| Router::start(&config)).collect();
    routers.iter().for_each(until_connected);
    routers
}

#[test]
fn what_is_registered_is_served_by_all_and_what_is_unregistered_by_none() {
    let (server, app) = (NatsServer::start(), ScriptedEndpoint::echo("app"));
    let routers = three(&server);
    let mut emitter = Emitter::connect(&server);
    emitter.publish("router.register", &message(app.address(), &["a.test"], THRESHOLD));
    routers.iter().for_each(|router| until(router, "a.test", "/", 200));
    emitter.publish("router.unregister", &message(app.address(), &["a.test"], ""));
    routers.iter().for_each(|router| until(router, "a.test", "/", 404));
}

/// Refreshes `apps` over and over, one message in five lost, over connection
/// after connection, until told to stop.
fn refresh(server: &Mutex<NatsServer>, apps: &Mutex<Vec<(String, SocketAddr)>>, over: &AtomicBool) {
    while !over.load(Relaxed) {
        let apps = apps.lock().clone();
        let lost = |_: &&(String, SocketAddr)| fastrand::u8(..5) > 0;
        let messages: Vec<_> = apps
            .iter()
            .filter(lost)
            .map(|(host, at)| ("router.register", message(*at, &[host], THRESHOLD)))
            .collect();
        // A server that is being killed loses the rest.
        if let Some(mut emitter) = Emitter::try_connect(&server.lock()) {
            emitter.try_publish_all(&messages);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn with_losses_a_bus_that_restarts_and_a_router_that_is_killed_only_the_dead_end() {
    let server = NatsServer::start();
    let mut routers = three(&server);
    let live: Vec<_> = (0..5).map(|_| ScriptedEndpoint::echo("live")).collect();
    let dead = ScriptedEndpoint::echo("dead");
    let named = |(at, app): (usize, &ScriptedEndpoint)| (format!("live{at}.test"), app.address());
    let mut apps: Vec<_> = live.iter().enumerate().map(named).collect();
    apps.push(("dead.test".into(), dead.address()));
    let (server, apps, over) = (Mutex::new(server), Mutex::new(apps), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let refreshing = scope.spawn(|| refresh(&server, &apps, &over));
        let _stop = StopWhenDropped(&over);
        let hosts: Vec<String> = apps.lock().iter().map(|(host, _)| host.clone()).collect();
        for router in &routers {
            hosts.iter().for_each(|host| until(router, host, "/", 200));
        }
        let all_live = |routers: &[Router]| {
            for router in routers {
                for at in 0..live.len() {
                    let answer = get(router.address(), &format!("live{at}.test"), "/");
                    assert_eq!(answer.status, 200, "live{at}.test");
                }
            }
        };
        routers.iter().for_each(kept);
        // It dies: nobody refreshes it any more, and nobody says so.
        apps.lock().retain(|(host, _)| host != "dead.test");
        server.lock().kill();
        for router in &routers {
            eventually("the loss noticed", || {
                all_live(&routers);
                (metric(router, "pointsman_nats_connected") == Some(0.0)).then_some(())
            });
        }
        // While there is nobody to hear from, one is killed: it comes back with
        // what it has kept, and serves all of it before anything else.
        routers[2].kill();
        routers[2].start_again();
        all_live(&routers);
        assert_eq!(
            get(routers[2].address(), "dead.test", "/").status,
            200,
            "nobody said otherwise"
        );
        assert_eq!(metric(&routers[2], "pointsman_nats_connected"), Some(0.0));
        server.lock().revive();
        routers.iter().for_each(until_connected);
        all_live(&routers);
        for router in &routers {
            eventually("the dead app to be gone", || {
                all_live(&routers);
                (get(router.address(), "dead.test", "/").status == 404).then_some(())
            });
        }
        let visits = dead.count();
        for router in &routers {
            assert_eq!(get(router.address(), "dead.test", "/").status, 404);
        }
        all_live(&routers);
        assert_eq!(dead.count(), visits, "what is dead stays so");
        // One that leaves in order is gone at once, and everywhere.
        let (host, at) = apps.lock().remove(0);
        let mut emitter = Emitter::connect(&server.lock());
        emitter.publish("router.unregister", &message(at, &[&host], ""));
        routers.iter().for_each(|router| until(router, &host, "/", 404));
        over.store(true, Relaxed);
        refreshing.join().expect("the emitter ends in order");
    });
}

#[test]
fn a_router_that_was_killed_hears_after_its_start_what_changed_meanwhile() {
    let server = NatsServer::start();
    let (stays, leaves) = (ScriptedEndpoint::echo("stays"), ScriptedEndpoint::echo("leaves"));
    let mut routers = three(&server);
    let mut emitter = Emitter::connect(&server);
    for (host, app) in [("stays.test", &stays), ("leaves.test", &leaves)] {
        emitter.publish("router.register", &message(app.address(), &[host], THRESHOLD));
        routers.iter().for_each(|router| until(router, host, "/", 200));
    }
    routers.iter().for_each(kept);
    routers[0].kill();
    emitter.publish("router.unregister", &message(leaves.address(), &["leaves.test"], ""));
    routers[1..].iter().for_each(|router| until(router, "leaves.test", "/", 404));
    routers[0].start_again();
    assert_eq!(get(routers[0].address(), "stays.test", "/").status, 200, "from its snapshot");
    until_connected(&routers[0]);
    // What it has missed it learns from silence: what is said goes on.
    eventually("the app that has left to be gone", || {
        emitter.publish("router.register", &message(stays.address(), &["stays.test"], THRESHOLD));
        assert_eq!(get(routers[0].address(), "stays.test", "/").status, 200);
        (get(routers[0].address(), "leaves.test", "/").status == 404).then_some(())
    });
}

/// So that the emitter ends when the test fails, too.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
