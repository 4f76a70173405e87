//! One data-plane thread: its own runtime, listeners, connections and pools.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::descriptors::ClientLimit;
use crate::guard::{self, Guard};
use crate::lifecycle::health::HEARTBEAT_PERIOD;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::tasks::TaskKind;
use crate::lifecycle::{Full, Room, Strain};
use crate::listen::connections::{Connections, FIRST_REQUEST_COMES};
use crate::listen::http1::HeadTerms;
use crate::listen::{Acceptor, Listener, Preludes, accept, client_limit};
use crate::router::Router;

/// What a worker's thread is started with.
pub(crate) struct Worker {
    pub(crate) router: Router,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Dropped once its listeners accept, or it has failed to begin.
    pub(crate) beginning: Option<Beginning>,
}

/// A worker that has not begun yet: whoever holds the receiver hears when the
/// last of these has gone.
pub(crate) type Beginning = mpsc::Sender<Infallible>;

impl Worker {
    /// Serves until drained or cut. Blocks its thread.
    ///
    /// # Errors
    /// If the runtime or a listener cannot be set up, or a listener stops
    /// accepting by itself.
    pub(crate) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(mut self) -> io::Result<()> {
        let tasks = self.router.worker().shared.tasks.clone();
        let connections = self.router.worker().connections.clone();
        let mut accepting = JoinSet::new();
        let preludes = Arc::new(Preludes::default());
        let mut doors = Doors::new(connections.clone());
        let settings = self.router.pin().settings.clone();
        let listeners = self.listeners.drain(..).zip(&settings.listeners);
        for (index, (listener, settings)) in listeners.enumerate() {
            let address = listener.socket.local_addr()?.to_string();
            let acceptor = Acceptor {
                router: self.router.clone(),
                connections: connections.clone(),
                listener: Arc::new(settings.clone()),
                index,
                preludes: preludes.clone(),
                failing: doors.attend(),
            };
            let phase = self.phase.clone();
            let guard = self.router.worker().shared.health.accepting(index);
            let taking = async move {
                let _guard = guard;
                accept(listener, acceptor, phase).await
            };
            accepting.spawn(tasks.track(TaskKind::Accept, address, taking));
        }
        let name = format!("worker-{}", self.router.worker().index);
        let beats = tasks.spawn(TaskKind::Heartbeat, name, beat(self.router.clone(), doors));
        drop(self.beginning.take());
        let end = self.drain(&connections, accepting).await;
        beats.abort();
        end
    }

    async fn drain(
        &mut self,
        connections: &Connections,
        mut accepting: JoinSet<io::Result<()>>,
    ) -> io::Result<()> {
        self.reach(Phase::is_draining, &mut accepting).await?;
        connections.drain();
        let phase = self.reach(Phase::stops_accepting, &mut accepting).await?;
        if let Phase::Closing { cut_at } = phase {
            tokio::select! {
                () = close(connections, accepting) => return Ok(()),
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

    /// Waits for a phase. An accept loop that ends before it is an error: its
    /// share of the connections would never be taken.
    async fn reach(
        &mut self,
        wanted: impl FnMut(&Phase) -> bool,
        accepting: &mut JoinSet<io::Result<()>>,
    ) -> io::Result<Phase> {
        let heard = self.phase.clone();
        tokio::select! {
            biased;
            phase = self.phase.wait_for(wanted) => match phase {
                Ok(phase) => Ok(*phase),
                // The sender lives as long as the process serves.
                Err(_) => Err(io::Error::other("the control side is gone")),
            },
            Some(ended) = accepting.join_next() => {
                // The loop may have heard of the phase before we did.
                let phase = *heard.borrow();
                if phase.stops_accepting() {
                    return Ok(phase);
                }
                Err(match ended {
                    Ok(Err(error)) => error,
                    Ok(Ok(())) => io::Error::other("a listener has closed by itself"),
                    Err(panicked) => io::Error::other(panicked),
                })
            }
        }
    }
}

/// Ends when every connection has: idle ones are closed, requests are served,
/// and connections just made get the time for theirs to come.
async fn close(connections: &Connections, mut accepting: JoinSet<io::Result<()>>) {
    connections.close_idle();
    while accepting.join_next().await.is_some() {}
    if tokio::time::timeout(FIRST_REQUEST_COMES, connections.all_closed()).await.is_err() {
        connections.close_silent();
        connections.all_closed().await;
    }
}

/// Proves that the loop turns, and does what is due now and then.
async fn beat(router: Router, mut doors: Doors) {
    let mut head_terms = None;
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
        let room = doors.look(client_limit(&router), std::time::Instant::now());
        shared.health.observe_room(worker.index, room);
        let terms = HeadTerms::of(settings);
        if head_terms.replace(terms).is_some_and(|old| old != terms) {
            doors.connections.look_again();
        }
        if guard::is_on(Guard::Sweep) {
            let wanted = |address| shared.endpoints.is_in_use(address);
            worker.pool.sweep(settings.timeouts.upstream_keep_alive, Instant::now(), wanted);
        }
    }
}

/// Whether newcomers get in, looked at with every beat.
struct Doors {
    connections: Arc<Connections>,
    full: Strain,
    /// As it was seen last.
    seen_full: Option<Full>,
    /// Of each listener: whether accepting fails.
    failing: Vec<(Arc<AtomicBool>, Strain)>,
}

impl Doors {
    fn new(connections: Arc<Connections>) -> Self {
        Self { connections, full: Strain::default(), seen_full: None, failing: Vec::new() }
    }

    /// Looks at one listener more; where it says that accepting fails.
    fn attend(&mut self) -> Arc<AtomicBool> {
        let failing = Arc::<AtomicBool>::default();
        self.failing.push((failing.clone(), Strain::default()));
        failing
    }

    fn look(&mut self, limit: ClientLimit, now: std::time::Instant) -> Room {
        let ClientLimit { most, set_by } = limit;
        let is_full = self.connections.is_full(most);
        if is_full {
            // Of those that turned newcomers away some may have left since.
            let at = self.connections.len().max(most) as u64;
            self.seen_full = Some(Full { at, of: most as u64, set_by });
        }
        let full = if self.full.look(is_full, now) { self.seen_full } else { None };
        let mut shut = Vec::new();
        for (listener, (failing, strain)) in self.failing.iter_mut().enumerate() {
            if strain.look(failing.load(Relaxed), now) {
                shut.push(listener);
            }
        }
        Room { full, shut }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Instant;

    use super::*;
    use crate::descriptors::SetBy;
    use crate::lifecycle::strain::{PASSES_AFTER, SHOWS_AFTER};
    use crate::lifecycle::{Drain, Health};
    use crate::listen::connections::ConnectionEntry;
    use crate::listen::{PassedSockets, listen};
    use crate::router::Shared;
    use crate::telemetry::access_log::AccessLogHandle;

    /// A worker with one listener, and what its process would see of it.
    fn worker(drain: &Drain) -> (Worker, Arc<Shared>) {
        let loopback = ([127, 0, 0, 1], 0).into();
        let listeners = listen(loopback, 1, &mut PassedSockets::default()).unwrap();
        let address = listeners[0].socket.local_addr().unwrap();
        let health = Health::new(1, &[address], Some(drain.watch()), None);
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        let settings = crate::config::parse(text, "test").unwrap();
        let shared = Arc::new(Shared::new(settings, 1, health).unwrap());
        let router = Router::for_worker(shared.clone(), 0, AccessLogHandle::off());
        let worker = Worker { router, listeners, phase: drain.watch(), beginning: None };
        (worker, shared)
    }

    fn eventually(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_worker_that_is_stuck_makes_the_router_unhealthy_until_it_turns() {
        let drain = Drain::new();
        let (worker, shared) = worker(&drain);
        let (release, held) = mpsc::channel::<()>();
        let (block, blocks) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::spawn(async move {
                    blocks.await.unwrap();
                    // A bug: a task that blocks the thread of all others.
                    let _ = held.recv();
                });
                worker.serve().await
            })
        });
        let ready = || shared.health.inputs().ready();
        eventually("health", || ready().healthy);
        block.send(()).unwrap();
        eventually("bad health", || !ready().healthy);
        let reason = ready().reason.unwrap();
        assert!(reason.starts_with("worker 0 has not turned for "), "{reason}");
        release.send(()).unwrap();
        eventually("health again", || ready().healthy);
        drain.begin();
        drain.cut();
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn what_was_reached_is_told_while_it_shows_though_all_have_left() {
        let metrics = crate::telemetry::metrics::Metrics::new(1).worker(0);
        let connections = Connections::new(metrics);
        let mut doors = Doors::new(connections.clone());
        let (limit, start) = (ClientLimit { most: 2, set_by: SetBy::Descriptors }, Instant::now());
        let peer = ([127, 0, 0, 1], 1).into();
        let clients: Vec<_> = (0..3).map(|_| connections.enter(peer)).collect();
        clients.iter().for_each(ConnectionEntry::active);
        assert_eq!(doors.look(limit, start), Room::default());
        let full = Full { at: 3, of: 2, set_by: SetBy::Descriptors };
        assert_eq!(doors.look(limit, start + SHOWS_AFTER).full, Some(full));
        drop(clients);
        assert_eq!(doors.look(limit, start + SHOWS_AFTER).full, Some(full));
        // One came and was turned away, and they have all left again.
        connections.turned_away();
        let full = Full { at: 2, ..full };
        assert_eq!(doors.look(limit, start + SHOWS_AFTER).full, Some(full));
        assert_eq!(doors.look(limit, start + SHOWS_AFTER).full, Some(full));
        assert_eq!(doors.look(limit, start + SHOWS_AFTER + PASSES_AFTER), Room::default());
    }

    #[tokio::test]
    async fn a_listener_that_stops_accepting_by_itself_ends_the_worker() {
        let drain = Drain::new();
        let (mut worker, _) = worker(&drain);
        let connections = worker.router.worker().connections.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async { panic!("a bug") });
        let ended = worker.drain(&connections, accepting).await;
        assert!(ended.unwrap_err().to_string().contains("panicked"));
    }
}
