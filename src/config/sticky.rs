//! `sticky` of a `[[route]]`: the cookie that keeps a client with an endpoint.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::findings::{Fault, Findings, quoted};
use super::item::{Item, Section};
use crate::endpoint::CookieName;

/// Shorter ones can be guessed.
const LEAST_SECRET: usize = 16;
const LONGEST_SECRET: usize = 1_024;
/// Each has a value for every endpoint.
const MOST_SECRETS: usize = 8;

/// `sticky` of a `[[route]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickySettings {
    /// The cookie's name.
    pub cookie: CookieName,
    /// Its `Path`; unless set, the route's own.
    pub path: String,
    /// Its `Domain`; without, the cookie is the host's alone.
    pub domain: Option<String>,
    /// Its `Max-Age`; without, it lives as long as the browser's session.
    pub max_age: Option<Duration>,
    /// Whether it has `Secure`; unless set, it has if the client's connection is
    /// encrypted.
    pub secure: Option<bool>,
    /// Whether it has `HttpOnly`.
    pub http_only: bool,
    /// Its `SameSite`.
    pub same_site: SameSite,
    /// What its values are made with; those made with another than the first are
    /// read and replaced. If there is none, something only this process knows.
    pub secrets: Vec<Secret>,
}

/// When a cookie is sent from other sites (RFC 6265bis section 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Only on the way to the site.
    Lax,
    /// Never.
    Strict,
    /// Always.
    None,
}

impl SameSite {
    /// As the attribute has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        }
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// What must not be told.
    pub fn reveal(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads `sticky` of the route with this host and path, as far as they could be
/// read; `None` if it has no cookie's name.
pub(super) fn sticky(
    section: &Section<'_>,
    (host, route_path): (Option<&str>, Option<&str>),
    findings: &mut Findings<'_>,
) -> Option<StickySettings> {
    const SAME_SITE: &[(&str, SameSite)] =
        &[("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)];
    let Some(cookie) = section.item("cookie") else {
        let fault = Fault::new("cookie is missing");
        findings.report(&section.place, fault.help("write sticky = { cookie = \"endpoint\" }"));
        return None;
    };
    let read = |key: &'static str, findings: &mut Findings<'_>| {
        section.item(key).and_then(|item: Item<'_>| item.read(findings, attribute))
    };
    let domain = read("domain", findings);
    let path = match section.item("path") {
        Some(item) => item.read(findings, path),
        None => Some(path_of_route(route_path.unwrap_or("/"))),
    };
    let same_site = section.item("same_site").and_then(|item| item.word(SAME_SITE, findings));
    let secure = section.item("secure").and_then(|item| item.flag(findings));
    if same_site == Some(SameSite::None) && secure != Some(true) {
        let fault =
            Fault::new("same_site = \"none\" without secure = true: browsers drop the cookie");
        findings.report(&section.place, fault.help("add secure = true"));
    }
    if let (Some(host), Some(domain)) = (host, &domain) {
        lies_in_domain(section, host, domain, findings);
    }
    let cookie = cookie.read(findings, name)?;
    keeps_promise(section, &cookie, (path.as_deref(), secure), findings);
    Some(StickySettings {
        cookie,
        path: path.unwrap_or_else(|| "/".into()),
        domain,
        max_age: section.item("max_age").and_then(|item| item.duration(false, findings)),
        secure,
        http_only: section.item("http_only").and_then(|i| i.flag(findings)).unwrap_or(true),
        same_site: same_site.unwrap_or(SameSite::Lax),
        secrets: section.item("secret").map(|i| secrets(&i, findings)).unwrap_or_default(),
    })
}

fn name(text: &str) -> Result<CookieName, Fault> {
    text.parse().map_err(|_| {
        Fault::new(format!("{} is no name of a cookie", quoted(text)))
            .help("use letters, digits, - and _")
    })
}

/// What may stand in `Path` and `Domain` (RFC 6265 section 4.1.1).
fn attribute(text: &str) -> Result<String, Fault> {
    if text.is_empty()
        || text.len() > 1_024
        || !text.bytes().all(|b| b.is_ascii_graphic() && b != b';')
    {
        return Err(Fault::new(format!("{} cannot stand in a cookie", quoted(text))));
    }
    Ok(text.to_owned())
}

/// The path a cookie is sent to: browsers take one that does not start with `/`
/// for none at all (RFC 6265 section 5.2.4).
fn path(text: &str) -> Result<String, Fault> {
    let path = attribute(text)?;
    if !path.starts_with('/') {
        let fault =
            Fault::new(format!("{} does not start with \"/\": browsers ignore it", quoted(text)));
        return Err(fault.help(format!("write {}", quoted(&format!("/{text}")))));
    }
    Ok(path)
}

/// The route's own path, so that routes of one host, whose endpoints are others,
/// do not replace each other's cookie. One that cannot stand in a cookie is
/// covered by `/`.
fn path_of_route(path: &str) -> String {
    attribute(path).unwrap_or_else(|_| "/".into())
}

/// Browsers drop a cookie whose domain the host that sets it does not lie in
/// (RFC 6265 section 5.3, step 6).
fn lies_in_domain(section: &Section<'_>, host: &str, domain: &str, findings: &mut Findings<'_>) {
    // A dot in front means nothing (RFC 6265 section 5.2.3).
    let plain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let below = host.strip_prefix("*.").unwrap_or(host);
    let is_address = below.parse::<Ipv4Addr>().is_ok() || below.starts_with('[');
    let lies_in = |rest: &str| rest.is_empty() || (rest.ends_with('.') && !is_address);
    // A route of every host may well be one for those in the domain.
    if host == "*" || below.strip_suffix(&*plain).is_some_and(lies_in) {
        return;
    }
    let (shown, host) = (quoted(domain), quoted(host));
    let fault = Fault::new(format!("{host} does not lie in {shown}: browsers drop the cookie"));
    let place = section.item("domain").map_or_else(|| section.place.clone(), |item| item.place);
    let help = format!("write domain = {}, or leave it out for the host alone", quoted(below));
    findings.report(&place, fault.help(help));
}

/// Refuses what browsers drop since the cookie's name promises something else
/// (RFC 6265bis section 4.1.3): in whatever case the prefix is written.
fn keeps_promise(
    section: &Section<'_>,
    cookie: &CookieName,
    (path, secure): (Option<&str>, Option<bool>),
    findings: &mut Findings<'_>,
) {
    let begins = |prefix: &str| {
        let start = cookie.as_str().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_host = begins("__Host-");
    let mut refuse = |key: &'static str, reason: &str, help: &str| {
        let place = section.item(key).map_or_else(|| section.place.clone(), |item| item.place);
        findings.report(&place, Fault::new(reason).help(help));
    };
    if (is_host || begins("__Secure-")) && secure != Some(true) {
        let prefix = if is_host { "__Host-" } else { "__Secure-" };
        let reason = format!("a {prefix} cookie without secure = true: browsers drop it");
        refuse("secure", &reason, "add secure = true");
    }
    if is_host && section.item("domain").is_some() {
        let reason = "a __Host- cookie with a domain: browsers drop it";
        refuse("domain", reason, "leave domain out, or choose another name");
    }
    if is_host && let Some(path) = path.filter(|path| *path != "/") {
        let reason = format!("a __Host- cookie with the path {}: browsers drop it", quoted(path));
        let help = "write path = \"/\" (unless set it is the route's path), or choose another name";
        refuse("path", &reason, help);
    }
}

/// One, or several in an array, the newest first.
fn secrets(item: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Secret> {
    if !item.is_array() {
        return item.read(findings, secret).into_iter().collect();
    }
    let elements = item.elements(findings).unwrap_or_default();
    if elements.is_empty() || elements.len() > MOST_SECRETS {
        let fault = Fault::new(format!("must have 1 to {MOST_SECRETS} secrets, the newest first"));
        item.refuse::<()>(fault, findings);
    }
    elements.iter().filter_map(|element| element.read(findings, secret)).collect()
}

fn secret(text: &str) -> Result<Secret, Fault> {
    if !(LEAST_SECRET..=LONGEST_SECRET).contains(&text.len()) {
        let reason = format!("must have {LEAST_SECRET} to {LONGEST_SECRET} bytes");
        return Err(Fault::new(reason).help("take the output of `openssl rand -hex 32`"));
    }
    Ok(Secret(text.into()))
}
