//! TLS of a snapshot: made of files when settings are put in force, so that a
//! file that cannot be used leaves everything as it was.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Diagnostic, EndpointTlsSettings, RouteSettings, Settings};
use crate::listen::tls::{ListenerTls, Policies, PolicyFault};
use crate::registry::Endpoint;
use crate::upstream::{EndpointTls, Hop, Identities, IdentityFault, RegisteredTls};

/// What outlives snapshots: ticket keys, and the identities by which endpoint
/// connections are pooled.
#[derive(Debug, Default)]
pub(crate) struct TlsState {
    policies: Policies,
    pub(crate) identities: Identities,
}

/// Why TLS cannot be put in force.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TlsFault {
    reason: String,
    place: Option<Box<Diagnostic>>,
}

impl From<PolicyFault> for TlsFault {
    fn from(fault: PolicyFault) -> Self {
        let place = match &fault {
            PolicyFault::File(file) => Some(Box::new(file.diagnostic().clone())),
            PolicyFault::Tickets(_) => None,
        };
        Self { reason: fault.to_string(), place }
    }
}

impl From<IdentityFault> for TlsFault {
    fn from(fault: IdentityFault) -> Self {
        let place = match &fault {
            IdentityFault::File(file) => Some(Box::new(file.diagnostic().clone())),
            IdentityFault::Other(_) => None,
        };
        Self { reason: fault.to_string(), place }
    }
}

/// The identities met so far in one table: files are read once for each.
type Met<'s> = HashMap<&'s EndpointTlsSettings, Arc<EndpointTls>>;

impl TlsState {
    /// TLS of every listener.
    ///
    /// # Errors
    /// With the first that cannot be had.
    pub(crate) fn listeners(
        &self,
        settings: &Settings,
    ) -> Result<Box<[Option<Arc<ListenerTls>>]>, TlsFault> {
        let of_listener = |tls| ListenerTls::new(tls, &self.policies).map(Arc::new);
        let all = settings.listeners.iter().map(|l| l.tls.as_ref().map(of_listener).transpose());
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// How each endpoint of a route is spoken to; nothing if all are plain.
    ///
    /// # Errors
    /// With the first whose TLS cannot be had.
    pub(crate) fn hops<'s>(
        &self,
        route: &'s RouteSettings,
        met: &mut Met<'s>,
    ) -> Result<Box<[Hop]>, TlsFault> {
        let endpoints = &route.endpoints;
        if endpoints.iter().all(|endpoint| endpoint.tls.is_none() && !endpoint.send_proxy) {
            return Ok(Box::default());
        }
        let hops = endpoints.iter().map(|endpoint| {
            let tls = endpoint.tls.as_deref().map(|tls| self.identity(tls, met)).transpose()?;
            Ok(Hop { tls, send_proxy: endpoint.send_proxy })
        });
        hops.collect()
    }

    /// How each endpoint of a live route is spoken to; nothing if all are
    /// plain.
    pub(crate) fn registered_hops(&self, endpoints: &[Arc<Endpoint>]) -> Box<[Hop]> {
        if endpoints.iter().all(|endpoint| !endpoint.tls) {
            return Box::default();
        }
        let hop = |endpoint: &Arc<Endpoint>| Hop {
            tls: endpoint
                .tls
                .then(|| self.identities.registered(endpoint.server_cert_domain_san())),
            send_proxy: false,
        };
        endpoints.iter().map(hop).collect()
    }

    fn identity<'s>(
        &self,
        settings: &'s EndpointTlsSettings,
        met: &mut Met<'s>,
    ) -> Result<Arc<EndpointTls>, TlsFault> {
        if let Some(known) = met.get(settings) {
            return Ok(known.clone());
        }
        let identity = self.identities.resolve(settings)?;
        met.insert(settings, identity.clone());
        Ok(identity)
    }
}

/// Every file of the settings that cannot be used, at the key that names it.
pub(crate) fn faults(settings: &Settings) -> Vec<Diagnostic> {
    let state = TlsState::default();
    let mut faults: Vec<TlsFault> = Vec::new();
    for tls in settings.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        faults.extend(ListenerTls::new(tls, &state.policies).err().map(TlsFault::from));
    }
    let registered = RegisteredTls::read(settings.registry.tls.as_ref());
    faults.extend(registered.err().map(TlsFault::from));
    let mut met = Met::new();
    let mut refused: Vec<&EndpointTlsSettings> = Vec::new();
    for endpoint in settings.routes.iter().flat_map(|route| &route.endpoints) {
        let Some(tls) = endpoint.tls.as_deref().filter(|tls| !refused.contains(tls)) else {
            continue;
        };
        if let Err(fault) = state.identity(tls, &mut met) {
            refused.push(tls);
            faults.push(fault);
        }
    }
    // What has no place fails again, and says so, when it is put in force.
    faults.into_iter().filter_map(|fault| Some(*fault.place?)).collect()
}
