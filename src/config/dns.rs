//! `[dns]`

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::address::name_server;
use super::findings::{Fault, Findings};
use super::item::Section;
use super::settings::DnsSettings;
use super::units::format_duration;

const ATTEMPTS: RangeInclusive<u64> = 1..=10;
/// A shorter one would ask for every name without a pause.
const LEAST_TTL: Duration = Duration::from_millis(10);

/// Reads `[dns]` over the defaults.
pub(super) fn dns(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> DnsSettings {
    let mut dns = DnsSettings::default();
    let Some(section) = section else { return dns };
    if let Some(array) = section.item("servers") {
        let mut lines = HashMap::new();
        for item in array.elements(findings).unwrap_or_default() {
            let Some(server) = item.read(findings, name_server) else { continue };
            let line = findings.line(item.place.span.start);
            if let Some(first) = lines.insert(server, line) {
                let fault = format!("{server} stands here twice: first on line {first}");
                findings.report(&item.place, Fault::new(fault));
            }
            dns.servers.push(server);
        }
    }
    if let Some(item) = section.item("timeout") {
        dns.timeout = item.duration(false, findings).unwrap_or(dns.timeout);
    }
    if let Some(item) = section.item("attempts") {
        let attempts = item.number(ATTEMPTS, findings);
        // At most 10.
        dns.attempts = attempts.and_then(|n| n.try_into().ok()).unwrap_or(dns.attempts);
    }
    if let Some(item) = section.item("max_ttl") {
        dns.terms.max_ttl = item.duration(false, findings).unwrap_or(dns.terms.max_ttl);
    }
    if let Some(item) = section.item("min_ttl") {
        dns.terms.min_ttl = item.duration(false, findings).unwrap_or(dns.terms.min_ttl);
        if dns.terms.min_ttl < LEAST_TTL {
            findings.report(&item.place, Fault::new("must be at least 10ms"));
        }
    }
    if let Some(item) = section.item("negative_hold") {
        dns.terms.negative_hold = item.duration(true, findings).unwrap_or(dns.terms.negative_hold);
    }
    if dns.terms.max_ttl < dns.terms.min_ttl {
        let item = section.item("max_ttl").or_else(|| section.item("min_ttl"));
        let place = item.map_or_else(|| section.place.clone(), |item| item.place);
        let least = format_duration(dns.terms.min_ttl);
        let fault = Fault::new(format!("max_ttl must not be below min_ttl, which is {least}"));
        findings.report(&place, fault);
    }
    dns
}
