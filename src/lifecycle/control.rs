//! The control side: what the admin pages, the signals and the commands ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::{Control, Page, RequestFilter, RequestView, RouteFilter, RouteView, TaskView};
use crate::config;
use crate::dns;
use crate::endpoint::DoorSeen;
#[cfg(feature = "profiling")]
use crate::lifecycle::TaskGuard;
use crate::lifecycle::health::HealthInputs;
use crate::lifecycle::reload::Reload;
use crate::lifecycle::{Drain, HealthReport, Phase, SourceHealth, Task, TaskKind, systemd};
use crate::lifecycle::{conditions, route_views};
use crate::listen::connections::Connections;
use crate::registry::LiveRoutes;
use crate::router::{Router, Shared, WorkerRouter};
use crate::sync::Mutex;
use crate::telemetry::access_log::{AccessLog, AccessLogHandle, Flush};
use crate::telemetry::metrics::Observed;
use crate::telemetry::{RecentError, log_lines_dropped};

/// The router as its operator reaches it.
pub(crate) struct ControlSide {
    shared: Arc<Shared>,
    drain: Arc<Drain>,
    reload: Option<Arc<Reload>>,
    workers: Mutex<Vec<Watched>>,
    access_log: Mutex<AccessLog>,
}

/// What is looked at of one worker.
struct Watched {
    router: Arc<WorkerRouter>,
    connections: Arc<Connections>,
}

impl ControlSide {
    pub(crate) fn new(
        shared: Arc<Shared>,
        drain: Arc<Drain>,
        reload: Option<Arc<Reload>>,
        access_log: AccessLog,
    ) -> Self {
        Self {
            shared,
            drain,
            reload,
            workers: Mutex::new(Vec::new()),
            access_log: Mutex::new(access_log),
        }
    }

    /// Where the lines of a worker go.
    pub(crate) fn access_log(&self, worker: usize) -> AccessLogHandle {
        self.access_log.lock().worker(worker)
    }

    /// Opens the access log's file again, after it was moved away.
    pub(crate) fn reopen_log(&self) {
        self.access_log.lock().reopen();
    }

    /// Shows the requests and connections of a worker from now on.
    pub(crate) fn attend(&self, router: &Router, connections: &Arc<Connections>) {
        let (router, connections) = (router.worker().clone(), connections.clone());
        self.workers.lock().push(Watched { router, connections });
    }

    /// Everything health depends on, and the sources that it does not.
    fn inputs(&self) -> HealthInputs {
        let mut inputs = self.shared.health.inputs();
        let now_ms = self.shared.now_ms(std::time::Instant::now());
        inputs.sources.extend(dns::health(&self.shared, now_ms));
        inputs
    }

    /// How many tasks of each kind are alive.
    fn task_counts(&self) -> Vec<(&'static str, u64)> {
        let tasks = self.shared.tasks.all();
        let workers = self.workers.lock();
        let count = |kind| match kind {
            TaskKind::Connection => workers.iter().map(|w| w.connections.len()).sum(),
            TaskKind::Request => workers.iter().map(|w| w.router.in_flight_records.len()).sum(),
            _ => tasks.iter().filter(|task| task.kind == kind).count(),
        };
        TaskKind::ALL.map(|kind| (kind.as_str(), count(kind) as u64)).into()
    }

    /// Every live task.
    fn live_tasks(&self) -> Vec<Task> {
        let mut tasks = self.shared.tasks.all();
        for worker in &*self.workers.lock() {
            tasks.extend(worker.connections.tasks());
            let records = worker.router.in_flight_records.all();
            tasks.extend(records.iter().map(|record| record.task()));
        }
        tasks
    }

    /// Ends when the workers have: writes out what the access log still has.
    pub(crate) fn end(self, log_patience: Duration) {
        drop(self.workers);
        if self.access_log.into_inner().shutdown(log_patience) == Flush::Cut {
            tracing::warn!("the access log's sink was too slow; its last lines are lost");
        }
    }

    /// A first signal drains, another cuts. Where the admin side has asked for
    /// the drain the first changes nothing: whoever drains and then stops the
    /// service, as a unit's `ExecStop` or a `preStop` hook does, means one thing.
    pub(crate) fn stop(&self, signal: &str, again: bool) {
        if self.drain.begin() {
            tracing::info!(%signal, "draining; another signal cuts");
        } else if !again {
            tracing::info!(%signal, "draining already; another signal cuts");
        } else {
            tracing::info!(%signal, "cutting what is left");
            self.drain.cut();
        }
    }

    /// Goes through the stages of a drain once one has begun.
    pub(crate) async fn drain_when_asked(self: Arc<Self>) {
        let mut phase = self.drain.watch();
        if phase.wait_for(Phase::is_draining).await.is_ok() {
            systemd::stopping();
            let timeouts = self.shared.snapshots.current().settings.timeouts.clone();
            self.drain.run(timeouts.drain_delay, timeouts.drain).await;
        }
    }

    fn doors(&self) -> Vec<(Arc<str>, DoorSeen)> {
        let doors = self.shared.endpoints.doors().into_iter();
        doors.map(|(name, door)| (name, door.seen())).collect()
    }

    /// Has the file read again, if the router has one.
    pub(crate) fn reload(&self) {
        if let Some(reload) = &self.reload {
            reload.ask();
        }
    }
}

impl Control for ControlSide {
    fn health(&self) -> HealthReport {
        self.inputs().report()
    }

    fn routes(&self, filter: &RouteFilter) -> Page<RouteView> {
        route_views::page(&self.shared, filter, std::time::Instant::now())
    }

    fn live(&self) -> LiveRoutes {
        LiveRoutes::of(&self.shared)
    }

    fn requests(&self, filter: &RequestFilter) -> Page<RequestView> {
        let workers = self.workers.lock();
        let records = workers.iter().flat_map(|worker| worker.router.in_flight_records.all());
        let views = records.map(|record| record.view());
        let age = |view: &RequestView| Duration::from_millis(view.age_ms);
        filter.select(views, age, |view| (&view.host, view.started_unix_ms, &view.id))
    }

    fn errors(&self) -> Vec<(u64, Arc<RecentError>)> {
        self.shared.recent_errors.newest_first()
    }

    fn tasks(&self) -> Vec<TaskView> {
        let view = |task: Task| TaskView {
            kind: task.kind.as_str().into(),
            since_unix_ms: self.shared.unix_ms(task.since),
            age_ms: u64::try_from(task.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            subject: task.subject,
            state: task.state.map(str::to_owned),
        };
        self.live_tasks().into_iter().map(view).collect()
    }

    #[cfg(feature = "profiling")]
    fn begin_profile(&self, subject: String) -> TaskGuard {
        self.shared.tasks.enter(TaskKind::Profile, subject)
    }

    fn config(&self) -> serde_json::Value {
        config::effective(&self.shared.snapshots.current().settings)
    }

    fn metrics_text(&self) -> String {
        let inputs = self.inputs();
        let now_ms = self.shared.now_ms(std::time::Instant::now());
        let snapshot = self.shared.snapshots.current();
        let mut source_ages: Vec<_> = inputs.sources.iter().filter_map(SourceHealth::age).collect();
        let shown: Vec<String> = source_ages.iter().map(|(name, _)| name.clone()).collect();
        let live = route_views::source_ages(&self.shared);
        source_ages.extend(live.filter(|(name, _)| !shown.contains(name)));
        self.shared.metrics.render(Observed {
            routes: snapshot.len() as u64,
            endpoints: conditions::counted(&self.shared, now_ms),
            names: dns::states(&self.shared),
            doors: self.doors(),
            tasks: self.task_counts(),
            source_ages,
            nats: self.shared.health.nats().cloned(),
            heartbeat_ages: inputs.heartbeat_ages,
            snapshot: self
                .shared
                .health
                .snapshot()
                .map(|status| status.figures(std::time::Instant::now())),
            access_log_lines_dropped: self.access_log.lock().dropped(),
            log_lines_dropped: log_lines_dropped(),
        })
    }

    fn drain(&self, caller: Option<SocketAddr>) {
        let caller = caller.map_or("unknown".into(), |caller| caller.to_string());
        if self.drain.begin() {
            tracing::info!(%caller, "draining, as the admin side was asked");
        } else {
            tracing::info!(%caller, "draining already; the admin side was asked again");
        }
    }
}
