//! Reading what a configuration names: certificate chains, keys, authorities.
//!
//! Every fault carries the place of the key that named the file, so that a bad
//! pair is reported as any other mistake of the configuration is.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::{Diagnostic, FileRef, Settings, open_to_read};
use crate::tls::in_words;
use crate::tls::staple::{Freshness, Staple};
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

/// What is to be said at `now` of the certificates and OCSP responses that the
/// settings name, at the keys that name them: nothing of it keeps them from
/// being used. What cannot be read is not said here.
pub(crate) fn complaints(settings: &Settings, now: SystemTime) -> Vec<Diagnostic> {
    let mut said = Vec::new();
    let mut say = |file: &FileRef, complaint: &str| {
        said.push(FileFault::new(file, complaint).diagnostic().clone());
    };
    let mut seen = BTreeSet::new();
    for chain in settings.tls_chains().into_iter().filter(|chain| seen.insert(&chain.path)) {
        let validity = leaf(chain).and_then(|leaf| Validity::of(&leaf));
        if let Some(complaint) = validity.and_then(|validity| validity.complaint(now)) {
            say(chain, complaint);
        }
    }
    let listeners = settings.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    for files in listeners.flat_map(|tls| &tls.certificates) {
        let Some(file) = &files.ocsp else { continue };
        let Some(staple) = read(file).ok().and_then(Staple::read) else { continue };
        if leaf(&files.chain).is_some_and(|leaf| staple.is_about_another(&leaf)) {
            say(file, "the OCSP response is about another certificate and not shown");
            continue;
        }
        match staple.freshness(now) {
            Freshness::Fresh => {}
            Freshness::Early => say(file, "the OCSP response is before its time and not shown"),
            Freshness::Past => say(file, "the OCSP response is past its time and not shown"),
        }
    }
    said
}

/// The certificate of a chain that is about its owner.
fn leaf(chain: &FileRef) -> Option<CertificateDer<'static>> {
    certificates(chain).ok()?.into_iter().next()
}

/// The bytes of a file.
fn read(file: &FileRef) -> Result<Vec<u8>, FileFault> {
    let mut bytes = Vec::new();
    let opened = open_to_read(&file.path);
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
/// An expired certificate is a warning ([`complaints`]) and no fault: to refuse
/// it would take down what some clients may still accept.
pub(crate) fn identity(chain: &FileRef, key: &FileRef) -> Result<CertifiedKey, FileFault> {
    let certificates = certificates(chain)?;
    let leaf = &certificates[0];
    if let Err(error) = webpki::EndEntityCert::try_from(leaf) {
        let why = in_words(&error).map_or_else(|| error.to_string(), str::to_owned);
        let reason = format!("its first certificate cannot be used: {why}");
        return Err(FileFault::new(chain, reason));
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

/// A stapled OCSP response, DER, for this certificate.
///
/// One that is past or before its time, or about another certificate, is a warning
/// ([`complaints`]) and no fault: it is not shown. Whoever renews certificates
/// may be quicker than who fetches responses.
pub(crate) fn ocsp(
    file: &FileRef,
    certificate: &CertifiedKey,
) -> Result<Option<Staple>, FileFault> {
    let Some(staple) = Staple::read(read(file)?) else {
        return Err(FileFault::new(file, "is no successful OCSP response in DER"));
    };
    if certificate.cert.first().is_some_and(|leaf| staple.is_about_another(leaf)) {
        return Ok(None);
    }
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
