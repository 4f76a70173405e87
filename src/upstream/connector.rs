//! Opening a connection to an endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::telemetry::metrics::WorkerMetrics;
use crate::upstream::connection::EndpointConnection;

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

/// Opens a TCP connection to `address`, counted in `metrics`.
pub(crate) async fn connect(
    address: SocketAddr,
    patience: Duration,
    metrics: Arc<WorkerMetrics>,
) -> Result<Box<EndpointConnection>, ConnectError> {
    let stream = match timeout(patience, TcpStream::connect(address)).await {
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
    stream.set_nodelay(true).map_err(ConnectError::Failed)?;
    Ok(Box::new(EndpointConnection::new(Box::new(stream), address, metrics)))
}
