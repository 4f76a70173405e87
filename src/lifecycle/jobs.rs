//! What the control side does by itself, besides answering the admin side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::dns;
use crate::lifecycle::control::ControlSide;
use crate::lifecycle::reload::Reload;
use crate::lifecycle::signals::Signals;
use crate::lifecycle::{Drain, Phase, TaskKind, watchdog};
use crate::probes;
use crate::registry::{self, LiveRoutes, Pauses, Source};
use crate::router::Shared;
use crate::tls;

/// Starts them all on the runtime that calls; they end with the set.
pub(crate) fn start(
    shared: &Arc<Shared>,
    control: &Arc<ControlSide>,
    drain: &Drain,
    signals: Signals,
    reload: Option<Arc<Reload>>,
) -> JoinSet<()> {
    let tasks = &shared.tasks;
    let mut jobs = JoinSet::new();
    let attending = signals.attend(control.clone());
    jobs.spawn(tasks.track(TaskKind::Signals, "TERM, INT, HUP, USR1".into(), attending));
    let draining = control.clone().drain_when_asked();
    jobs.spawn(tasks.track(TaskKind::Drain, "waits to be asked".into(), draining));
    let watched = shared.clone();
    let watching = async move { watchdog::watch(&watched).await };
    jobs.spawn(tasks.track(TaskKind::Watchdog, "workers".into(), watching));
    let watched = shared.clone();
    let reassuring = async move { watchdog::reassure_systemd(&watched.health).await };
    jobs.spawn(tasks.track(TaskKind::Watchdog, "systemd".into(), reassuring));
    let nats = shared.snapshots.current().settings.registry.nats.clone();
    if let Some(nats) = nats {
        // Before the first look at what is due: nobody was listened to yet.
        LiveRoutes::of(shared).set_connected(Source::Nats, false, Instant::now());
        let servers = nats.masked_urls().collect::<Vec<_>>().join(", ");
        let listening = registry::attend_nats(shared.clone(), nats, shared.health.attend_nats());
        let mut phase = drain.watch();
        let listening = async move {
            tokio::select! {
                () = listening => {}
                _ = phase.wait_for(|phase| *phase == Phase::Cut) => {}
            }
        };
        jobs.spawn(tasks.track(TaskKind::Nats, servers, listening));
    }
    let expiring = expire(shared.clone());
    jobs.spawn(tasks.track(TaskKind::Expiry, "registered routes".into(), expiring));
    let keeping = probes::keep(shared.clone(), drain.watch());
    jobs.spawn(tasks.track(TaskKind::ProbeKeeper, "health checks".into(), keeping));
    if let Some(reload) = reload.clone() {
        let watched = shared.clone();
        let watching = async move { tls::watch(&watched, || reload.ask()).await };
        jobs.spawn(tasks.track(TaskKind::Reload, "certificates".into(), watching));
    }
    let keeping = dns::keep(shared.clone(), drain.watch());
    jobs.spawn(tasks.track(TaskKind::ResolveKeeper, "names of endpoints".into(), keeping));
    if let Some(reload) = reload {
        let file = reload.path().display().to_string();
        jobs.spawn(tasks.track(TaskKind::Reload, file, reload.attend()));
    }
    jobs
}

/// Between two looks at what is due.
const EXPIRE_EVERY: Duration = Duration::from_millis(50);

/// Ends what is due, in pieces that let others have their turn; not after a
/// pause of the whole router, before what was said meanwhile could be read. And
/// frees the tables that are out of use.
async fn expire(shared: Arc<Shared>) {
    let live = LiveRoutes::of(&shared);
    let mut pauses = Pauses::since(Instant::now());
    let mut ticks = tokio::time::interval(EXPIRE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while pauses.may_end(Instant::now()) && live.expire(Instant::now()) {
            tokio::task::yield_now().await;
        }
        shared.snapshots.sweep();
    }
}
