//! `tls` of a listener and of an endpoint.
//!
//! Files are only named here; whoever uses them reads them, and reports what is
//! wrong with one at the place of the key that names it.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use super::Diagnostic;
use super::findings::{Fault, Findings, quoted};
use super::host::normalise_host;
use super::item::{Item, Section};
use super::settings::Settings;
use super::shape::{CERTIFICATE, ENDPOINT_TLS, LISTENER_TLS};

/// A file that the configuration names. One named relatively is looked for
/// beside the configuration file. Two are the same if their paths are.
#[derive(Clone, Debug)]
pub struct FileRef {
    /// Where it is.
    pub path: PathBuf,
    /// The place of the key that names it, without a reason.
    pub(crate) place: Diagnostic,
}

impl PartialEq for FileRef {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for FileRef {}

impl Hash for FileRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They are asked, and may have none; one that is shown must be good.
    Request,
    /// They must.
    Require,
}

/// What clients are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthSettings {
    /// Whether they show certificates.
    pub mode: ClientAuth,
    /// Who must have signed them; there unless they are not asked.
    pub ca: Option<FileRef>,
}

/// One of `certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSettings {
    /// The certificate and those between it and an authority, PEM.
    pub chain: FileRef,
    /// The private key, PEM.
    pub key: FileRef,
    /// An OCSP response to be stapled, DER.
    pub ocsp: Option<FileRef>,
    /// What clients that ask for its names are asked for, if that is not what
    /// the listener asks for.
    pub client_auth: Option<ClientAuthSettings>,
}

/// `tls` of a `[[listener]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTlsSettings {
    /// At least one; the first is for clients that ask for none of the names.
    pub certificates: Vec<CertificateSettings>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// What clients are asked for.
    pub client_auth: ClientAuthSettings,
    /// The application protocols offered (RFC 7301), in the order of
    /// preference.
    pub alpn: Vec<String>,
}

/// `tls` of an endpoint; all of it is what the endpoint must prove, and who
/// the router says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EndpointTlsSettings {
    /// The name asked for (SNI); none for an address.
    pub server_name: Option<String>,
    /// The name its certificate must be for; `server_name` or else its address
    /// unless set.
    pub verify_san: Option<String>,
    /// Who must have signed it; the system's authorities unless set.
    pub ca: Option<FileRef>,
    /// The router's own certificate and key.
    pub identity: Option<(FileRef, FileRef)>,
}

impl Settings {
    /// Every file that TLS is made of.
    pub(crate) fn tls_files(&self) -> Vec<&FileRef> {
        let mut files = Vec::new();
        for tls in self.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
            files.extend(&tls.client_auth.ca);
            for certificate in &tls.certificates {
                files.extend([&certificate.chain, &certificate.key]);
                files.extend(&certificate.ocsp);
                files.extend(certificate.client_auth.iter().flat_map(|auth| &auth.ca));
            }
        }
        let endpoints = self.routes.iter().flat_map(|route| &route.endpoints);
        for tls in endpoints.filter_map(|endpoint| endpoint.tls.as_ref()) {
            files.extend(&tls.ca);
            files.extend(tls.identity.iter().flat_map(|(chain, key)| [chain, key]));
        }
        if let Some(tls) = &self.registry.tls {
            files.extend(&tls.ca);
            files.extend(tls.identity.iter().flat_map(|(chain, key)| [chain, key]));
        }
        files
    }

    /// Those that are the router's own certificates.
    pub(crate) fn tls_chains(&self) -> Vec<&FileRef> {
        let listeners = self.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let shown = listeners.flat_map(|tls| &tls.certificates).map(|one| &one.chain);
        let endpoints = self.routes.iter().flat_map(|route| &route.endpoints);
        let asked = endpoints.filter_map(|endpoint| endpoint.tls.as_deref());
        let asked = asked.chain(&self.registry.tls).filter_map(|tls| tls.identity.as_ref());
        shown.chain(asked.map(|(chain, _)| chain)).collect()
    }
}

const VERSIONS: &[(&str, TlsVersion)] = &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];

const CLIENT_AUTH: &[(&str, ClientAuth)] = &[
    ("none", ClientAuth::None),
    ("request", ClientAuth::Request),
    ("require", ClientAuth::Require),
];

/// The protocols a listener can speak.
const ALPN: &[(&str, &str)] = &[("http/1.1", "http/1.1")];

const CERTIFICATES_EXAMPLE: &str =
    "write certificates = [{ chain = \"cert.pem\", key = \"key.pem\" }]";

/// Reads `tls` of a listener.
pub(super) fn listener_tls(
    item: &Item<'_>,
    findings: &mut Findings<'_>,
) -> Option<ListenerTlsSettings> {
    let section = item.section(&LISTENER_TLS, findings)?;
    let client_auth = client_auth(&section, None, findings);
    let min_version = section.item("min_version").and_then(|item| item.word(VERSIONS, findings));
    let alpn = match section.item("alpn") {
        None => vec!["http/1.1".to_owned()],
        Some(item) => {
            let items = item.elements(findings).unwrap_or_default();
            if items.is_empty() {
                findings.report(&item.place, Fault::new("at least one protocol is needed"));
            }
            let mut offered: Vec<String> = Vec::new();
            for item in &items {
                let Some(name) = item.word(ALPN, findings) else { continue };
                if offered.iter().any(|other| other == name) {
                    findings.warn(&item.place, Fault::new("is in the list already"));
                } else {
                    offered.push(name.to_owned());
                }
            }
            offered
        }
    };
    let certificates = certificates(&section, client_auth.as_ref(), findings)?;
    Some(ListenerTlsSettings {
        certificates,
        min_version: min_version.unwrap_or(TlsVersion::Tls12),
        client_auth: client_auth.unwrap_or(NOT_ASKED),
        alpn,
    })
}

const NOT_ASKED: ClientAuthSettings = ClientAuthSettings { mode: ClientAuth::None, ca: None };

fn certificates(
    section: &Section<'_>,
    of_listener: Option<&ClientAuthSettings>,
    findings: &mut Findings<'_>,
) -> Option<Vec<CertificateSettings>> {
    let Some(item) = section.item("certificates") else {
        let fault = Fault::new("certificates is missing").help(CERTIFICATES_EXAMPLE);
        findings.report(&section.place, fault);
        return None;
    };
    let sections = item.sections(&CERTIFICATE, findings)?;
    if sections.is_empty() {
        let fault = Fault::new("at least one certificate is needed").help(CERTIFICATES_EXAMPLE);
        findings.report(&item.place, fault);
    }
    let mut certificates = Vec::new();
    for section in sections {
        let chain = needed_file(&section, "chain", findings);
        let key = needed_file(&section, "key", findings);
        let ocsp = section.item("ocsp").and_then(|item| file(&item, findings));
        let client_auth = client_auth(&section, of_listener, findings);
        if let (Some(chain), Some(key)) = (chain, key) {
            certificates.push(CertificateSettings { chain, key, ocsp, client_auth });
        }
    }
    Some(certificates)
}

/// Reads `client_auth` and `client_ca`, which a certificate may have for its
/// own names; `None` if neither is there.
fn client_auth(
    section: &Section<'_>,
    inherited: Option<&ClientAuthSettings>,
    findings: &mut Findings<'_>,
) -> Option<ClientAuthSettings> {
    let (mode_item, ca_item) = (section.item("client_auth"), section.item("client_ca"));
    let ca = ca_item.as_ref().and_then(|item| file(item, findings));
    let inherited_ca = inherited.and_then(|auth| auth.ca.clone());
    let mode = match (&mode_item, &ca_item, inherited) {
        (Some(item), _, _) => item.word(CLIENT_AUTH, findings)?,
        (None, None, _) => return None,
        (None, Some(_), Some(inherited)) if inherited.mode != ClientAuth::None => inherited.mode,
        (None, Some(item), _) => {
            let fault = Fault::new("nobody is asked for a certificate");
            findings.report(&item.place, fault.help("write client_auth = \"require\" beside it"));
            return None;
        }
    };
    let ca = ca.or(inherited_ca);
    if let (ClientAuth::None, Some(item)) = (mode, &ca_item) {
        let fault = Fault::new("nobody is asked for a certificate, so this has no use");
        findings.warn(&item.place, fault.help("write client_auth = \"require\", or leave it out"));
    }
    match (mode, &mode_item) {
        (ClientAuth::None, _) => Some(NOT_ASKED),
        (_, Some(item)) if ca.is_none() && ca_item.is_none() => {
            let fault = Fault::new("client_ca is missing, and without it nobody could be let in");
            findings.report(&item.place, fault.help("write client_ca = \"ca.pem\" beside it"));
            None
        }
        _ => Some(ClientAuthSettings { mode, ca }),
    }
}

/// Reads `tls` of an endpoint: `true`, or a table.
pub(super) fn endpoint_tls(
    item: &Item<'_>,
    findings: &mut Findings<'_>,
) -> Option<EndpointTlsSettings> {
    if !item.is_table() {
        return item.flag(findings)?.then(EndpointTlsSettings::default);
    }
    let section = item.section(&ENDPOINT_TLS, findings)?;
    let name = |key, findings: &mut Findings<'_>| {
        section.item(key).and_then(|item| item.read(findings, server_name))
    };
    let (chain_item, key_item) = (section.item("client_cert"), section.item("client_key"));
    let chain = chain_item.as_ref().and_then(|item| file(item, findings));
    let key = key_item.as_ref().and_then(|item| file(item, findings));
    if let (Some(alone), None) | (None, Some(alone)) = (&chain_item, &key_item) {
        let fault = Fault::new("client_cert and client_key belong together");
        findings.report(&alone.place, fault);
    }
    Some(EndpointTlsSettings {
        server_name: name("server_name", findings),
        verify_san: name("verify_san", findings),
        ca: section.item("ca").and_then(|item| file(&item, findings)),
        identity: chain.zip(key),
    })
}

/// Reads `tls` of the registry: what registered endpoints that speak TLS have
/// in common. Their names are their own.
pub(super) fn registry_tls(
    item: &Item<'_>,
    findings: &mut Findings<'_>,
) -> Option<EndpointTlsSettings> {
    let section = item.section(&ENDPOINT_TLS, findings)?;
    for key in ["server_name", "verify_san"] {
        if let Some(item) = section.item(key) {
            let fault = Fault::new("the endpoints register their own names");
            findings.report(&item.place, fault.help("server_cert_domain_san says it"));
        }
    }
    endpoint_tls(item, findings)
}

/// A DNS name or an IP address, as TLS names servers.
fn server_name(text: &str) -> Result<String, Fault> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let name = normalise_host(text)?;
    if name.contains(['*', '[']) {
        return Err(Fault::new(format!("{} is not one name", quoted(text))));
    }
    Ok(name)
}

fn needed_file(
    section: &Section<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) -> Option<FileRef> {
    let Some(item) = section.item(key) else {
        findings.report(&section.place, Fault::new(format!("{key} is missing")));
        return None;
    };
    file(&item, findings)
}

/// A file name, beside the configuration unless it is absolute.
fn file(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<FileRef> {
    let text = item.text(findings)?;
    if text.is_empty() || text.contains('\0') {
        return item.refuse(Fault::new("not the name of a file"), findings);
    }
    let place = findings.diagnostic(&item.place, Fault::new(String::new()));
    let beside = Path::new(&place.file).parent().unwrap_or(Path::new(""));
    Some(FileRef { path: beside.join(text), place })
}
