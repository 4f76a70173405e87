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

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::telemetry::metrics::WorkerMetrics;
use crate::transport::Transport;
use crate::upstream::connection::EndpointConnection;

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

/// Why no connection came about. Nothing was sent in any of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The endpoint's system said nobody listens there.
    #[error("nothing listens on the endpoint's port")]
    Refused,
    /// `timeouts.connect` ran out.
    #[error("the endpoint did not take the connection in time")]
    TimedOut,
    /// The endpoint cannot be reached, or this system has no socket to spare.
    #[error("no connection to the endpoint could be made: {0}")]
    Failed(io::Error),
}

/// Opens a connection to `address` within `patience`, counted in `metrics`.
pub(crate) async fn connect(
    connector: &dyn Connect,
    address: SocketAddr,
    patience: Duration,
    metrics: Arc<WorkerMetrics>,
) -> Result<Box<EndpointConnection>, ConnectError> {
    let stream = match timeout(patience, connector.connect(address)).await {
        Err(_) => return Err(ConnectError::TimedOut),
        Ok(Err(error)) => {
            return Err(match error.kind() {
                io::ErrorKind::ConnectionRefused => ConnectError::Refused,
                io::ErrorKind::TimedOut => ConnectError::TimedOut,
                _ => ConnectError::Failed(error),
            });
        }
        Ok(Ok(stream)) => stream,
    };
    Ok(Box::new(EndpointConnection::new(stream, address, metrics)))
}
