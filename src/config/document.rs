//! The file as a whole, from the tree to [`Settings`].

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeTable;

use super::address::{Role, socket_address};
use super::findings::{Fault, Findings, Place};
use super::item::Section;
use super::listener::listeners;
use super::path::check_path;
use super::route::{Inherited, routes};
use super::settings::{
    AccessLogFormat, AccessLogSettings, AccessLogTarget, AdminSettings, ErrorSettings,
    HealthSettings, ListenerSettings, Settings,
};
use super::shape::{self, Shape};
use super::{adaptive, dns, headers, limits, outlier, timeouts};

/// The admin side's address, unless one is given.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// Reads the whole tree. The result means something only if nothing was
/// reported.
pub(super) fn read(root: &Spanned<DeTable<'_>>, findings: &mut Findings<'_>) -> Settings {
    let place = Place { key: String::new(), span: root.span() };
    let file = Section::open(place, root.get_ref(), &shape::FILE, findings);
    let open = |key: &'static str, shape: &'static Shape, findings: &mut Findings<'_>| {
        file.item(key).and_then(|item| item.section(shape, findings))
    };
    let listeners = listeners(&file, findings);
    let timeouts = timeouts::global(open("timeouts", &shape::TIMEOUTS, findings), findings);
    let headers = headers::headers(open("headers", &shape::HEADERS, findings), findings);
    let sections = file.item("route").and_then(|item| item.sections(&shape::ROUTE, findings));
    let outlier = outlier::global(file.item("outlier"), findings);
    let adaptive = adaptive::global(file.item("adaptive_concurrency"), findings);
    let zone = outlier::zone(open("zone", &shape::ZONE, findings), findings);
    let limits = limits::limits(open("limits", &shape::LIMITS, findings), findings);
    let inherited = Inherited {
        timeouts: &timeouts,
        headers: &headers,
        outlier: &outlier,
        adaptive: &adaptive,
        zone: &zone,
        queue_requests: limits.queue_requests,
    };
    let routes = routes(&sections.unwrap_or_default(), &inherited, findings);
    Settings {
        admin: admin(open("admin", &shape::ADMIN, findings), &listeners, findings),
        workers: limits::workers(open("workers", &shape::WORKERS, findings), findings),
        limits,
        retry: limits::retry(open("retry", &shape::RETRY, findings), findings),
        dns: dns::dns(open("dns", &shape::DNS, findings), findings),
        errors: errors(open("errors", &shape::ERRORS, findings), findings),
        health: health(open("health", &shape::HEALTH, findings), findings),
        access_log: access_log(open("access_log", &shape::ACCESS_LOG, findings), findings),
        registry: limits::registry(open("registry", &shape::REGISTRY, findings), findings),
        zone,
        outlier,
        adaptive,
        listeners,
        timeouts,
        headers,
        routes,
    }
}

fn bind_address(text: &str) -> Result<SocketAddr, Fault> {
    socket_address(text, Role::Bind)
}

fn admin(
    section: Option<Section<'_>>,
    listeners: &[ListenerSettings],
    findings: &mut Findings<'_>,
) -> AdminSettings {
    let mut admin = AdminSettings { address: ADMIN, token_file: None };
    let taken = |address| address_is_taken(address, listeners);
    let Some(section) = section else {
        if taken(admin.address) {
            let place = Place { key: "admin.address".into(), span: 0..0 };
            let fault = Fault::new(format!("a listener has its default, {ADMIN}"));
            findings.report(&place, fault.help("give one of them another address"));
        }
        return admin;
    };
    let token = section.item("token_file");
    admin.token_file = token.as_ref().and_then(|item| item.read(findings, file_path));
    let item = section.item("address");
    let address = item.as_ref().and_then(|item| item.read(findings, bind_address));
    admin.address = address.unwrap_or(admin.address);
    let place = item.map_or(section.place, |item| item.place);
    if taken(admin.address) {
        findings.report(&place, Fault::new(format!("a listener has {} too", admin.address)));
    }
    if !admin.address.ip().is_loopback() && token.is_none() {
        let fault = Fault::new("an address off loopback requires token_file");
        findings.report(&place, fault.help("add token_file, or use 127.0.0.1"));
    }
    admin
}

/// Port 0 is a different port each time.
fn address_is_taken(address: SocketAddr, listeners: &[ListenerSettings]) -> bool {
    address.port() != 0 && listeners.iter().any(|listener| listener.address == address)
}

/// The name of a file; nothing is none.
pub(super) fn file_path_or_none(text: &str) -> Result<Option<PathBuf>, Fault> {
    if text.is_empty() { Ok(None) } else { file_path(text).map(Some) }
}

pub(super) fn file_path(text: &str) -> Result<PathBuf, Fault> {
    if text.is_empty() || text.contains('\0') {
        return Err(Fault::new("not the name of a file"));
    }
    Ok(PathBuf::from(text))
}

fn errors(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> ErrorSettings {
    let item = section.and_then(|section| section.item("expose_endpoints"));
    let flag = item.and_then(|item| item.flag(findings));
    ErrorSettings { expose_endpoints: flag.unwrap_or_default() }
}

fn health(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> HealthSettings {
    let mut health = HealthSettings::default();
    let Some(section) = section else { return health };
    if let Some(item) = section.item("path") {
        health.path = item.read(findings, check_path).unwrap_or(health.path);
    }
    let agents = section.item("user_agents").and_then(|item| item.elements(findings));
    let agents = agents.unwrap_or_default();
    health.user_agents = agents.iter().filter_map(|item| item.read(findings, user_agent)).collect();
    health
}

fn user_agent(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        // It would match every request that sends an empty field.
        return Err(Fault::new("the User-Agent of a probe cannot be empty"));
    }
    Ok(text.to_owned())
}

fn access_log(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> AccessLogSettings {
    const FORMATS: &[(&str, AccessLogFormat)] =
        &[("json", AccessLogFormat::Json), ("common", AccessLogFormat::Common)];
    let mut log = AccessLogSettings::default();
    let Some(section) = section else { return log };
    if let Some(item) = section.item("path") {
        log.target = item.read(findings, access_log_target).unwrap_or(log.target);
    }
    if let Some(item) = section.item("format") {
        log.format = item.word(FORMATS, findings).unwrap_or(log.format);
    }
    log
}

fn access_log_target(text: &str) -> Result<AccessLogTarget, Fault> {
    match text {
        "-" => Ok(AccessLogTarget::Stdout),
        "" => Ok(AccessLogTarget::Off),
        "off" => Err(Fault::new("\"off\" would be a file of that name")
            .help("write \"\" for no access log, or \"./off\" for the file")),
        path => file_path(path).map(AccessLogTarget::File),
    }
}
