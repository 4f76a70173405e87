//! A request as a listener, or a tower stack, hands it to the router.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::http1::ParsedRequest;
use crate::listen::tls::TlsFacts;
use crate::request::body::RequestBody;
use crate::request::interim::InterimSink;

/// The two ends of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client's end.
    pub peer: SocketAddr,
    /// The router's end.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

/// A request, its content, and the way back for informational responses.
pub struct Arrival {
    /// Moved on many times before it is admitted.
    pub(crate) request: Box<ParsedRequest>,
    pub(crate) client: ClientAddress,
    /// What the client's TLS handshake came to, if there was one here.
    pub(crate) tls: Option<Arc<TlsFacts>>,
    pub(crate) body: RequestBody,
    pub(crate) interim: Option<Arc<dyn InterimSink>>,
}
