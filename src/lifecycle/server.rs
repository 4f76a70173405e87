//! The whole process: bind, start the workers, then be the control side until
//! everything has ended.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::admin::{self, AdminState, Token, TokenError, TokenRequired};
use crate::config::{self, LoadError, Settings};
use crate::lifecycle::control::ControlSide;
use crate::lifecycle::worker::Worker;
use crate::lifecycle::{Drain, Health, signals};
use crate::listen::{BindError, bind};
use crate::router::{Router, Shared, SnapshotError};
use crate::telemetry::access_log::AccessLog;

/// How long the access log may take to be written out at the end.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

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
    settings: Arc<Settings>,
    file: Option<PathBuf>,
    drain: Arc<Drain>,
    access_log: AccessLog,
    listeners: Vec<Vec<TcpListener>>,
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
        let settings = config::load(file)?;
        Self::with_settings(settings, Some(file.to_owned()))
    }

    /// As [`Server::start`], from settings already made.
    pub(crate) fn with_settings(
        settings: Settings,
        file: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        let workers = match settings.workers.threads {
            0 => std::thread::available_parallelism()?.get(),
            threads => threads,
        };
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for listener in &settings.listeners {
            let sockets = bind(listener.address, workers)?;
            addresses.push(sockets[0].local_addr()?);
            listeners.push(sockets);
        }
        let admin = bind(settings.admin.address, 1)?.remove(0);
        let admin_token = settings.admin.token_file.as_deref().map(Token::read).transpose()?;
        let drain = Arc::new(Drain::new());
        let health = Health::new(workers, &addresses, Some(drain.watch()));
        let access_log =
            AccessLog::start(&settings.access_log, workers).map_err(StartError::AccessLog)?;
        let shared = Arc::new(Shared::new(settings.clone(), workers, health)?);
        Ok(Self {
            shared,
            settings: Arc::new(settings),
            file,
            drain,
            access_log,
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
        let (ended, mut worker_ended) = tokio::sync::mpsc::unbounded_channel();
        let control = Arc::new(ControlSide::new(
            self.shared.clone(),
            self.drain.clone(),
            self.file.clone(),
            self.access_log,
        ));
        let admin_address = self.admin.local_addr()?;
        let state = AdminState::new(control.clone(), admin_address, self.admin_token)?;
        let routers: Vec<Router> = (0..self.shared.workers)
            .map(|index| Router::for_worker(self.shared.clone(), index, control.access_log(index)))
            .collect();
        control.attend(&routers);
        let connections = connection_limit(&self.settings) / self.shared.workers;
        let mut of_worker = transpose(self.listeners, self.shared.workers).into_iter();
        let half_close_allowed: Vec<bool> =
            self.settings.listeners.iter().map(|listener| listener.half_close_allowed).collect();
        let mut threads = Vec::new();
        for (index, router) in routers.into_iter().enumerate() {
            let worker = Worker {
                router,
                listeners: of_worker.next().unwrap_or_default(),
                phase: self.drain.watch(),
                half_close_allowed: half_close_allowed.clone(),
                connections: connections.max(1),
            };
            threads.push(spawn(index, worker, ended.clone())?);
        }
        drop(ended);
        announce(&self.addresses, admin_address, &self.greeting)?;
        let outcome = runtime.block_on(async {
            let drain = self.drain.clone();
            let mut phase = drain.watch();
            let stop_admin = async move {
                let _ = phase.wait_for(|phase| *phase == super::Phase::Cut).await;
            };
            let admin = tokio::spawn(admin::serve(self.admin, state, stop_admin));
            let signals = tokio::spawn(signals::attend(control.clone()));
            let draining = tokio::spawn(control.clone().drain_when_asked());
            let outcome = all_ended(&mut worker_ended, &drain).await;
            signals.abort();
            draining.abort();
            drain.cut();
            if let Ok(Err(error)) = admin.await {
                tracing::warn!(%error, "the admin side ended early");
            }
            outcome
        });
        if outcome.is_ok() {
            for thread in threads {
                let _ = thread.join();
            }
        }
        drop(runtime);
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
    ended: tokio::sync::mpsc::UnboundedSender<Ended>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
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

fn announce(addresses: &[SocketAddr], admin: SocketAddr, greeting: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for address in addresses {
        writeln!(out, "listening http://{address}")?;
    }
    writeln!(out, "admin http://{admin}")?;
    out.write_all(greeting.as_bytes())?;
    out.flush()
}

/// From one list per listener to one list per worker.
fn transpose(listeners: Vec<Vec<TcpListener>>, workers: usize) -> Vec<Vec<TcpListener>> {
    let mut of_worker: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for sockets in listeners {
        for (worker, socket) in of_worker.iter_mut().zip(sockets) {
            worker.push(socket);
        }
    }
    of_worker
}

/// Client connections at most: as configured, or what the descriptor limit
/// allows when each may need one for its endpoint and one to watch for its
/// client's departure.
fn connection_limit(settings: &Settings) -> usize {
    const OWN_DESCRIPTORS: usize = 256;
    const DESCRIPTORS_PER_CONNECTION: usize = 3;
    match settings.limits.connections {
        0 => {
            let descriptors = descriptor_limit().unwrap_or(1024);
            descriptors.saturating_sub(OWN_DESCRIPTORS) / DESCRIPTORS_PER_CONNECTION
        }
        limit => limit,
    }
}

/// The soft limit of open descriptors, as the system shows it.
fn descriptor_limit() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
