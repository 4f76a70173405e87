//! Whole exchanges in memory, for fuzzers: the bytes of a client go in, those
//! of scripted endpoints too, and what the router wrote to each comes out.
//!
//! Everything between is what serves real traffic: the client connection's
//! loop, the router, the attempts, the pool. Only the two byte streams and the
//! connector are replaced. Peers act in turns and not in time, so a play runs
//! the same whenever it is repeated, on a paused clock.
//!
//! This is no part of the library: it is behind a feature, hidden, and free to
//! change.

mod director;
mod process;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::Settings;
use crate::lifecycle::Health;
use crate::listen::connections::Connections;
use crate::listen::http1;
use crate::request::ClientAddress;
use crate::router::{Router, Shared, SnapshotError};
use crate::sync::Mutex;
use crate::telemetry::access_log::AccessLogHandle;

pub use process::Process;

use director::Director;
use stream::PlayedStream;

/// One thing a peer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waits until the router has sent something since the last such wait.
    Await,
    /// Sends these bytes. In an endpoint's, each `@` becomes the letter that
    /// followed the last `x-tag: ` received on the connection.
    Send(Bytes),
    /// Does nothing any more, and leaves the connection open.
    Stall,
    /// Resets the connection.
    Reset,
}

/// What one peer does on one connection; at the end it shuts its side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Play {
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// Bytes it takes before it takes no more; `None` takes all.
    pub takes: Option<usize>,
    /// Bytes that go into one read or write at most; 0 is no limit.
    pub piece: usize,
    /// Whether a client that shuts its side is still answered.
    pub half_close_allowed: bool,
}

/// What becomes of one connection the router opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dial {
    /// Nobody listens.
    Refused,
    /// Nobody answers.
    Hangs,
    /// It is accepted, and this is played on it.
    Accepted(Play),
}

/// What the router wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// To the client.
    pub client: Bytes,
    /// Whether the client's connection ended in a reset.
    pub client_reset: bool,
    /// On each connection to an endpoint that was accepted, in their order.
    pub endpoints: Vec<(SocketAddr, Bytes)>,
    /// Panics the router caught.
    pub panics: u64,
}

/// Far longer than every timeout together: beyond it something waits for ever.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Serves one client connection. Connections to endpoints meet the `dials` in
/// their order; beyond them they are refused. To be called in a
/// `current_thread` runtime whose clock is paused.
///
/// # Errors
/// If the settings contradict themselves.
///
/// # Panics
/// If the connection is not over after a day of the paused clock.
pub async fn converse(
    settings: Settings,
    client: Play,
    dials: Vec<Dial>,
) -> Result<Heard, SnapshotError> {
    // The same lots every time.
    fastrand::seed(1);
    let director = Director::new(dials);
    let mut shared = Shared::new(settings, 1, Health::embedded())?;
    shared.connector = Box::new(director.clone());
    let router = Router::for_worker(Arc::new(shared), 0, AccessLogHandle::off());
    let metrics = router.worker().metrics.clone();
    let written = Arc::new(Mutex::new(stream::Written::default()));
    let half_close_allowed = client.half_close_allowed;
    let stream = Box::new(PlayedStream::new(client, written.clone()));
    let address = ClientAddress {
        peer: SocketAddr::from(([192, 0, 2, 7], 40_000)),
        local: SocketAddr::from(([192, 0, 2, 1], 80)),
        secure: false,
    };
    let entry = Connections::new(metrics.clone()).enter(address.peer);
    // The stream closes when its connection ends, and what was written is whole.
    let serving = std::pin::pin!(async {
        let connection = http1::open(stream, half_close_allowed, &router);
        http1::serve(&connection, &address, &router, &entry).await;
    });
    let ended = tokio::time::timeout(PATIENCE, entry.until_cut(serving)).await;
    assert!(ended.is_ok(), "the client's connection never ends");
    let written = written.lock().clone();
    Ok(Heard {
        client: written.bytes.into(),
        client_reset: written.reset,
        endpoints: director.heard(),
        panics: metrics.panics(),
    })
}
