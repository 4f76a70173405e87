//! The admin listener's loop, with a bound on everything a caller can hold.
//!
//! `axum::serve` has no clocks, so hyper is driven here directly. One rule
//! covers all slow callers, those that read slowly included: a connection is
//! asked to end when its lifetime is over, and cut a grace later. Before that,
//! one without a whole request makes room for a caller who finds none; see
//! [`seats`](super::seats).

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::descriptors::{remedy, somebody_waits};
use crate::lifecycle::{TaskKind, Tasks};
use crate::telemetry::Seldom;

use super::guard::AdminState;
use super::pages::{Caller, router};
use super::seats::{Asked, Seat, Seats, Told};

#[cfg(test)]
pub(crate) mod tests;

/// Connections at a time; more wait in the accept queue until one makes room.
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
/// Between two lines of the log about accepts that failed.
const LOG_EVERY_MS: u64 = 1_000;

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
    let mut seats = Seats::new(CONNECTIONS);
    let failed = FailedAccepts::default();
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut newcomer = None;
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &failed), if newcomer.is_none() => newcomer = accepted,
            () = seats.room(), if newcomer.is_some() => {
                let Some((stream, peer)) = newcomer.take() else { continue };
                let seat = seats.seat();
                let seated = (seat.clone(), Caller(peer));
                let serving = connection(stream, pages.clone(), seated, end.clone(), clocks);
                let listed = tasks.track(TaskKind::AdminConnection, peer.to_string(), serving);
                seats.take(seat, connections.spawn(listed));
            }
            // Ended connections are collected as they end.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    ending.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Those that are still there are dropped with the set.
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, ended).await;
    Ok(())
}

/// What is said of connections that cannot be accepted.
struct FailedAccepts {
    log: Seldom,
    start: Instant,
}

impl Default for FailedAccepts {
    fn default() -> Self {
        Self { log: Seldom::default(), start: Instant::now() }
    }
}

/// The next connection. Cancelling it loses none: one not taken stays in the
/// accept queue.
async fn accept(
    listener: &tokio::net::TcpListener,
    failed: &FailedAccepts,
) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            let now_ms = u64::try_from(failed.start.elapsed().as_millis()).unwrap_or(u64::MAX);
            if somebody_waits(listener)
                && let Some(unsaid) = failed.log.turn(now_ms, LOG_EVERY_MS)
            {
                let remedy = remedy(&error);
                tracing::warn!(%error, unsaid, "the admin side cannot accept a connection{remedy}");
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection to its end, which comes soon enough.
async fn connection(
    stream: TcpStream,
    pages: Router,
    (seat, caller): (Arc<Seat>, Caller),
    mut end: watch::Receiver<bool>,
    clocks: Clocks,
) {
    let service = TowerToHyperService::new(tower::service_fn(move |request| {
        let (pages, seat) = (pages.clone(), seat.clone());
        async move { answer(pages, request, (seat, caller)).await }
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
    (seat, caller): (Arc<Seat>, Caller),
) -> Result<hyper::Response<Told>, Infallible> {
    use tower::ServiceExt;
    let mut request: Request = request.map(|body| Body::new(Asked::new(body, seat.clone())));
    request.extensions_mut().insert(caller);
    let response = pages.oneshot(request).await?;
    Ok(response.map(|body| Told::new(body, seat)))
}
