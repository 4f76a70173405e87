//! The router itself: what a request meets between its arrival and its reply.
//!
//! [`Router`] is the one service of the house. The listeners call it with
//! requests they have parsed; an embedder calls it as a [`tower::Service`].

mod affinity;
mod attempts;
mod before_request;
mod client_certificate;
mod exchange;
mod newer;
mod own;
mod probe;
mod queue;
mod reload;
mod served;
mod service;
mod snapshot;
mod sticky;
mod tls;
mod verdict;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

use crate::attempt::RetryBudget;
use crate::config::Settings;
use crate::descriptors::{self, Share};
use crate::endpoint::{EndpointRegistry, NameRegistry, ProbeRegistry};
use crate::lifecycle::{Drain, Health};
use crate::registry::{Bounds, Ledger, Live, LiveRoutes};
use crate::route::{Pinned, Publisher};
use crate::sync::Mutex;
use crate::telemetry::access_log::AccessLogHandle;
use crate::telemetry::metrics::{Metrics, ReloadResult};
use crate::telemetry::{RecentErrors, Seldom};
use crate::upstream::Tcp;

pub use service::{ResponseBody, ServiceBodyError};
pub use snapshot::SnapshotError;
pub use tls::TlsFault;

pub(crate) use before_request::ConnectionFailure;
pub(crate) use served::Served;
pub(crate) use snapshot::{Draft, Makings, Route, RouteId, Snapshot, Terms};
pub(crate) use tls::{TlsState, faults};
pub(crate) use verdict::Sender;
pub(crate) use worker::{Shared, WorkerRouter};

/// An HTTP router: hosts and paths to endpoints, with safe retries.
///
/// Cloning is cheap, and clones are one router: they share routes, endpoint
/// state and idle connections.
#[derive(Clone)]
pub struct Router {
    worker: Arc<WorkerRouter>,
}

impl Router {
    /// A router with these settings, to be embedded in a tower stack; the
    /// settings' listeners, admin side and access log are not used.
    ///
    /// # Errors
    /// If the settings contradict themselves; those that
    /// [`config::parse`](crate::config::parse) gives do not.
    pub fn new(settings: Settings) -> Result<Self, SnapshotError> {
        let shared = Shared::new(settings, 1, Health::embedded())?;
        Ok(Self::for_worker(Arc::new(shared), 0, AccessLogHandle::off()))
    }

    /// Puts new settings in force for requests that begin from now on; those
    /// in flight go on with the old.
    ///
    /// # Errors
    /// As for [`Router::new`]; then the old settings stay.
    pub fn reload(&self, settings: Settings) -> Result<(), SnapshotError> {
        let shared = &self.worker.shared;
        let result = shared.reload(settings);
        shared.metrics.reloaded(ReloadResult::of(&result));
        result
    }

    /// Probes the endpoints and resolves the names of the routes in force, for
    /// as long as it is polled. To be spawned beside the service, by who has
    /// routes with a health check or with names: without it every endpoint
    /// counts as up, and a name has no address.
    pub async fn keep_endpoints(&self) {
        let shared = &self.worker.shared;
        let drain = Drain::new();
        tokio::join!(
            crate::probes::keep(shared.clone(), drain.watch()),
            crate::dns::keep(shared.clone(), drain.watch()),
        );
    }

    pub(crate) fn for_worker(
        shared: Arc<Shared>,
        index: usize,
        access_log: AccessLogHandle,
    ) -> Self {
        Self { worker: Arc::new(WorkerRouter::new(shared, index, access_log)) }
    }

    pub(crate) fn worker(&self) -> &Arc<WorkerRouter> {
        &self.worker
    }

    /// Whether a request for this host, in lower case and without port, and
    /// this path would find a route now.
    pub fn has_route(&self, host: &str, path: &str) -> bool {
        self.worker.snapshots.pin().lookup(host, path.as_bytes()).is_some()
    }

    /// The routes that come and go while it serves.
    pub fn live_routes(&self) -> LiveRoutes {
        LiveRoutes::of(&self.worker.shared)
    }

    /// Routes and settings in force.
    pub(crate) fn pin(&self) -> Pinned<Snapshot> {
        self.worker.snapshots.pin()
    }

    /// Looks at them, without a pin.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Snapshot) -> R) -> R {
        self.worker.snapshots.look(look)
    }
}

impl Shared {
    /// What the workers of one router share, with a first snapshot in force.
    pub(crate) fn new(
        settings: Settings,
        workers: usize,
        health: Health,
    ) -> Result<Self, SnapshotError> {
        let endpoints = EndpointRegistry::new(workers);
        let (probes, names) = (ProbeRegistry::default(), NameRegistry::default());
        let metrics = Metrics::new(workers);
        let node = format!("{:08x}", fastrand::u32(..));
        let retry = settings.retry.clone();
        let tls = TlsState::default();
        let listeners = settings.listeners.len();
        let draft = Draft::new(Arc::new(settings), &node, &tls)?;
        let mut ledger = Ledger::new(Bounds::of(&draft.settings.registry));
        let plain = Mutex::new(Arc::clone(&draft.plain));
        let makings = Makings {
            endpoints: &endpoints,
            probes: &probes,
            names: &names,
            metrics: &metrics,
            tls: &tls,
            workers,
            plain: &plain,
        };
        draft.make_live_so(makings);
        ledger.set_file(&draft.routes, 0, makings);
        draft.enforce_limits(makings);
        let snapshot = draft.with(ledger.table.clone());
        Ok(Self {
            snapshots: Publisher::new(Arc::new(snapshot)),
            live: Mutex::new(Live::new(ledger)),
            sources_heard: Default::default(),
            endpoints,
            plain,
            probes,
            names,
            published: watch::Sender::new(()),
            budget: RetryBudget::new(retry.budget_percent, retry.budget_min, workers),
            metrics,
            recent_errors: RecentErrors::new(workers),
            failed_accepts: Seldom::default(),
            health,
            tasks: Arc::default(),
            workers,
            descriptors: Share::of(descriptors::limit(), workers, listeners),
            node,
            start: Instant::now(),
            start_time: SystemTime::now(),
            connector: Box::new(Tcp),
            tls,
        })
    }

    /// What routes are made of.
    pub(crate) fn makings(&self) -> Makings<'_> {
        Makings {
            endpoints: &self.endpoints,
            probes: &self.probes,
            names: &self.names,
            metrics: &self.metrics,
            tls: &self.tls,
            workers: self.workers,
            plain: &self.plain,
        }
    }
}

/// An address for connections that have none, such as in-memory ones.
pub(crate) const NO_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
