//! One data-plane thread: its own runtime, listeners, connections and pools.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::guard::{self, Guard};
use crate::lifecycle::health::HEARTBEAT_PERIOD;
use crate::lifecycle::phase::Phase;
use crate::listen::connections::Connections;
use crate::listen::{Acceptor, accept};
use crate::router::Router;

/// What a worker's thread is started with.
pub(crate) struct Worker {
    pub(crate) router: Router,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Whether the clients of each listener may half-close.
    pub(crate) half_close_allowed: Vec<bool>,
    /// Client connections it may hold.
    pub(crate) connections: usize,
}

impl Worker {
    /// Serves until drained or cut. Blocks its thread.
    ///
    /// # Errors
    /// If the runtime or a listener cannot be set up.
    pub(crate) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(mut self) -> io::Result<()> {
        let connections = Connections::new(self.router.worker().metrics.clone());
        let mut accepting = tokio::task::JoinSet::new();
        let listeners = self.listeners.drain(..).zip(self.half_close_allowed.drain(..));
        for (index, (listener, half_close_allowed)) in listeners.enumerate() {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let acceptor = Acceptor {
                router: self.router.clone(),
                connections: connections.clone(),
                limit: self.connections,
                half_close_allowed,
            };
            let phase = self.phase.clone();
            let guard = self.router.worker().shared.health.accepting(index);
            accepting.spawn(async move {
                accept(listener, acceptor, phase).await;
                drop(guard);
            });
        }
        let beats = tokio::spawn(beat(self.router.clone()));
        let end = self.drain(&connections, accepting).await;
        beats.abort();
        end
    }

    async fn drain(
        &mut self,
        connections: &Connections,
        mut accepting: tokio::task::JoinSet<()>,
    ) -> io::Result<()> {
        // The sender lives as long as the process serves.
        let gone = |_| io::Error::other("the control side is gone");
        self.phase.wait_for(Phase::is_draining).await.map_err(gone)?;
        connections.drain();
        let phase = *self.phase.wait_for(Phase::stops_accepting).await.map_err(gone)?;
        while accepting.join_next().await.is_some() {}
        connections.close_idle();
        if let Phase::Closing { cut_at } = phase {
            tokio::select! {
                () = connections.all_closed() => return Ok(()),
                _ = self.phase.wait_for(|phase| *phase == Phase::Cut) => {}
                () = tokio::time::sleep_until(cut_at) => {}
            }
        }
        self.router.worker().cut();
        connections.cut();
        // A cut connection ends at its next turn; nothing there waits.
        let _ = tokio::time::timeout(Duration::from_secs(1), connections.all_closed()).await;
        Ok(())
    }
}

/// Proves that the loop turns, and does what is due now and then.
async fn beat(router: Router) {
    let mut ticks = tokio::time::interval(HEARTBEAT_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let worker = router.worker();
        let shared = &worker.shared;
        shared.health.beat(worker.index);
        // An idle worker must not keep an old table alive.
        worker.snapshots.refresh();
        let snapshot = router.pin();
        let settings = &snapshot.settings;
        let limit = settings.limits.requests_in_flight as u64;
        shared.health.observe_in_flight(shared.metrics.requests_in_flight(), limit);
        if guard::is_on(Guard::Sweep) {
            worker.pool.sweep(settings.timeouts.upstream_keep_alive, Instant::now());
        }
    }
}
