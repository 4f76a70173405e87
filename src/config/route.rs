//! `[[route]]`

use std::collections::HashMap;

use super::address::endpoint_address;
use super::findings::{Fault, Findings, quoted};
use super::headers::{Edited, edits};
use super::health_check::health_check;
use super::host::normalise_host;
use super::item::{Item, Section};
use super::limits::QUEUE_REQUESTS;
use super::path::{normalise_prefix, pattern_warning};
use super::settings::{Balance, EndpointSettings, HeaderSettings, OutlierSettings};
use super::settings::{RouteSettings, Timeouts, ZoneSettings};
use super::shape::{ENDPOINT, ROUTE_TIMEOUTS, STICKY};
use super::sticky::sticky;
use super::suggest::none_of;
use super::tls::endpoint_tls;
use super::{AdaptiveSettings, adaptive, outlier, timeouts};
use crate::endpoint::EndpointAddress;
use crate::route::HostPattern;

/// The versions of the PROXY protocol that endpoints can be sent.
const SEND_PROXY: &[(&str, bool)] = &[("v2", true)];

const WEIGHTS: std::ops::RangeInclusive<u64> = 1..=256;
/// Beyond this no limit is meant; 0 says so.
const MAX_REQUESTS: std::ops::RangeInclusive<u64> = 0..=1_000_000;

/// What routes take over from the rest of the file.
pub(super) struct Inherited<'s> {
    pub(super) timeouts: &'s Timeouts,
    pub(super) headers: &'s HeaderSettings,
    pub(super) outlier: &'s OutlierSettings,
    pub(super) adaptive: &'s AdaptiveSettings,
    pub(super) zone: &'s ZoneSettings,
    /// `limits.queue_requests`.
    pub(super) queue_requests: u64,
}

/// Reads every route; two for the same host and path are an error.
pub(super) fn routes(
    sections: &[Section<'_>],
    inherited: &Inherited<'_>,
    findings: &mut Findings<'_>,
) -> Vec<RouteSettings> {
    let mut lines: HashMap<(String, String), usize> = HashMap::new();
    let mut routes = Vec::with_capacity(sections.len());
    for section in sections {
        let Some(route) = route(section, inherited, findings) else { continue };
        let line = findings.line(section.place.span.start);
        let name = (route.host.clone(), route.path.clone());
        if let Some(first) = lines.get(&name) {
            let fault = Fault::new(format!(
                "host {} with path {} is already routed on line {first}, and again on line {line}",
                quoted(&route.host),
                quoted(&route.path)
            ));
            findings.report(&section.place, fault.help("put all its endpoints into one [[route]]"));
        } else {
            lines.insert(name, line);
        }
        routes.push(route);
    }
    routes
}

/// Reads one route; `None` if what names it is wrong, so that it cannot seem
/// to be a duplicate.
fn route(
    section: &Section<'_>,
    inherited: &Inherited<'_>,
    findings: &mut Findings<'_>,
) -> Option<RouteSettings> {
    let host = host(section, findings);
    let path = match section.item("path") {
        Some(item) => item.read(findings, normalise_prefix),
        None => Some("/".to_owned()),
    };
    if let (Some(item), Some(path)) = (section.item("path"), &path)
        && let Some(warning) = pattern_warning(path)
    {
        findings.warn(&item.place, warning);
    }
    let endpoints = endpoints(section, max_requests(section, findings), findings);
    let queue_requests =
        section.item("queue_requests").and_then(|item| item.number(QUEUE_REQUESTS, findings));
    let balance = section.item("balance").and_then(|item| item.read(findings, balance));
    let slow_start = outlier::slow_start(section.item("slow_start"), findings);
    let outlier = outlier::of_route(section.item("outlier"), inherited.outlier, findings);
    let item = section.item("adaptive_concurrency");
    let adaptive = adaptive::of_route(item, inherited.adaptive, findings);
    let table = section.item("sticky").and_then(|item| item.section(&STICKY, findings));
    let of = (host.as_deref(), path.as_deref());
    let sticky = table.and_then(|table| sticky(&table, of, findings));
    let table = section.item("timeouts").and_then(|i| i.section(&ROUTE_TIMEOUTS, findings));
    let timeouts = timeouts::of_route(section, table, inherited.timeouts, findings);
    let item = section.item("request_headers");
    let request_headers = edits(item, Edited::Requests(inherited.headers), findings);
    let item = section.item("response_headers");
    let response_headers = edits(item, Edited::Responses(inherited.headers), findings);
    let metrics = section.item("metrics").and_then(|item| item.flag(findings));
    let health_check = section.item("health_check").and_then(|i| health_check(&i, findings));
    Some(RouteSettings {
        host: host?,
        path: path?,
        endpoints,
        balance: balance.unwrap_or(Balance::RoundRobin),
        slow_start,
        outlier,
        adaptive,
        sticky,
        zone: inherited.zone.clone(),
        queue_requests: queue_requests.unwrap_or(inherited.queue_requests),
        timeouts,
        request_headers,
        response_headers,
        metrics: metrics.unwrap_or(false),
        health_check,
    })
}

fn host(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let Some(item) = section.item("host") else {
        let fault = Fault::new("host is missing");
        let help = "write host = \"shop.example.com\", \"*.example.com\" or \"*\"";
        findings.report(&section.place, fault.help(help));
        return None;
    };
    item.read(findings, pattern)
}

/// A host as lookups take it: the table has the last word, as in [`normalise_prefix`].
fn pattern(text: &str) -> Result<String, Fault> {
    let pattern = normalise_host(text)?.parse::<HostPattern>();
    pattern.map(|host| host.to_string()).map_err(|e| Fault::new(format!("{}: {e}", quoted(text))))
}

/// How many requests an endpoint takes, if the table says so; 0 is no limit.
pub(super) fn max_requests(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    section.item("max_requests").and_then(|item| item.number(MAX_REQUESTS, findings))
}

/// Reads the endpoints; those that say nothing of a limit have the route's.
fn endpoints(
    section: &Section<'_>,
    max_requests: Option<u64>,
    findings: &mut Findings<'_>,
) -> Vec<EndpointSettings> {
    let Some(array) = section.item("endpoints") else {
        let fault = Fault::new("endpoints is missing");
        let help = "write endpoints = [\"10.0.0.1:8080\"], or [] to answer no-endpoint";
        findings.report(&section.place, fault.help(help));
        return Vec::new();
    };
    let mut lines: HashMap<EndpointAddress, usize> = HashMap::new();
    let mut endpoints = Vec::new();
    for item in array.elements(findings).unwrap_or_default() {
        let Some(endpoint) = endpoint(&item, max_requests, findings) else { continue };
        let line = findings.line(item.place.span.start);
        if let Some(first) = lines.insert(endpoint.address.clone(), line) {
            let fault = Fault::new(format!(
                "{} stands here twice: first on line {first}",
                endpoint.address
            ));
            findings.report(&item.place, fault.help("give one of them a weight instead"));
        }
        endpoints.push(endpoint);
    }
    endpoints
}

fn endpoint(
    item: &Item<'_>,
    of_route: Option<u64>,
    findings: &mut Findings<'_>,
) -> Option<EndpointSettings> {
    let limit = |max_requests: Option<u64>| max_requests.filter(|limit| *limit > 0);
    if !item.is_table() {
        let address = item.read(findings, endpoint_address)?;
        return Some(EndpointSettings {
            address,
            weight: 1,
            max_requests: limit(of_route),
            zone: None,
            tls: None,
            send_proxy: false,
        });
    }
    let section = item.section(&ENDPOINT, findings)?;
    let weight = match section.item("weight") {
        Some(weight) => weight.number(WEIGHTS, findings),
        None => Some(1),
    };
    let mut tls = section.item("tls").and_then(|item| endpoint_tls(&item, findings));
    let send_proxy = section.item("send_proxy").and_then(|i| i.word(SEND_PROXY, findings));
    let zone = section.item("zone").and_then(|item| item.read(findings, outlier::zone_name));
    let max_requests = limit(max_requests(&section, findings).or(of_route));
    let Some(address) = section.item("address") else {
        let fault = Fault::new("address is missing");
        findings.report(&item.place, fault.help("write { address = \"10.0.0.1:8080\" }"));
        return None;
    };
    let address = address.read(findings, endpoint_address)?;
    if let (EndpointAddress::Name { host, .. }, Some(tls)) = (&address, &mut tls) {
        // What is asked for by a name proves to be that name.
        let name = host.strip_suffix('.').unwrap_or(host);
        tls.server_name.get_or_insert_with(|| name.to_owned());
    }
    // A weight is at most 256 here, so the conversion cannot fail.
    let weight = weight.and_then(|w| w.try_into().ok()).unwrap_or(1);
    let (tls, send_proxy) = (tls.map(Into::into), send_proxy.unwrap_or(false));
    Some(EndpointSettings { address, weight, max_requests, zone, tls, send_proxy })
}

pub(super) fn balance(text: &str) -> Result<Balance, Fault> {
    if let Ok(balance) = text.parse() {
        return Ok(balance);
    }
    if text.starts_with("hash") {
        let fault = Fault::new(format!("{} is not a way to hash", quoted(text)));
        let help = "write \"hash:header:x-user\", \"hash:cookie:id\" or \"hash:source-ip\"";
        return Err(fault.help(help));
    }
    const WORDS: [&str; 5] =
        ["round-robin", "least-requests", "hash:header:NAME", "hash:cookie:NAME", "hash:source-ip"];
    Err(none_of(text, WORDS.into_iter()))
}
