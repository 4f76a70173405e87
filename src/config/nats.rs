//! `[registry.nats]`: the bus on which endpoints register themselves.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::document::file_path;
use super::findings::{Fault, Findings, quoted};
use super::item::Section;
use super::shape;

/// `[registry.nats]`
#[derive(Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// Servers of one cluster; may hold passwords.
    pub urls: Vec<String>,
    /// A file with a user's JWT and its seed.
    pub credentials: Option<PathBuf>,
    /// TLS to the servers; they then must speak it.
    pub tls: Option<NatsTls>,
    /// What subjects begin with.
    pub subject_prefix: String,
    /// Messages that may wait to be read; beyond it they are dropped.
    pub queue: usize,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            credentials: None,
            tls: None,
            subject_prefix: "router".into(),
            queue: 65_536,
        }
    }
}

impl NatsSettings {
    /// The servers without users and passwords.
    pub fn masked_urls(&self) -> impl Iterator<Item = String> {
        self.urls.iter().map(|url| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, address))) => format!("{scheme}://***@{address}"),
            _ => url.clone(),
        })
    }
}

impl std::fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsSettings")
            .field("urls", &self.masked_urls().collect::<Vec<_>>())
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("subject_prefix", &self.subject_prefix)
            .field("queue", &self.queue)
            .finish()
    }
}

/// `[registry.nats] tls`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// The authorities servers are checked against; the system's unless given.
    pub ca: Option<PathBuf>,
    /// This router's own certificate.
    pub cert: Option<PathBuf>,
    /// And its key.
    pub key: Option<PathBuf>,
}

/// Messages that may wait; each is held in memory until it is read.
const QUEUE: RangeInclusive<u64> = 16..=10_000_000;
/// Servers of one cluster.
const MOST_URLS: usize = 64;

/// Reads `[registry.nats]`.
pub(super) fn nats(section: &Section<'_>, findings: &mut Findings<'_>) -> NatsSettings {
    let mut nats = NatsSettings::default();
    match section.item("urls") {
        None => {
            let fault = Fault::new("urls is missing");
            findings.report(&section.place, fault.help("write urls = [\"nats://127.0.0.1:4222\"]"));
        }
        Some(item) => {
            if let Some(urls) = item.elements(findings) {
                if urls.is_empty() || urls.len() > MOST_URLS {
                    let fault = Fault::new(format!("must be between 1 and {MOST_URLS} servers"));
                    let help = "write urls = [\"nats://127.0.0.1:4222\"]";
                    item.refuse::<()>(fault.help(help), findings);
                }
                nats.urls = urls.iter().filter_map(|url| url.read(findings, server)).collect();
            }
        }
    }
    nats.credentials = section.item("credentials").and_then(|item| item.read(findings, file_path));
    nats.tls = section
        .item("tls")
        .and_then(|item| item.section(&shape::NATS_TLS, findings))
        .map(|section| tls(&section, findings));
    if let Some(item) = section.item("subject_prefix") {
        nats.subject_prefix = item.read(findings, subject).unwrap_or(nats.subject_prefix);
    }
    if let Some(item) = section.item("queue") {
        let queue = item.number(QUEUE, findings).and_then(|queue| usize::try_from(queue).ok());
        nats.queue = queue.unwrap_or(nats.queue);
    }
    nats
}

fn tls(section: &Section<'_>, findings: &mut Findings<'_>) -> NatsTls {
    let path = |key, findings: &mut Findings<'_>| -> Option<PathBuf> {
        section.item(key).and_then(|item| item.read(findings, file_path))
    };
    let tls = NatsTls {
        ca: path("ca", findings),
        cert: path("cert", findings),
        key: path("key", findings),
    };
    if section.item("cert").is_some() != section.item("key").is_some() {
        let fault = Fault::new("a client certificate needs both cert and key");
        findings.report(&section.place, fault);
    }
    tls
}

/// A server's URL: `nats://` or `tls://`, perhaps a user and a password, a
/// host, and a port unless it is 4222.
fn server(text: &str) -> Result<String, Fault> {
    // A password may stand in it, so no message shows the text.
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Fault::new("the URL of a server begins with nats:// or tls://")
            .help("write \"nats://127.0.0.1:4222\", for example"));
    };
    if !matches!(scheme, "nats" | "tls") {
        let fault = Fault::new(format!("{} is not one of \"nats\", \"tls\"", quoted(scheme)));
        return Err(fault.help("write nats://HOST:PORT, or tls://HOST:PORT"));
    }
    let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    if address.contains(['/', '?', '#']) || address.contains(char::is_whitespace) {
        return Err(Fault::new("the URL of a server ends with its host and port")
            .help("write nats://HOST:PORT"));
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !address.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    if host.is_empty() {
        return Err(Fault::new("the URL names no host").help("write nats://HOST:PORT"));
    }
    if host.contains(':') && !host.starts_with('[') {
        return Err(Fault::new("an IPv6 address in a URL stands in brackets")
            .help("write nats://[::1]:4222, for example"));
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|p| p > 0)) {
        return Err(Fault::new("the port in the URL is not a number from 1 to 65535")
            .help("write nats://HOST:4222, or no port at all"));
    }
    Ok(text.to_owned())
}

/// What subjects begin with: words between dots, without wildcards.
fn subject(text: &str) -> Result<String, Fault> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if text.len() <= 200 && text.split('.').all(word) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(format!("{} is not a subject of letters, digits, - and _", quoted(text)))
        .help("write \"router\" for router.register"))
}
