//! Everything TLS of one listener, as one immutable value: handshakes begin
//! with the one in force, reloads replace it whole.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};

use crate::config::{ListenerTlsSettings, TlsVersion};
use crate::listen::tls::certificates::{Certificate, Certificates};
use crate::listen::tls::policy::{Policies, Policy, PolicyFault};
use crate::tls::{identity, ocsp, provider};

/// The TLS side of a listener.
#[derive(Debug)]
pub(crate) struct ListenerTls {
    certificates: Arc<Certificates>,
    /// One for each policy in use.
    configs: Vec<(Arc<Policy>, Arc<ServerConfig>)>,
    /// By certificate, the index of its policy.
    policies: Vec<usize>,
}

impl ListenerTls {
    /// Reads the files of these settings.
    ///
    /// # Errors
    /// With the first file that is at fault.
    pub(crate) fn new(
        settings: &ListenerTlsSettings,
        known: &Policies,
    ) -> Result<Self, PolicyFault> {
        let mut all = Vec::with_capacity(settings.certificates.len());
        let mut in_use: Vec<Arc<Policy>> = Vec::new();
        let mut policies = Vec::with_capacity(settings.certificates.len());
        for files in &settings.certificates {
            let key = identity(&files.chain, &files.key)?;
            let staple = files.ocsp.as_ref().map(|file| ocsp(file, &key)).transpose()?;
            all.push(Arc::new(Certificate::new(key, staple.flatten())));
            let policy =
                known.resolve(files.client_auth.as_ref().unwrap_or(&settings.client_auth))?;
            let index = in_use.iter().position(|other| Arc::ptr_eq(other, &policy));
            policies.push(index.unwrap_or_else(|| {
                in_use.push(policy);
                in_use.len() - 1
            }));
        }
        let certificates = Arc::new(Certificates::new(all));
        let configs = in_use.into_iter().map(|policy| {
            let config = config(settings, &policy, certificates.clone())?;
            Ok((policy, Arc::new(config)))
        });
        let configs =
            configs.collect::<Result<_, rustls::Error>>().map_err(PolicyFault::Tickets)?;
        Ok(Self { certificates, configs, policies })
    }

    /// What a handshake for this server name is done with.
    pub(super) fn config_for(&self, name: Option<&str>) -> Arc<ServerConfig> {
        self.configs[self.policies[self.certificates.index_for(name)]].1.clone()
    }

    /// What clients of this host are asked.
    pub(super) fn policy_for(&self, host: Option<&str>) -> &Arc<Policy> {
        &self.configs[self.policies[self.certificates.index_for(host)]].0
    }

    /// The certificate for this server name.
    pub(super) fn certificate_for(&self, name: Option<&str>) -> &Arc<Certificate> {
        self.certificates.at(self.certificates.index_for(name))
    }
}

fn config(
    settings: &ListenerTlsSettings,
    policy: &Policy,
    certificates: Arc<Certificates>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match settings.min_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(policy.verifier())
        .with_cert_resolver(certificates);
    config.alpn_protocols = settings.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.ticketer = policy.tickets.clone();
    // Tickets do without memory here; a cache would be shared by workers.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
