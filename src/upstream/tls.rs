//! TLS with endpoints: what one must prove, and who the router says it is.
//!
//! What is asked of an endpoint is an identity of its own: connections are
//! pooled by it, so that one that was verified as one thing is never taken for
//! another. It is told by content, authorities and certificates included, so
//! that a replaced file is a new identity and a reload that changes nothing
//! keeps its connections. Sessions are not resumed: every new connection shows
//! its certificate.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Connection,
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::config::EndpointTlsSettings;
use crate::sync::Mutex;
use crate::tls::{FileFault, certificates, identity, provider, roots};
use crate::transport::{HandshakeError, Records, TlsStream, Transport};

/// TLS with one kind of endpoint.
#[derive(Debug)]
pub(crate) struct EndpointTls {
    id: u64,
    config: Arc<ClientConfig>,
    /// The name asked for; the endpoint's address if there is none.
    name: Option<ServerName<'static>>,
}

/// Why there is no TLS with an endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFailure {
    /// The endpoint is not who it should be.
    #[error("{reason}")]
    Untrusted {
        /// In what way, without a name or an address.
        detail: &'static str,
        /// The same with all that is known of it, for the operator alone.
        reason: String,
    },
    /// It sent an alert.
    #[error("{0}")]
    Rejected(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
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

fn explain(error: HandshakeError) -> TlsFailure {
    match error {
        HandshakeError::Tls(Error::InvalidCertificate(why)) => TlsFailure::Untrusted {
            detail: flaw(&why),
            reason: format!("the endpoint's certificate is not accepted: {why}"),
        },
        HandshakeError::Tls(Error::NoCertificatesPresented) => {
            let detail = "the endpoint has shown no certificate";
            TlsFailure::Untrusted { detail, reason: detail.into() }
        }
        HandshakeError::Tls(Error::AlertReceived(alert)) => {
            TlsFailure::Rejected(format!("the endpoint refused the handshake: {alert:?}"))
        }
        other => TlsFailure::Failed(other.to_string()),
    }
}

/// What is wrong with a certificate, in words that tell clients nothing of the
/// network behind the router: what is expected, and what is shown instead, are
/// names and addresses of endpoints.
fn flaw(why: &CertificateError) -> &'static str {
    use CertificateError as Flaw;
    match why {
        Flaw::Expired | Flaw::ExpiredContext { .. } => "the endpoint's certificate has expired",
        Flaw::NotValidYet | Flaw::NotValidYetContext { .. } => {
            "the endpoint's certificate is not valid yet"
        }
        Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => {
            "the endpoint's certificate is not for the name that is expected of it"
        }
        Flaw::UnknownIssuer => {
            "the endpoint's certificate is not signed by an authority that is trusted"
        }
        Flaw::Revoked => "the endpoint's certificate is revoked",
        _ => "the endpoint's certificate is not accepted",
    }
}

/// The alert that ended a connection, and whether it says that the endpoint
/// did not accept the handshake.
///
/// In TLS 1.3 the client is done first: what an endpoint thinks of its
/// certificate comes after the request has been sent, and before any of it was
/// looked at (RFC 8446 section 4.4.2.4).
pub(crate) fn alert(error: &std::io::Error) -> Option<(AlertDescription, bool)> {
    use AlertDescription as Alert;
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let Error::AlertReceived(alert) = error else { return None };
    let of_handshake = matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::HandshakeFailure
    );
    Some((*alert, of_handshake))
}

/// What tells identities apart: names, the authorities' certificates (`None`:
/// the system's), and the chain the router shows.
type Key = (Option<String>, Option<String>, Option<Vec<Vec<u8>>>, Option<Vec<Vec<u8>>>);

/// What identities that differ in their names alone have in common, read once.
#[derive(Debug)]
struct Basis {
    /// `None` if there are no authorities: then nobody is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    own: Option<Arc<CertifiedKey>>,
    authorities_der: Option<Vec<Vec<u8>>>,
    own_der: Option<Vec<Vec<u8>>>,
}

impl Basis {
    fn read(settings: &EndpointTlsSettings) -> Result<Self, IdentityFault> {
        let der = |all: &[CertificateDer<'_>]| all.iter().map(|one| one.to_vec()).collect();
        let authorities = settings.ca.as_ref().map(certificates).transpose()?;
        let own = settings.identity.as_ref();
        let own = own.map(|(chain, key)| identity(chain, key)).transpose()?;
        let roots = match &settings.ca {
            Some(file) => roots(file)?,
            None => system_roots(),
        };
        let chains = match roots.is_empty() {
            true => None,
            false => {
                let builder = WebPkiServerVerifier::builder_with_provider(roots, provider());
                Some(builder.build().map_err(|error| IdentityFault::Other(error.to_string()))?)
            }
        };
        Ok(Self {
            chains,
            authorities_der: authorities.as_deref().map(der),
            own_der: own.as_ref().map(|own| der(&own.cert)),
            own: own.map(Arc::new),
        })
    }

    /// What tells it from another.
    fn marks(&self) -> [Option<&[Vec<u8>]>; 2] {
        [self.authorities_der.as_deref(), self.own_der.as_deref()]
    }
}

/// What registered endpoints have in common, read and not in force yet.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredTls(Option<Arc<Basis>>);

impl RegisteredTls {
    /// Reads it; without settings it is the system's authorities.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub(crate) fn read(settings: Option<&EndpointTlsSettings>) -> Result<Self, IdentityFault> {
        Ok(Self(settings.map(Basis::read).transpose()?.map(Arc::new)))
    }
}

/// The identities in use.
#[derive(Debug)]
pub(crate) struct Identities {
    known: Mutex<HashMap<Key, Weak<EndpointTls>>>,
    /// What registered endpoints have in common; `None` until it is needed.
    registered: Mutex<Option<Arc<Basis>>>,
    next: AtomicU64,
}

impl Default for Identities {
    fn default() -> Self {
        Self { known: Mutex::default(), registered: Mutex::default(), next: AtomicU64::new(1) }
    }
}

impl Identities {
    /// The identity of these settings: the one in use, else a new one.
    ///
    /// # Errors
    /// If a file cannot be used, or there are no authorities.
    pub(crate) fn resolve(
        &self,
        settings: &EndpointTlsSettings,
    ) -> Result<Arc<EndpointTls>, IdentityFault> {
        let basis = Basis::read(settings)?;
        if basis.chains.is_none() {
            let why = "this system has no authorities of its own; name one with ca = \"ca.pem\"";
            return Err(IdentityFault::Other(why.into()));
        }
        self.named(&basis, settings.server_name.as_deref(), settings.verify_san.as_deref())
    }

    /// What registered endpoints have in common from now on. Whether that is
    /// news: those in use are then to be spoken to in another way.
    pub(crate) fn set_registered(&self, new: RegisteredTls) -> bool {
        let mut registered = self.registered.lock();
        let old = registered.as_deref().map_or([None; 2], Basis::marks);
        let is_news = old != new.0.as_deref().map_or([None; 2], Basis::marks);
        if is_news {
            *registered = new.0;
        }
        is_news
    }

    /// The identity of this number, while it is in use.
    pub(super) fn by_id(&self, id: u64) -> Option<Arc<EndpointTls>> {
        let known = self.known.lock();
        known.values().filter_map(Weak::upgrade).find(|tls| tls.id == id)
    }

    /// The identity of a registered endpoint whose certificate is for this
    /// name, else for its address.
    pub(crate) fn registered(&self, san: Option<&str>) -> Arc<EndpointTls> {
        let known = self.registered.lock().clone();
        let basis = known.or_else(|| {
            // The system's authorities, if it has any.
            let basis = Basis::read(&EndpointTlsSettings::default()).ok().map(Arc::new);
            *self.registered.lock() = basis.clone();
            basis
        });
        let named = |basis: &Basis| self.named(basis, None, san).ok();
        // A name that cannot be one is a name that nobody can prove.
        let nobody =
            || Basis { chains: None, own: None, authorities_der: Some(Vec::new()), own_der: None };
        basis
            .and_then(|basis| named(&basis))
            .or_else(|| self.named(&nobody(), None, None).ok())
            .expect("without names and files nothing can fail")
    }

    fn named(
        &self,
        basis: &Basis,
        asked: Option<&str>,
        san: Option<&str>,
    ) -> Result<Arc<EndpointTls>, IdentityFault> {
        let text = |name: Option<&str>| name.map(str::to_owned);
        let key = (text(asked), text(san), basis.authorities_der.clone(), basis.own_der.clone());
        let mut known = self.known.lock();
        if let Some(tls) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(tls);
        }
        // Now and then, so that each entry is looked at a bounded number of times.
        if known.len().is_power_of_two() {
            known.retain(|_, tls| tls.strong_count() > 0);
        }
        let expected = san.map(server_name).transpose()?;
        let verifier = Verifier { chains: basis.chains.clone(), expected };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| IdentityFault::Other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &basis.own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let own = SingleCertAndKey::from(Arc::clone(own));
                config.with_client_cert_resolver(Arc::new(own))
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        let tls = Arc::new(EndpointTls {
            id: self.next.fetch_add(1, Relaxed),
            config: Arc::new(config),
            name: asked.or(san).map(server_name).transpose()?,
        });
        known.insert(key, Arc::downgrade(&tls));
        Ok(tls)
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, IdentityFault> {
    let refused = |_| IdentityFault::Other(format!("{text:?} is no name of a server"));
    ServerName::try_from(text.to_owned()).map_err(refused)
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    /// A file.
    #[error("{0}")]
    File(#[from] FileFault),
    /// The system's authorities, or a name.
    #[error("{0}")]
    Other(String),
}

/// The authorities this system trusts, read once; perhaps none.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    });
    ROOTS.clone()
}

/// webpki's verification, for the name that was asked for or for another.
#[derive(Debug)]
struct Verifier {
    /// `None` trusts nobody.
    chains: Option<Arc<WebPkiServerVerifier>>,
    expected: Option<ServerName<'static>>,
}

impl Verifier {
    fn chains(&self) -> Result<&WebPkiServerVerifier, Error> {
        self.chains.as_deref().ok_or(CertificateError::UnknownIssuer.into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.expected.as_ref().unwrap_or(asked);
        self.chains()?.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains()?.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains()?.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_endpoint_has_one_identity_a_name_and_none_without_a_proof() {
        let identities = Identities::default();
        let (one, same) =
            (identities.registered(Some("a.test")), identities.registered(Some("a.test")));
        assert!(Arc::ptr_eq(&one, &same));
        assert_ne!(one.id(), identities.registered(Some("b.test")).id());
        assert_ne!(one.id(), 0, "that is no TLS");
        // What is no name can be proved by nobody; it is not taken for plain.
        assert_ne!(identities.registered(Some("not a name")).id(), 0);
        assert!(Arc::ptr_eq(&identities.by_id(one.id()).unwrap(), &one));
    }
}
