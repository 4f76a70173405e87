//! Taking connections off a listening socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::lifecycle::Phase;
use crate::listen::connections::Connections;
use crate::listen::http1;
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
    /// Connections this worker may hold.
    pub(crate) limit: usize,
    /// Whether clients may shut their sending side and stay for the answer.
    pub(crate) half_close_allowed: bool,
}

/// Accepts from `listener` until the drain, then until its queue is empty.
pub(crate) async fn accept(
    listener: TcpListener,
    acceptor: Acceptor,
    mut phase: watch::Receiver<Phase>,
) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => acceptor.take(stream, peer),
                Err(error) => rest_after(&error).await,
            },
            () = stops_accepting(&mut phase) => break,
        }
    }
    take_accepted_already(listener, &acceptor);
}

/// What the system has already accepted for us was promised an answer. The
/// system itself is asked: the runtime's readiness may be old, and its budget
/// for one turn can end before the queue does.
fn take_accepted_already(listener: TcpListener, acceptor: &Acceptor) {
    let Ok(listener) = listener.into_std() else { return };
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let stream =
                    stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                if let Ok(stream) = stream {
                    acceptor.take(stream, peer);
                }
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(_) => break,
        }
    }
}

/// Waits for the phase in which no connections are taken.
async fn stops_accepting(phase: &mut watch::Receiver<Phase>) {
    // Without a control side nobody will ever ask for connections either.
    let _ = phase.wait_for(Phase::stops_accepting).await;
}

async fn rest_after(error: &io::Error) {
    if is_about_one_connection(error) {
        return;
    }
    tracing::warn!(%error, "cannot accept a connection; trying again shortly");
    tokio::time::sleep(STARVED_WAIT).await;
}

/// Whether the next accept may well succeed.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

impl Acceptor {
    fn take(&self, stream: TcpStream, peer: std::net::SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        if stream.set_nodelay(true).is_err() {
            // The client has gone already.
            return;
        }
        let full = self.connections.len() >= self.limit;
        let crowded = full && !self.connections.evict_longest_idle();
        let entry = self.connections.enter();
        let client = ClientAddress { peer, local, secure: false };
        let router = self.router.clone();
        let half_close_allowed = self.half_close_allowed;
        tokio::spawn(async move {
            let connection = http1::open(Box::new(stream), half_close_allowed);
            if crowded {
                entry.until_cut(http1::refuse_crowded(connection, client, router, &entry)).await;
            } else {
                entry.until_cut(http1::serve(connection, client, router, &entry)).await;
            }
        });
    }
}
