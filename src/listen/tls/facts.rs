//! What a client's handshake came to, for the requests that follow on the
//! connection.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;
use rustls::Connection;

use crate::listen::tls::certificates::{Certificate, normal};
use crate::listen::tls::context::ListenerTls;
use crate::listen::tls::policy::Policy;

/// A client connection after its handshake.
#[derive(Debug)]
pub(crate) struct TlsFacts {
    /// The index of its listener.
    listener: usize,
    /// Version and cipher suite, as the access log has them.
    session: Box<str>,
    server_name: Option<Box<str>>,
    certificate: Arc<Certificate>,
    policy: Arc<Policy>,
    client_certificate: Option<HeaderValue>,
}

impl TlsFacts {
    /// What `tls` came to on the listener of this index.
    pub(super) fn new(listener: usize, context: &ListenerTls, tls: &Connection) -> Self {
        let server_name = match tls {
            Connection::Server(tls) => tls.server_name().map(normal),
            Connection::Client(_) => None,
        };
        let name = server_name.as_deref();
        let version = tls.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
        let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
        let suite = suite.and_then(|suite| suite.as_str()).unwrap_or("-");
        let leaf = tls.peer_certificates().and_then(<[_]>::first);
        Self {
            listener,
            session: format!("{} {suite}", version.replace('_', ".")).into(),
            certificate: context.certificate_for(name).clone(),
            policy: context.policy_for(name).clone(),
            client_certificate: leaf.and_then(|leaf| STANDARD.encode(leaf).try_into().ok()),
            server_name: server_name.map(Into::into),
        }
    }

    /// The index of the listener it came by.
    pub(crate) fn listener(&self) -> usize {
        self.listener
    }

    /// Version and cipher suite.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// The client's certificate, verified: base64 of its DER.
    pub(crate) fn client_certificate(&self) -> Option<&HeaderValue> {
        self.client_certificate.as_ref()
    }

    /// Whether requests for `host` may come on this connection (RFC 9110
    /// section 7.4): the client asked for that name or was shown a certificate
    /// for it, and was asked for its own as clients of that host are now.
    ///
    /// A client that named no server (or an address, which is no name) took
    /// the default certificate as it is, and may ask for any host.
    pub(crate) fn is_for(&self, host: &str, now: &ListenerTls) -> bool {
        let named = match &self.server_name {
            None => true,
            Some(name) => **name == *host || self.certificate.covers(host),
        };
        named && Arc::ptr_eq(&self.policy, now.policy_for(Some(host)))
    }

    /// Whether clients of the very host it was made for are asked otherwise
    /// now, so that no request for it may come any more.
    pub(crate) fn is_stale(&self, now: &ListenerTls) -> bool {
        !Arc::ptr_eq(&self.policy, now.policy_for(self.server_name.as_deref()))
    }
}
