//! Opening a connection to an endpoint.
//!
//! Where its bytes come from is behind a trait, so that whole exchanges can be
//! played in memory; only new connections pay for that.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::clock::within;
use crate::descriptors::is_shortage;
use crate::proxy_protocol::{self, Origin};
use crate::telemetry::metrics::WorkerMetrics;
use crate::transport::{Transport, UNSENT_BYTES};
use crate::upstream::connection::EndpointConnection;
use crate::upstream::pool::Pool;
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
            SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES)?;
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
    /// The endpoint cannot be reached.
    #[error("no connection to the endpoint could be made: {0}")]
    Failed(io::Error),
    /// This system has nothing to spare for a connection, wherever it leads.
    #[error("the router {0}")]
    Short(Shortage),
    /// TCP stands, and TLS does not.
    #[error("{0}")]
    Tls(#[from] TlsFailure),
}

/// What a connection lacks at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Shortage {
    /// The process, or the system, has as many files open as it may.
    #[error("has no file descriptor left for a connection to the endpoint")]
    Descriptors,
    /// The system has no memory for it.
    #[error("has no memory left for a connection to the endpoint")]
    Memory,
    /// Every local port is in use towards this endpoint.
    #[error("has no local port left for a connection to the endpoint")]
    Ports,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ if is_shortage(&error) => Self::Short(match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE) => Shortage::Descriptors,
                _ => Shortage::Memory,
            }),
            _ => Self::Failed(error),
        }
    }
}

impl ConnectError {
    /// Why no TCP connection to `address` came about.
    fn of(error: io::Error, address: SocketAddr) -> Self {
        let no_address = error.kind() == io::ErrorKind::AddrNotAvailable;
        if no_address && has_address_towards(address) {
            return Self::Short(Shortage::Ports);
        }
        error.into()
    }
}

/// Whether this system has an address of its own to reach `address` from. The
/// system says the same if it has none as if every port of it is in use; to
/// name the other end of a datagram socket takes no port of TCP and sends
/// nothing.
fn has_address_towards(address: SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address)).is_ok()
}

/// Opens a connection to `address` within `patience`, counted in `metrics`;
/// `origin` is who a PROXY header names. The connections of `pool` make room for
/// it: the oldest by the rule, all of them if the system has nothing to spare.
pub(crate) async fn connect(
    connector: &dyn Connect,
    address: SocketAddr,
    hop: &Hop,
    origin: Origin,
    patience: Duration,
    (pool, metrics): (&Pool, Arc<WorkerMetrics>),
) -> Result<Box<EndpointConnection>, ConnectError> {
    let seat = pool.wait_for_room().await.map_err(ConnectError::Short)?;
    let mut once_more = true;
    let open = async {
        loop {
            match open(connector, address, hop, origin).await {
                // A port is in use by whom it leads to; that others are closed
                // frees none.
                Err(ConnectError::Short(Shortage::Descriptors | Shortage::Memory)) if once_more => {
                    once_more = false;
                    pool.close_idle();
                }
                opened => return opened,
            }
        }
    };
    let stream = within(patience, open).await.ok_or(ConnectError::TimedOut)??;
    Ok(Box::new(EndpointConnection::new(stream, address, hop, metrics, seat)))
}

/// Opens a byte stream to `address` on which HTTP can be spoken, however long
/// that takes.
pub(crate) async fn open(
    connector: &dyn Connect,
    address: SocketAddr,
    hop: &Hop,
    origin: Origin,
) -> Result<Box<dyn Transport>, ConnectError> {
    let connected = connector.connect(address).await;
    let mut stream = connected.map_err(|error| ConnectError::of(error, address))?;
    if hop.send_proxy {
        stream.write_all(&proxy_protocol::encode_v2(&origin)).await?;
    }
    match &hop.tls {
        None => Ok(stream),
        // Boxed, so that connections without TLS do not carry its state.
        Some(tls) => Ok(Box::pin(tls.secure(stream, address)).await?),
    }
}
