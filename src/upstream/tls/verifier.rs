//! Whether an endpoint is who it should be.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::tls::{is_listed_itself, provider};

/// webpki's verification, for the name that was asked for or for another.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` trusts nobody.
    pub(super) chains: Option<Arc<WebPkiServerVerifier>>,
    /// The authorities' certificates, if they are not the system's: an endpoint
    /// may show one of them as its own.
    pub(super) listed: Option<Arc<[Vec<u8>]>>,
    /// The name its certificate must be for; the one that is asked for unless
    /// set.
    pub(super) expected: Option<ServerName<'static>>,
}

impl Verifier {
    fn chains(&self) -> Result<&WebPkiServerVerifier, Error> {
        self.chains.as_deref().ok_or(CertificateError::UnknownIssuer.into())
    }

    fn is_listed_itself(&self, refused: &Error, leaf: &CertificateDer<'_>) -> bool {
        self.listed.as_deref().is_some_and(|listed| is_listed_itself(refused, leaf, listed))
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
        match self.chains()?.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            Err(refused) if self.is_listed_itself(&refused, leaf) => {
                verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
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
