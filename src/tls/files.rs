//! Reading what a configuration names: certificate chains, keys, authorities.
//!
//! Every fault carries the place of the key that named the file, so that a bad
//! pair is reported as any other mistake of the configuration is.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::{Diagnostic, FileRef, Settings};
use crate::tls::staple::Staple;
use crate::tls::validity::Validity;

/// The largest file of certificates or keys, in bytes: the bundles that
/// systems ship have 300 KiB.
const LARGEST_BYTES: u64 = 4 << 20;

/// What is wrong with a file, and the key that names it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileFault(Box<Diagnostic>);

impl FileFault {
    pub(crate) fn new(file: &FileRef, reason: impl std::fmt::Display) -> Self {
        let mut diagnostic = file.place.clone();
        diagnostic.reason = format!("{}: {reason}", file.path.display());
        Self(Box::new(diagnostic))
    }

    /// The same as the configuration reports its mistakes.
    pub(crate) fn diagnostic(&self) -> &Diagnostic {
        &self.0
    }
}

/// Warns of a certificate that is not valid now, or will not be soon.
fn complain(file: &FileRef, leaf: &[u8]) {
    if let Some(complaint) = Validity::of(leaf).and_then(|v| v.complaint(SystemTime::now())) {
        tracing::warn!(file = %file.path.display(), key = file.place.key, "{complaint}");
    }
}

/// Warns again of what the settings name and time has made worse since it was
/// read: certificates and OCSP responses. What cannot be read is not its
/// business.
pub(super) fn look_again(settings: &Settings) {
    for chain in settings.tls_chains() {
        if let Some(leaf) = certificates(chain).ok().and_then(|all| all.into_iter().next()) {
            complain(chain, &leaf);
        }
    }
    for tls in settings.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        for file in tls.certificates.iter().filter_map(|certificate| certificate.ocsp.as_ref()) {
            if let Some(staple) = read(file).ok().and_then(Staple::read) {
                complain_of_staple(file, &staple);
            }
        }
    }
}

fn complain_of_staple(file: &FileRef, staple: &Staple) {
    if !staple.is_fresh(SystemTime::now()) {
        let complaint = "the OCSP response is past its time and not shown";
        tracing::warn!(file = %file.path.display(), key = file.place.key, "{complaint}");
    }
}

/// The bytes of a file.
fn read(file: &FileRef) -> Result<Vec<u8>, FileFault> {
    let mut bytes = Vec::new();
    let opened = File::open(&file.path);
    let read = opened.and_then(|f| f.take(LARGEST_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| FileFault::new(file, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(FileFault::new(file, "is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Every certificate of a PEM file, in its order; at least one.
pub(crate) fn certificates(file: &FileRef) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let bytes = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| FileFault::new(file, format!("is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(FileFault::new(
            file,
            "has no certificate in PEM (-----BEGIN CERTIFICATE-----)",
        ));
    }
    Ok(found)
}

/// A chain and the key to its first certificate.
///
/// An expired certificate is a warning and no fault: to refuse it would take
/// down what some clients may still accept.
pub(crate) fn identity(chain: &FileRef, key: &FileRef) -> Result<CertifiedKey, FileFault> {
    let certificates = certificates(chain)?;
    let leaf = &certificates[0];
    if let Err(error) = webpki::EndEntityCert::try_from(leaf) {
        let reason = format!("its first certificate cannot be used: {error}");
        return Err(FileFault::new(chain, reason));
    }
    complain(chain, leaf);
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| FileFault::new(key, format!("has no private key in PEM: {error}")))?;
    let provider = crate::tls::provider();
    let signing = provider
        .key_provider
        .load_private_key(secret)
        .map_err(|error| FileFault::new(key, format!("is no key that can be used: {error}")))?;
    let identity = CertifiedKey::new(certificates, signing);
    match identity.keys_match() {
        // The kinds of keys that cannot tell their public half are few, and
        // fail at their first handshake.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(identity)
        }
        Err(_) => {
            let chain = chain.path.display();
            Err(FileFault::new(key, format!("is not the key of the certificate in {chain}")))
        }
    }
}

/// A stapled OCSP response, DER, for this certificate.
///
/// One that is past its time, or about another certificate, is a warning and no
/// fault: it is not shown. Whoever renews certificates may be quicker than who
/// fetches responses.
pub(crate) fn ocsp(
    file: &FileRef,
    certificate: &CertifiedKey,
) -> Result<Option<Staple>, FileFault> {
    let Some(staple) = Staple::read(read(file)?) else {
        return Err(FileFault::new(file, "is no successful OCSP response in DER"));
    };
    if certificate.cert.first().is_some_and(|leaf| staple.is_about_another(leaf)) {
        let complaint = "the OCSP response is about another certificate and not shown";
        tracing::warn!(file = %file.path.display(), key = file.place.key, "{complaint}");
        return Ok(None);
    }
    complain_of_staple(file, &staple);
    Ok(Some(staple))
}

/// The authorities of a PEM file.
pub(crate) fn roots(file: &FileRef) -> Result<Arc<RootCertStore>, FileFault> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).map_err(|error| {
            FileFault::new(file, format!("has a certificate that cannot be an authority: {error}"))
        })?;
    }
    Ok(Arc::new(store))
}
