//! The certificates of one listener, and the choice by server name.
//!
//! Names are those of the certificates themselves (subjectAltName): the exact
//! name first, then the wildcard one label above (RFC 9525 section 6.3: a
//! wildcard stands for one label), then the first certificate of the list. Of
//! two certificates for one name the first is taken whose key the client can
//! verify, so that an ECDSA and an RSA certificate can stand side by side.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::{Freshness, Staple};

/// One certificate with its key, and the names it is for.
#[derive(Debug)]
pub(crate) struct Certificate {
    key: Arc<CertifiedKey>,
    /// The same with its OCSP response, and what is known of that.
    stapled: Option<(Arc<CertifiedKey>, Staple)>,
    names: Vec<Box<str>>,
}

/// The certificates of one listener.
#[derive(Debug)]
pub(super) struct Certificates {
    all: Vec<Arc<Certificate>>,
    /// Indices by name, `*.` before a wildcard's.
    by_name: HashMap<Box<str>, Vec<usize>>,
}

impl Certificate {
    /// A certificate and its key. One without a DNS name in its
    /// subjectAltName is only ever the default.
    pub(super) fn new(key: CertifiedKey, staple: Option<Staple>) -> Self {
        let leaf = key.cert.first().and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
        let names = leaf.iter().flat_map(|leaf| leaf.valid_dns_names());
        let names = names.map(|name| name.to_ascii_lowercase().into()).collect();
        let stapled = staple.map(|staple| {
            let key = CertifiedKey { ocsp: Some(staple.der.clone()), ..key.clone() };
            (Arc::new(key), staple)
        });
        Self { key: Arc::new(key), stapled, names }
    }

    /// As it is shown at `now`: without an OCSP response that is past or before
    /// its time.
    fn shown(&self, now: SystemTime) -> &Arc<CertifiedKey> {
        match &self.stapled {
            Some((key, staple)) if staple.freshness(now) == Freshness::Fresh => key,
            _ => &self.key,
        }
    }

    /// Whether it is for this host, in lower case.
    pub(super) fn covers(&self, host: &str) -> bool {
        let above = wildcard(host);
        self.names.iter().any(|name| **name == *host || above.as_deref() == Some(&**name))
    }
}

impl Certificates {
    /// The certificates in the order of the configuration.
    pub(super) fn new(all: Vec<Arc<Certificate>>) -> Self {
        let mut by_name: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (index, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { all, by_name }
    }

    /// The index of the certificate for `name`, if one is for it and `suits`;
    /// else of the first for it that does not.
    fn find(&self, name: &str, suits: impl Fn(&Certificate) -> bool) -> Option<usize> {
        let exact = self.by_name.get(name);
        let found = exact.or_else(|| self.by_name.get(wildcard(name)?.as_str()))?;
        let suiting = found.iter().find(|index| suits(&self.all[**index]));
        suiting.or(found.first()).copied()
    }

    /// The index of the certificate that `name` stands for; 0, the default, if
    /// none is for it.
    pub(super) fn index_for(&self, name: Option<&str>) -> usize {
        name.and_then(|name| self.find(name, |_| true)).unwrap_or(0)
    }

    pub(super) fn at(&self, index: usize) -> &Arc<Certificate> {
        &self.all[index]
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let suits = |certificate: &Certificate| {
            certificate.key.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let name = hello.server_name().map(normal);
        let named = name.and_then(|name| self.find(&name, suits));
        Some(self.all[named.unwrap_or(0)].shown(SystemTime::now()).clone())
    }
}

/// A server name as names are compared.
pub(super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The wildcard name a certificate for this host may have.
fn wildcard(host: &str) -> Option<String> {
    let (_, above) = host.split_once('.')?;
    Some(format!("*.{above}"))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

    use super::*;

    fn certificate(names: &[&str]) -> Arc<Certificate> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let provider = crate::tls::provider();
        let secret = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let signing = provider.key_provider.load_private_key(secret).unwrap();
        Arc::new(Certificate::new(CertifiedKey::new(vec![made.der().clone()], signing), None))
    }

    #[test]
    fn the_exact_name_comes_before_the_wildcard_and_the_first_is_the_default() {
        let certificates = Certificates::new(vec![
            certificate(&["default.test"]),
            certificate(&["*.example.com", "example.com"]),
            certificate(&["Shop.Example.Com"]),
        ]);
        for (name, index) in [
            ("example.com", 1),
            ("a.example.com", 1),
            ("shop.example.com", 2),
            ("a.b.example.com", 0),
            ("com", 0),
            ("other.test", 0),
        ] {
            assert_eq!(certificates.index_for(Some(name)), index, "{name}");
        }
        assert_eq!(certificates.index_for(None), 0);
    }

    #[test]
    fn of_two_for_one_name_the_first_is_shown_that_the_client_can_check() {
        let all: Vec<_> = [["other.test"], ["a.test"], ["a.test"]].map(|n| certificate(&n)).into();
        let certificates = Certificates::new(all.clone());
        let shown = |suiting: &[usize]| {
            let suits = |one: &Certificate| suiting.iter().any(|i| std::ptr::eq(one, &*all[*i]));
            certificates.find("a.test", suits)
        };
        assert_eq!(shown(&[0, 1, 2]), Some(1));
        assert_eq!(shown(&[0, 2]), Some(2));
        assert_eq!(shown(&[0]), Some(1), "one of its name at least");
    }

    #[test]
    fn a_certificate_is_for_its_names_and_one_label_below_its_wildcards() {
        let certificate = certificate(&["example.com", "*.example.com"]);
        assert!(certificate.covers("example.com") && certificate.covers("a.example.com"));
        assert!(!certificate.covers("a.b.example.com") && !certificate.covers("com"));
    }
}
