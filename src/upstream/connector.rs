//! Opening a connection to an endpoint.
//!
//! Where its bytes come from is behind a trait, so that whole exchanges can be
//! played in memory; only new connections pay for that.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::proxy_protocol::{self, Origin};
use crate::telemetry::metrics::WorkerMetrics;
use crate::transport::Transport;
use crate::upstream::connection::EndpointConnection;
use crate::upstream::tls::{EndpointTls, Identities, TlsFailure};

/// A connection being made.
pub(crate) type Connecting<'a> =
    Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send + 'a>>;

/// The way to endpoints.
pub(crate) trait Connect: Send + Sync {
    /// Opens a byte stream to `address`, however long that takes.
    fn connect(&self, address: SocketAddr) -> Connecting<'_>;
}

/// Connects over TCP.
pub(crate) struct Tcp;

impl Connect for Tcp {
    fn connect(&self, address: SocketAddr) -> Connecting<'_> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Transport>)
        })
    }
}

/// What is spoken on a connection before HTTP is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hop {
    /// TLS, and what the endpoint must prove.
    pub(crate) tls: Option<Arc<EndpointTls>>,
    /// Whether a PROXY header names the client; the connection then serves
    /// that client's one request.
    pub(crate) send_proxy: bool,
}

impl Hop {
    /// Plain HTTP.
    pub(crate) const PLAIN: Self = Self { tls: None, send_proxy: false };

    /// What a pooled connection must have been verified as; 0 is no TLS.
    pub(crate) fn identity(&self) -> u64 {
        self.tls.as_ref().map_or(0, |tls| tls.id())
    }
}

impl Hop {
    /// A number for this way of speaking, by which [`Identities`] finds it
    /// again; 0 is plain.
    pub(crate) fn way(&self) -> u64 {
        self.identity() << 1 | u64::from(self.send_proxy)
    }
}

impl Identities {
    /// The hop of this number; `None` if its identity is no longer in use.
    pub(crate) fn hop(&self, way: u64) -> Option<Hop> {
        let tls = match way >> 1 {
            0 => None,
            id => Some(self.by_id(id)?),
        };
        Some(Hop { tls, send_proxy: way & 1 == 1 })
    }
}

/// Why no connection came about. Nothing was sent in any of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The endpoint's system said nobody listens there.
    #[error("nothing listens on the endpoint's port")]
    Refused,
    /// `timeouts.connect` ran out, TLS included.
    #[error("the endpoint did not take the connection in time")]
    TimedOut,
    /// The endpoint cannot be reached, or this system has no socket to spare.
    #[error("no connection to the endpoint could be made: {0}")]
    Failed(io::Error),
    /// TCP stands, and TLS does not.
    #[error("{0}")]
    Tls(#[from] TlsFailure),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failed(error),
        }
    }
}

/// Opens a connection to `address` within `patience`, counted in `metrics`;
/// `origin` is who a PROXY header names.
pub(crate) async fn connect(
    connector: &dyn Connect,
    address: SocketAddr,
    hop: &Hop,
    origin: Origin,
    patience: Duration,
    metrics: Arc<WorkerMetrics>,
) -> Result<Box<EndpointConnection>, ConnectError> {
    let open = open(connector, address, hop, origin);
    let stream = timeout(patience, open).await.map_err(|_| ConnectError::TimedOut)??;
    Ok(Box::new(EndpointConnection::new(stream, address, hop, metrics)))
}

/// Opens a byte stream to `address` on which HTTP can be spoken, however long
/// that takes.
pub(crate) async fn open(
    connector: &dyn Connect,
    address: SocketAddr,
    hop: &Hop,
    origin: Origin,
) -> Result<Box<dyn Transport>, ConnectError> {
    let mut stream = connector.connect(address).await?;
    if hop.send_proxy {
        stream.write_all(&proxy_protocol::encode_v2(&origin)).await?;
    }
    match &hop.tls {
        None => Ok(stream),
        // Boxed, so that connections without TLS do not carry its state.
        Some(tls) => Ok(Box::pin(tls.secure(stream, address)).await?),
    }
}
