//! The identities in use, told apart by what they are made of.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::config::EndpointTlsSettings;
use crate::sync::Mutex;
use crate::tls::{FileFault, certificates, identity, provider, roots};
use crate::upstream::tls::EndpointTls;
use crate::upstream::tls::verifier::Verifier;

/// What tells identities apart: names, the authorities' certificates (`None`:
/// the system's), and the chain the router shows.
type Key = (Option<String>, Option<String>, Option<Arc<[Vec<u8>]>>, Option<Vec<Vec<u8>>>);

/// What identities that differ in their names alone have in common, read once.
#[derive(Debug)]
struct Basis {
    /// `None` if there are no authorities: then nobody is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    own: Option<Arc<CertifiedKey>>,
    authorities_der: Option<Arc<[Vec<u8>]>>,
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
            authorities_der: authorities.as_deref().map(der).map(Arc::from),
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
    pub(in crate::upstream) fn by_id(&self, id: u64) -> Option<Arc<EndpointTls>> {
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
            let mut registered = self.registered.lock();
            // While they were read a reload may have set others.
            *registered = registered.take().or(basis);
            registered.clone()
        });
        let named = |basis: &Basis| self.named(basis, None, san).ok();
        // A name that cannot be one is a name that nobody can prove.
        let nobody = || Basis {
            chains: None,
            own: None,
            authorities_der: Some(Arc::default()),
            own_der: None,
        };
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
        let listed = basis.authorities_der.clone();
        let verifier = Verifier { chains: basis.chains.clone(), listed, expected };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_come_and_go_do_not_pile_up() {
        let identities = Identities::default();
        let kept = identities.registered(Some("kept.test"));
        for n in 0..1_000 {
            drop(identities.registered(Some(&format!("{n}.test"))));
        }
        assert!(identities.known.lock().len() <= 4);
        assert!(Arc::ptr_eq(&kept, &identities.registered(Some("kept.test"))));
    }

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
