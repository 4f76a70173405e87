//! TLS with endpoints: what one must prove, and who the router says it is.
//!
//! What is asked of an endpoint is an identity of its own: connections are
//! pooled by it, so that one that was verified as one thing is never taken for
//! another. It is told by content, authorities and certificates included, so
//! that a replaced file is a new identity and a reload that changes nothing
//! keeps its connections. Sessions are not resumed: every new connection shows
//! its certificate.

mod failure;
mod identities;
mod verifier;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection};

use crate::transport::{Records, TlsStream, Transport};

pub(crate) use failure::{TlsFailure, alert};
pub(crate) use identities::{Identities, IdentityFault, RegisteredTls};

use failure::explain;

/// TLS with one kind of endpoint.
#[derive(Debug)]
pub(crate) struct EndpointTls {
    id: u64,
    config: Arc<ClientConfig>,
    /// The name asked for; the endpoint's address if there is none.
    name: Option<ServerName<'static>>,
}

impl EndpointTls {
    /// The number of this identity; not 0, which is no TLS.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Does the handshake on `io`, however long it takes.
    pub(crate) async fn secure(
        &self,
        io: Box<dyn Transport>,
        address: SocketAddr,
    ) -> Result<Box<dyn Transport>, TlsFailure> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(address.ip()));
        let tls = ClientConnection::new(self.config.clone(), name)
            .map_err(|error| TlsFailure::Failed(error.to_string()))?;
        let mut stream = Box::new(TlsStream::new(io, Connection::Client(tls), Records::default()));
        poll_fn(|cx| stream.poll_handshake(cx)).await.map_err(explain)?;
        Ok(stream)
    }
}
