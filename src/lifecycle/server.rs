//! The whole process: bind, start the workers, then be the control side until
//! everything has ended.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::admin::{self, AdminState, Token, TokenError, TokenRequired};
use crate::config::{self, LoadError, Settings};
use crate::dns;
use crate::lifecycle::control::ControlSide;
use crate::lifecycle::reload::Reload;
use crate::lifecycle::signals::Signals;
use crate::lifecycle::worker::Worker;
use crate::lifecycle::{Drain, Health, TaskKind, Tasks, jobs, systemd};
use crate::listen::{BindError, Listener, PassedError, PassedSockets, listen};
use crate::registry::snapshot::{self, Restored};
use crate::registry::{FileSource, LiveRoutes, Stamp};
use crate::router::{Router, Shared, SnapshotError};
use crate::telemetry::access_log::AccessLog;

/// How long the access log may take to be written out at the end.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How long a reload under way may take at the end.
const RELOAD_PATIENCE: Duration = Duration::from_secs(1);

/// Why a router did not start, or ended otherwise than by a drain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration cannot be read or is wrong.
    #[error("{}", crate::cli::check::report(.0))]
    Config(#[from] LoadError),
    /// It contradicts itself.
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    /// A listener's address cannot be had.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// A socket passed by the service manager cannot be used.
    #[error("{0}")]
    Passed(#[from] PassedError),
    /// The admin token cannot be had.
    #[error("admin.token_file: {0}")]
    Token(#[from] TokenError),
    /// The admin side would be open to other machines.
    #[error("{0}")]
    TokenRequired(#[from] TokenRequired),
    /// The access log cannot be opened.
    #[error("access_log.path: {0}")]
    AccessLog(io::Error),
    /// The system refused something else.
    #[error("{0}")]
    System(#[from] io::Error),
    /// A worker's thread ended by itself.
    #[error("worker {0} has died")]
    WorkerDied(usize),
}

/// A router about to serve: everything is bound, nothing is accepted yet.
pub(crate) struct Server {
    shared: Arc<Shared>,
    file: Option<Arc<FileSource>>,
    drain: Arc<Drain>,
    access_log: AccessLog,
    snapshot: Option<Restored>,
    listeners: Vec<Vec<Listener>>,
    addresses: Vec<SocketAddr>,
    admin: TcpListener,
    admin_token: Option<Token>,
    greeting: String,
}

impl Server {
    /// Reads `file` and binds all it names.
    ///
    /// # Errors
    /// With the first thing that stands in the way; nothing stays bound.
    pub(crate) fn start(file: &Path) -> Result<Self, StartError> {
        let passed = PassedSockets::from_environment()?;
        // Looked at before it is read: what changes between the two is found
        // to be new.
        let seen = Stamp::of(file);
        let settings = config::load(file)?;
        let file = FileSource::new(file.to_owned(), seen, Instant::now());
        Self::build(settings, Some(Arc::new(file)), passed)
    }

    /// As [`Server::start`], from settings already made; they cannot be
    /// reloaded.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub(crate) fn with_settings(settings: Settings) -> Result<Self, StartError> {
        Self::build(settings, None, PassedSockets::default())
    }

    fn build(
        settings: Settings,
        file: Option<Arc<FileSource>>,
        mut passed: PassedSockets,
    ) -> Result<Self, StartError> {
        let workers = match settings.workers.threads {
            0 => std::thread::available_parallelism()?.get(),
            threads => threads,
        };
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for listener in &settings.listeners {
            let sockets = listen(listener.address, workers, &mut passed)?;
            addresses.push(sockets[0].socket.local_addr()?);
            listeners.push(sockets);
        }
        let admin = listen(settings.admin.address, 1, &mut passed)?.remove(0).socket;
        passed.none_left()?;
        let admin_token = settings.admin.token_file.as_deref().map(Token::read).transpose()?;
        let drain = Arc::new(Drain::new());
        let health = Health::new(workers, &addresses, Some(drain.watch()), file.clone());
        let shared = Arc::new(Shared::new(settings, workers, health)?);
        let settings = &shared.snapshots.current().settings;
        shared.tell_of_connections(settings);
        let access_log = AccessLog::start(&settings.access_log, workers, &shared.tasks)
            .map_err(StartError::AccessLog)?;
        // Before the first request is taken.
        let snapshot = settings
            .registry
            .snapshot
            .clone()
            .map(|path| snapshot::restore_into(&LiveRoutes::of(&shared), path, &shared.tasks));
        if let Some(snapshot) = &snapshot {
            shared.health.keeps(snapshot.status());
        }
        Ok(Self {
            shared,
            file,
            drain,
            access_log,
            snapshot,
            listeners,
            addresses,
            admin,
            admin_token,
            greeting: String::new(),
        })
    }

    /// Where clients connect, in the order of the configuration.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the operator connects.
    pub(crate) fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// The routes that come and go while it serves.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn live_routes(&self) -> LiveRoutes {
        LiveRoutes::of(&self.shared)
    }

    /// Has `text` printed after the ready lines, before any line of the
    /// access log.
    pub(crate) fn greet(&mut self, text: String) {
        self.greeting = text;
    }

    /// Serves until a drain has ended.
    ///
    /// # Errors
    /// If a worker cannot start, or dies.
    pub(crate) fn run(self) -> Result<(), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = runtime.block_on(async { Signals::catch() })?;
        let (ended, mut worker_ended) = tokio::sync::mpsc::unbounded_channel();
        let binds = self.listeners.iter().flatten().all(|listener| !listener.outlives_us);
        let reload = self.file.map(|file| {
            Arc::new(Reload::new(self.shared.clone(), file, self.drain.watch(), binds))
        });
        let control = Arc::new(ControlSide::new(
            self.shared.clone(),
            self.drain.clone(),
            reload.clone(),
            self.access_log,
        ));
        let admin_address = self.admin.local_addr()?;
        let state = AdminState::new(control.clone(), admin_address, self.admin_token)?;
        let settings = self.shared.snapshots.current().settings.clone();
        runtime.block_on(async {
            let names = dns::first_answers(&self.shared, &settings).await;
            if !names.is_empty() {
                self.shared.take_up_addresses();
            }
        });
        let routers: Vec<Router> = (0..self.shared.workers)
            .map(|index| Router::for_worker(self.shared.clone(), index, control.access_log(index)))
            .collect();
        let mut of_worker = transpose(self.listeners, self.shared.workers).into_iter();
        let settings = self.shared.snapshots.current().settings.clone();
        let mut threads = Vec::new();
        let (beginning, begun) = std::sync::mpsc::channel();
        for (index, router) in routers.into_iter().enumerate() {
            control.attend(&router, &router.worker().connections);
            let worker = Worker {
                router,
                listeners: of_worker.next().unwrap_or_default(),
                phase: self.drain.watch(),
                beginning: Some(beginning.clone()),
            };
            threads.push(spawn(index, worker, &self.shared.tasks, ended.clone())?);
        }
        drop(ended);
        let table = LiveRoutes::of(&self.shared);
        let keeper = self.snapshot.map(|snapshot| snapshot.keep(Arc::new(table))).transpose()?;
        let secure = settings.listeners.iter().map(|listener| listener.tls.is_some());
        let addresses: Vec<_> = self.addresses.iter().copied().zip(secure).collect();
        // Ready is who is healthy, and that is who accepts. A worker that fails
        // to begin ends this wait too, and the process below.
        drop(beginning);
        let _ = begun.recv();
        announce(&addresses, admin_address, &self.greeting)?;
        systemd::ready();
        let outcome = runtime.block_on(async {
            let drain = self.drain.clone();
            let mut phase = drain.watch();
            let stop_admin = async move {
                let _ = phase.wait_for(|phase| *phase == super::Phase::Cut).await;
            };
            let tasks = &self.shared.tasks;
            let serving = admin::serve(self.admin, state, tasks.clone(), stop_admin);
            let admin = tasks.spawn(TaskKind::Admin, admin_address.to_string(), serving);
            let mut jobs = jobs::start(&self.shared, &control, &drain, signals, reload);
            let outcome = all_ended(&mut worker_ended, &drain).await;
            jobs.shutdown().await;
            drain.cut();
            if let Ok(Err(error)) = admin.await {
                tracing::warn!(%error, "the admin side ended early");
            }
            outcome
        });
        if let Some(keeper) = keeper {
            keeper.finish();
        }
        if outcome.is_ok() {
            for thread in threads {
                let _ = thread.join();
            }
        }
        // A reload may hang on a file system; nobody waits for it any more.
        runtime.shutdown_timeout(RELOAD_PATIENCE);
        // The admin side and the signals are gone with the runtime.
        if let Some(control) = Arc::into_inner(control) {
            control.end(LOG_PATIENCE);
        }
        outcome
    }
}

/// A worker that ended: its number, and whether that was in order.
type Ended = (usize, bool);

fn spawn(
    index: usize,
    worker: Worker,
    tasks: &Arc<Tasks>,
    ended: tokio::sync::mpsc::UnboundedSender<Ended>,
) -> io::Result<JoinHandle<()>> {
    tasks.spawn_thread(TaskKind::Worker, format!("worker-{index}"), move || {
        let run = std::panic::AssertUnwindSafe(|| worker.run());
        let well = match std::panic::catch_unwind(run) {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(worker = index, %error, "a worker has failed");
                false
            }
            Err(_) => false,
        };
        // Nobody listens once the process is ending anyway.
        let _ = ended.send((index, well));
    })
}

/// Waits for all workers; one that dies ends the process, since its share of
/// the connections would never be answered again.
async fn all_ended(
    workers: &mut tokio::sync::mpsc::UnboundedReceiver<Ended>,
    drain: &Drain,
) -> Result<(), StartError> {
    while let Some((index, well)) = workers.recv().await {
        if !well || !drain.watch().borrow().is_draining() {
            return Err(StartError::WorkerDied(index));
        }
    }
    Ok(())
}

fn announce(addresses: &[(SocketAddr, bool)], admin: SocketAddr, greeting: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (address, secure) in addresses {
        let scheme = if *secure { "https" } else { "http" };
        writeln!(out, "listening {scheme}://{address}")?;
    }
    writeln!(out, "admin http://{admin}")?;
    out.write_all(greeting.as_bytes())?;
    out.flush()
}

/// From one list per listener to one list per worker.
fn transpose(listeners: Vec<Vec<Listener>>, workers: usize) -> Vec<Vec<Listener>> {
    let mut of_worker: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    for sockets in listeners {
        for (worker, socket) in of_worker.iter_mut().zip(sockets) {
            worker.push(socket);
        }
    }
    of_worker
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(drain: &Drain, ends: &[Ended]) -> Result<(), StartError> {
        let (ended, mut workers) = tokio::sync::mpsc::unbounded_channel();
        ends.iter().for_each(|end| ended.send(*end).unwrap());
        drop(ended);
        all_ended(&mut workers, drain).await
    }

    #[tokio::test]
    async fn a_worker_that_dies_or_leaves_without_a_drain_ends_the_process() {
        let drain = Drain::new();
        let left = outcome(&drain, &[(3, true)]).await;
        assert!(matches!(left, Err(StartError::WorkerDied(3))), "{left:?}");
        drain.begin();
        assert!(outcome(&drain, &[(0, true), (1, true)]).await.is_ok());
        let died = outcome(&drain, &[(0, true), (1, false)]).await;
        assert!(matches!(died, Err(StartError::WorkerDied(1))), "{died:?}");
    }

    #[tokio::test]
    async fn a_panic_on_a_workers_thread_is_its_death() {
        let drain = Drain::new();
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        let settings = config::parse(text, "test").unwrap();
        let shared = Arc::new(Shared::new(settings, 1, Health::embedded()).unwrap());
        let log = crate::telemetry::access_log::AccessLogHandle::off();
        let loopback = ([127, 0, 0, 1], 0).into();
        let tasks = shared.tasks.clone();
        let worker = Worker {
            router: Router::for_worker(shared, 0, log),
            // Health knows of no listener, so that accepting on this panics.
            listeners: listen(loopback, 1, &mut PassedSockets::default()).unwrap(),
            phase: drain.watch(),
            beginning: None,
        };
        let (ended, mut workers) = tokio::sync::mpsc::unbounded_channel();
        spawn(7, worker, &tasks, ended).unwrap();
        assert_eq!(workers.recv().await, Some((7, false)));
    }
}
