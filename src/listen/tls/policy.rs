//! Which clients are asked for a certificate, and the session tickets of those
//! that were.
//!
//! A session that is resumed is not asked again: the ticket says who the client
//! was. So tickets are good only under the policy they were given under. A
//! policy is the mode and the authorities, by content; each has its own ticket
//! keys, which all workers share and which outlive reloads that do not change
//! it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::config::{ClientAuth, ClientAuthSettings};
use crate::listen::tls::tickets::Tickets;
use crate::listen::tls::verifier::Verifier;
use crate::sync::Mutex;
use crate::tls::{FileFault, certificates, provider};

/// What is asked of a client. Two with the same content are one.
pub(crate) struct Policy {
    verifier: Arc<dyn ClientCertVerifier>,
    pub(super) tickets: Arc<Tickets>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl Policy {
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }
}

/// Mode, and the authorities' certificates in order.
type Key = (ClientAuth, Vec<Vec<u8>>);

/// The policies in use.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    known: Mutex<HashMap<Key, Weak<Policy>>>,
}

impl Policies {
    /// The policy of these settings: the one in use, else a new one.
    ///
    /// # Errors
    /// If the authorities cannot be read, or there is no randomness for keys.
    pub(crate) fn resolve(
        &self,
        settings: &ClientAuthSettings,
    ) -> Result<Arc<Policy>, PolicyFault> {
        let authorities = match (&settings.ca, settings.mode) {
            (Some(file), ClientAuth::Request | ClientAuth::Require) => certificates(file)?,
            _ => Vec::new(),
        };
        let der = authorities.iter().map(|certificate| certificate.to_vec());
        let key = (settings.mode, der.collect());
        let mut known = self.known.lock();
        if let Some(policy) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(policy);
        }
        known.retain(|_, policy| policy.strong_count() > 0);
        let tickets = Tickets::new(Instant::now()).map_err(PolicyFault::Tickets)?;
        let verifier: Arc<dyn ClientCertVerifier> = match &settings.ca {
            Some(file) if settings.mode != ClientAuth::None => {
                let mut roots = RootCertStore::empty();
                for authority in authorities {
                    let refused =
                        |error| FileFault::new(file, format!("has no usable authority: {error}"));
                    roots.add(authority).map_err(refused)?;
                }
                let builder =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                let builder = match settings.mode {
                    ClientAuth::Require => builder,
                    _ => builder.allow_unauthenticated(),
                };
                let chains = builder.build().map_err(|error| FileFault::new(file, error))?;
                Arc::new(Verifier { chains, listed: key.1.clone() })
            }
            _ => WebPkiClientVerifier::no_client_auth(),
        };
        let policy = Arc::new(Policy { verifier, tickets: Arc::new(tickets) });
        known.insert(key, Arc::downgrade(&policy));
        Ok(policy)
    }
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyFault {
    /// A file.
    #[error("{0}")]
    File(#[from] FileFault),
    /// No keys for tickets.
    #[error("no keys for session tickets can be made: {0}")]
    Tickets(rustls::Error),
}
