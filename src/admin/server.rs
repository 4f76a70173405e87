//! The admin listener's loop, with a bound on everything a caller can hold.
//!
//! `axum::serve` has no clocks, so hyper is driven here directly. One rule
//! covers all slow callers, those that read slowly included: a connection is
//! asked to end when its lifetime is over, and cut a grace later.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::lifecycle::{TaskKind, Tasks};

use super::guard::AdminState;
use super::pages::router;

#[cfg(test)]
pub(crate) mod tests;

/// Connections at a time; more wait in the accept queue.
const CONNECTIONS: usize = 64;
/// How long a caller may hold a connection.
const CLOCKS: Clocks = Clocks {
    head: Duration::from_secs(5),
    lifetime: Duration::from_secs(60),
    grace: Duration::from_secs(15),
};
/// At shutdown, the answers under way have this long.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// Bytes of a request head.
const HEAD_BYTES: usize = 16 << 10;
/// The pause after an accept that failed, so that a lack of descriptors does
/// not make this loop spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The clocks of a connection.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    /// For a whole request head, and for the next request on a kept
    /// connection.
    head: Duration,
    /// After this long a connection is asked to end with the answer under way.
    lifetime: Duration,
    /// After being asked, it has this long.
    grace: Duration,
}

/// Serves the admin side until `shutdown`, then ends the answers under way and
/// returns. Needs a tokio runtime with I/O and time.
///
/// # Errors
/// If the listener cannot be registered with the runtime.
pub(crate) async fn serve(
    listener: TcpListener,
    state: AdminState,
    tasks: Arc<Tasks>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_with(listener, state, tasks, shutdown, CLOCKS).await
}

/// [`serve`] with other clocks.
async fn serve_with(
    listener: TcpListener,
    state: AdminState,
    tasks: Arc<Tasks>,
    shutdown: impl Future<Output = ()>,
    clocks: Clocks,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let pages = router(state);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
            // Ended connections are collected as they end.
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let (pages, end) = (pages.clone(), end.clone());
        let serving = async move {
            connection(stream, pages, end, clocks).await;
            drop(slot);
        };
        connections.spawn(tasks.track(TaskKind::AdminConnection, peer.to_string(), serving));
    }
    drop(listener);
    ending.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Those that are still there are dropped with the set.
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, ended).await;
    Ok(())
}

/// The next connection with its slot. Cancelling it loses neither: a
/// connection not taken stays in the accept queue.
async fn accept(
    listener: &tokio::net::TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            tracing::warn!(%error, "the admin side cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection to its end, which comes soon enough.
async fn connection(
    stream: TcpStream,
    pages: Router,
    mut end: watch::Receiver<bool>,
    clocks: Clocks,
) {
    let service = TowerToHyperService::new(tower::service_fn(move |request| {
        let pages = pages.clone();
        async move { answer(pages, request).await }
    }));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(clocks.head).max_buf_size(HEAD_BYTES);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // What a caller does wrong is its own business.
        _ = &mut served => return,
        () = tokio::time::sleep(clocks.lifetime) => {}
        _ = end.wait_for(|end| *end) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(clocks.grace, served).await;
}

async fn answer(
    pages: Router,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<axum::response::Response, Infallible> {
    use tower::ServiceExt;
    let request: Request = request.map(Body::new);
    pages.oneshot(request).await
}
