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

use crate::config::{Diagnostic, FileRef};
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
    if let Some(complaint) = Validity::of(leaf).and_then(|v| v.complaint(SystemTime::now())) {
        tracing::warn!(file = %chain.path.display(), key = chain.place.key, "{complaint}");
    }
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

/// A stapled OCSP response, DER.
pub(crate) fn ocsp(file: &FileRef) -> Result<Vec<u8>, FileFault> {
    let bytes = read(file)?;
    // RFC 6960 section 4.2.1: a SEQUENCE that begins with an ENUMERATED of 0.
    let successful = bytes.first() == Some(&0x30)
        && bytes.windows(3).take(8).any(|window| window == [0x0a, 0x01, 0x00]);
    if !successful {
        return Err(FileFault::new(file, "is no successful OCSP response in DER"));
    }
    Ok(bytes)
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
