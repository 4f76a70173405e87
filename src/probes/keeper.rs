//! The one owner of all probers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::endpoint::{HealthCheck, Probed};
use crate::lifecycle::{Kept, Phase, TaskKind};
use crate::probes::prober;
use crate::router::{Route, Shared, Snapshot};

/// Between two looks at the table: tables may come faster than it makes sense
/// to compare them.
const LEAST_PACE: Duration = Duration::from_millis(20);
/// Live routes come, go and begin to be used without a word to the keeper: it
/// looks whether any did this often.
const LIVE_PACE: Duration = Duration::from_millis(500);

/// Keeps one prober for each address and check of the table in force, until
/// the router drains or this is dropped.
pub(crate) async fn keep(shared: Arc<Shared>, mut phase: watch::Receiver<Phase>) {
    let mut probers = Kept::new();
    let attending = async {
        let mut published = shared.published.subscribe();
        loop {
            published.mark_unchanged();
            // The count first: what is made in between is looked at once more.
            let made = shared.probes.made();
            let snapshot = shared.snapshots.current();
            probers.reconcile(wanted(&snapshot), |probed| {
                let url = url(&probed);
                shared.tasks.track(TaskKind::Probe, url, prober::run(shared.clone(), probed))
            });
            // Otherwise it is let go of: it may stand for long.
            let seen = Some((snapshot, made)).filter(|(seen, _)| seen.checks_live_routes());
            tokio::time::sleep(LEAST_PACE).await;
            tokio::select! {
                changed = published.changed() => if changed.is_err() { return },
                () = probers.one_ended() => {}
                () = is_over(seen, &shared) => {}
            }
        }
    };
    tokio::select! {
        () = attending => {}
        // A router that is about to end needs no news of endpoints.
        _ = phase.wait_for(Phase::is_draining) => {}
    }
    probers.shutdown().await;
}

/// Waits until there is another table than the one seen, or more to probe; for
/// ever if none was.
async fn is_over(seen: Option<(Arc<Snapshot>, u64)>, shared: &Shared) {
    let Some((snapshot, made)) = seen else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LIVE_PACE).await;
        let same = Arc::ptr_eq(&snapshot, &shared.snapshots.current());
        if !same || shared.probes.made() != made {
            return;
        }
    }
}

/// There is one [`Probed`] for each address and check.
fn wanted(snapshot: &Snapshot) -> Vec<Arc<Probed>> {
    let of = |route: Route<'_>| {
        let set = route.entry().set_in_use();
        set.map(|set| set.probed().to_vec()).unwrap_or_default()
    };
    match snapshot.checks_live_routes() {
        true => snapshot.routes().flat_map(of).collect(),
        false => snapshot.of_file().flat_map(of).collect(),
    }
}

/// What is asked, and in whose name if that is another.
fn url(probed: &Probed) -> String {
    let HealthCheck { path, host, .. } = &**probed.check();
    let address = probed.address();
    match host {
        Some(host) => format!("http://{address}{path} (host {host})"),
        None => format!("http://{address}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Instant;

    use super::*;
    use crate::config::{self, Settings};
    use crate::lifecycle::{Drain, Health};
    use crate::registry::{Change, LiveRoutes, Registration, Source};
    use crate::route::PathPrefix;
    use crate::sync::Mutex;
    use crate::upstream::{Connect, Connecting};

    /// Refuses, and counts how often it was asked.
    #[derive(Default)]
    struct Refusing(Arc<AtomicUsize>);

    impl Connect for Refusing {
        fn connect(&self, _: SocketAddr) -> Connecting<'_> {
            self.0.fetch_add(1, Relaxed);
            Box::pin(async { Err(std::io::ErrorKind::ConnectionRefused.into()) })
        }
    }

    fn settings(routes: usize) -> Settings {
        let mut text = "[[listener]]\naddress = \"127.0.0.1:0\"\n".to_owned();
        for route in 0..routes {
            text += &format!(
                "[[route]]\nhost = \"a.test\"\npath = \"/{route}\"\n\
                 endpoints = [\"192.0.2.1:80\", \"192.0.2.2:80\"]\n\
                 health_check = {{ interval = \"1h\" }}\n"
            );
        }
        config::parse(&text, "test").unwrap()
    }

    /// Notes when each connection is asked for, and has no descriptor for it.
    #[derive(Default)]
    struct Short(Arc<Mutex<Vec<tokio::time::Instant>>>);

    impl Connect for Short {
        fn connect(&self, _: SocketAddr) -> Connecting<'_> {
            self.0.lock().push(tokio::time::Instant::now());
            Box::pin(async { Err(std::io::Error::from_raw_os_error(libc::EMFILE)) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probers_that_begin_together_do_not_probe_together_and_a_shortage_takes_nobody_out() {
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let endpoints: Vec<_> = (1..=30).map(|last| format!("\"192.0.2.{last}:80\"")).collect();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nhost = \"a.test\"\n\
             endpoints = [{}]\nhealth_check = {{ interval = \"10s\" }}\n",
            endpoints.join(", ")
        );
        let settings = config::parse(&text, "test").unwrap();
        let mut shared = Shared::new(settings, 1, Health::embedded()).unwrap();
        shared.connector = Box::new(Short(asked.clone()));
        let shared = Arc::new(shared);
        let drain = Drain::new();
        let keeping = tokio::spawn(keep(shared.clone(), drain.watch()));
        tokio::time::sleep(Duration::from_secs(120)).await;
        let asked = asked.lock().clone();
        assert!(asked.len() > 300, "each is asked for every ten seconds, {} in all", asked.len());
        let begun = asked[0];
        let moments: HashSet<_> = asked.iter().map(|at| (*at - begun).as_millis()).collect();
        assert!(moments.len() > asked.len() / 2, "{} moments", moments.len());
        assert!(shared.probes.down().is_empty(), "it is the router that lacks something");
        drain.begin();
        keeping.await.unwrap();
    }

    fn probers(shared: &Shared) -> Vec<crate::lifecycle::Task> {
        let tasks = shared.tasks.all().into_iter();
        tasks.filter(|task| task.kind == TaskKind::Probe).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_tables_leave_the_one_prober_of_each_endpoint_and_what_it_found() {
        let asked = Arc::<AtomicUsize>::default();
        let mut shared = Shared::new(settings(1), 1, Health::embedded()).unwrap();
        shared.connector = Box::new(Refusing(asked.clone()));
        let shared = Arc::new(shared);
        let drain = Drain::new();
        let keeping = tokio::spawn(keep(shared.clone(), drain.watch()));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((probers(&shared).len(), asked.load(Relaxed)), (2, 2));
        let mut before: Vec<_> = probers(&shared).iter().map(|task| task.since).collect();
        before.sort();
        for swap in 0..10_000 {
            shared.reload(settings(1 + swap % 3)).unwrap();
            if swap % 100 == 0 {
                tokio::time::sleep(LEAST_PACE).await;
            }
            assert_eq!(shared.probes.down().len(), 2, "what is known is kept");
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut after: Vec<_> = probers(&shared).iter().map(|task| task.since).collect();
        after.sort();
        assert_eq!(before, after, "the same probers");
        assert_eq!(asked.load(Relaxed), 2, "and none has begun anew");
        shared.reload(settings(0)).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(probers(&shared).is_empty(), "nobody wants them");
        shared.reload(settings(1)).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(probers(&shared).len(), 2);
        drain.begin();
        keeping.await.unwrap();
        assert!(probers(&shared).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_changes_of_live_routes_leave_one_prober_for_an_address() {
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n\
                    [registry]\nhealth_check = { interval = \"1h\" }\n";
        let settings = config::parse(text, "test").unwrap();
        let mut shared = Shared::new(settings, 1, Health::embedded()).unwrap();
        shared.connector = Box::new(Refusing::default());
        let shared = Arc::new(shared);
        let drain = Drain::new();
        let keeping = tokio::spawn(keep(shared.clone(), drain.watch()));
        let live = LiveRoutes::of(&shared);
        let route = |host: &str, last: u8| {
            let endpoint = ([192, 0, 2, last], 80).into();
            let host = format!("{host}.test").parse().unwrap();
            Registration::new(host, PathPrefix::ROOT, endpoint)
        };
        let change = |change| live.apply(Source::Admin, vec![change], Instant::now());
        let register = |host: &str, last| change(Change::Register(route(host, last)));
        let used = |host: &str| {
            let snapshot = shared.snapshots.current();
            let id = snapshot.lookup(&format!("{host}.test"), b"/").unwrap();
            assert!(!snapshot.route(id).endpoints(shared.makings()).is_empty());
        };
        register("a", 1);
        register("a", 2);
        register("unused", 3);
        used("a");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let since = || {
            let mut since: Vec<_> = probers(&shared).iter().map(|task| task.since).collect();
            since.sort();
            since
        };
        let before = since();
        assert_eq!(before.len(), 2, "none for the route that nobody has used");
        for swap in 0..10_000 {
            let host = ["b", "c", "a"][swap % 3];
            register(host, 1);
            register(host, 2 + (swap % 2) as u8);
            used(host);
            if swap % 100 == 0 {
                tokio::time::sleep(LIVE_PACE).await;
            }
            let (host, path) = (format!("{host}.test").parse().unwrap(), PathPrefix::ROOT);
            if swap % 3 < 2 {
                change(Change::RemoveRoute { host, path });
            } else if swap % 2 == 1 {
                let endpoint = ([192, 0, 2, 3], 80).into();
                let (instance_id, updated_at_ns) = (None, None);
                let gone = Change::Unregister { host, path, endpoint, instance_id, updated_at_ns };
                change(gone);
            }
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(since(), before, "the same probers");
        change(Change::RemoveRoute { host: "a.test".parse().unwrap(), path: PathPrefix::ROOT });
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(probers(&shared).is_empty(), "nobody wants them");
        drain.begin();
        keeping.await.unwrap();
    }
}
