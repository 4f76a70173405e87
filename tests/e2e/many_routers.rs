//! Three routers on one bus, and everything that can go wrong with it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::wait::eventually;
use crate::harness::{Router, ScriptedEndpoint, get};
use crate::nats::{config, metric, until, until_connected};

/// Long enough that no slow machine lets fifty refreshes in a row be late.
const THRESHOLD: &str = "\"stale_threshold_in_seconds\":10";

fn three(server: &NatsServer) -> Vec<Router> {
    let routers: Vec<_> = (0..3).map(|_| Router::start(&config(server))).collect();
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
fn with_losses_and_a_bus_that_restarts_live_apps_are_served_and_dead_ones_end() {
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
        // It dies: nobody refreshes it any more, and nobody says so.
        apps.lock().retain(|(host, _)| host != "dead.test");
        server.lock().kill();
        for router in &routers {
            eventually("the loss noticed", || {
                all_live(&routers);
                (metric(router, "pointsman_nats_connected") == Some(0.0)).then_some(())
            });
        }
        server.lock().revive();
        routers.iter().for_each(until_connected);
        // One router is killed, and another takes its place from what it hears.
        drop(routers.pop());
        let another = Router::start(&config(&server.lock()));
        until_connected(&another);
        (0..live.len()).for_each(|at| until(&another, &format!("live{at}.test"), "/", 200));
        assert_eq!(get(another.address(), "dead.test", "/").status, 404);
        routers.push(another);
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
        over.store(true, Relaxed);
        refreshing.join().expect("the emitter ends in order");
    });
}

/// So that the emitter ends when the test fails, too.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
