//! Taking connections off a listening socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::lifecycle::Phase;
use crate::listen::Listener;
use crate::listen::connections::Connections;
use crate::listen::http1;
use crate::listen::newcomers::{HANDSHAKES_END, turn_newcomers_away};
use crate::request::ClientAddress;
use crate::router::Router;

/// Wait after an accept that failed for want of descriptors or memory: the
/// connection stays in the queue, and asking again at once would spin.
const STARVED_WAIT: Duration = Duration::from_millis(50);

/// What accepting needs; one for each worker.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) router: Router,
    pub(crate) connections: Arc<Connections>,
    /// Connections this worker may hold for its share of descriptors.
    pub(crate) descriptor_share: usize,
    /// Whether clients may shut their sending side and stay for the answer.
    pub(crate) half_close_allowed: bool,
}

/// Accepts from `listener` until the drain, then until its queue is empty for
/// good, and closes it.
///
/// # Errors
/// If the socket cannot be registered with the worker's runtime.
pub(crate) async fn accept(
    listener: Listener,
    acceptor: Acceptor,
    mut phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let Listener { socket, outlives_us } = listener;
    let socket = TcpListener::from_std(socket)?;
    acceptor.take_until(&socket, reached(&mut phase, Phase::stops_accepting)).await;
    if !outlives_us {
        match turn_newcomers_away(&socket) {
            Ok(()) => {
                let cut = reached(&mut phase, |phase| *phase == Phase::Cut);
                let over = async { drop(tokio::time::timeout(HANDSHAKES_END, cut).await) };
                acceptor.take_until(&socket, over).await;
            }
            Err(error) => tracing::debug!(%error, "the listener closes with the door open"),
        }
    }
    acceptor.take_the_rest(socket.into_std()?).await
}

/// Waits for a phase.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: impl FnMut(&Phase) -> bool) {
    // Without a control side nobody will ever ask for connections either.
    drop(phase.wait_for(wanted).await);
}

impl Acceptor {
    async fn take_until(&self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.take(stream, peer),
                    Err(error) => rest_after(&error).await,
                },
                () = &mut end => return,
            }
        }
    }

    /// Empties the queue. The system is asked each time: the runtime would
    /// say that nothing waits until it has polled again.
    async fn take_the_rest(&self, listener: std::net::TcpListener) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.take(TcpStream::from_std(stream)?, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => rest_after(&error).await,
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        if stream.set_nodelay(true).is_err() {
            // The client has gone already.
            return;
        }
        let full = self.connections.len() >= self.limit();
        let crowded = full && !self.connections.evict_longest_idle();
        let entry = self.connections.enter(peer);
        let client = ClientAddress { peer, local, secure: false };
        let router = self.router.clone();
        let half_close_allowed = self.half_close_allowed;
        tokio::spawn(async move {
            let connection = http1::open(Box::new(stream), half_close_allowed);
            if crowded {
                entry.until_cut(http1::refuse_crowded(connection, client, router, &entry)).await;
            } else {
                http1::serve(connection, client, router, &entry).await;
            }
        });
    }

    /// Connections this worker may hold now.
    fn limit(&self) -> usize {
        match self.router.pin().settings.limits.connections {
            0 => self.descriptor_share,
            limit => (limit / self.router.worker().shared.workers).max(1),
        }
    }
}

async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, "cannot accept a connection; trying again shortly");
    tokio::time::sleep(STARVED_WAIT).await;
}
