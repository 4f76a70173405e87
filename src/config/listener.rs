//! `[[listener]]`

use std::collections::HashMap;
use std::net::SocketAddr;

use super::address::{Role, networks, socket_address};
use super::findings::{Fault, Findings};
use super::item::{Item, Section};
use super::settings::{ListenerSettings, Network};
use super::shape::{LISTENER, PROXY_PROTOCOL};
use super::tls::listener_tls;

const HALF_CLOSE: &[(&str, bool)] = &[("close", false), ("allow", true)];

/// Reads every listener; at least one is needed.
pub(super) fn listeners(file: &Section<'_>, findings: &mut Findings<'_>) -> Vec<ListenerSettings> {
    let example = "write [[listener]] and below it address = \"127.0.0.1:8080\"";
    let item = file.item("listener");
    let place =
        item.as_ref().map_or_else(|| file.place.below("listener", 0..0), |i| i.place.clone());
    let sections = match item {
        Some(item) => item.sections(&LISTENER, findings),
        None => Some(Vec::new()),
    };
    let Some(sections) = sections else { return Vec::new() };
    if sections.is_empty() {
        findings.report(&place, Fault::new("at least one is needed").help(example));
    }
    let mut lines: HashMap<SocketAddr, usize> = HashMap::new();
    let mut listeners = Vec::new();
    for section in sections {
        let Some(item) = section.item("address") else {
            findings.report(&section.place, Fault::new("address is missing").help(example));
            continue;
        };
        let Some(address) = item.read(findings, |text| socket_address(text, Role::Bind)) else {
            continue;
        };
        let line = findings.line(item.place.span.start);
        let first = lines.insert(address, line).filter(|_| address.port() != 0);
        if let Some(first) = first {
            let reason = format!("{address} is listened on twice: first on line {first}");
            findings.report(&item.place, Fault::new(reason));
        }
        let half_close = section.item("client_half_close");
        let half_close_allowed = half_close.and_then(|item| item.word(HALF_CLOSE, findings));
        let tls = section.item("tls").and_then(|item| listener_tls(&item, findings));
        let proxies = section.item("proxy_protocol").map(|item| proxies(&item, findings));
        listeners.push(ListenerSettings {
            address,
            half_close_allowed: half_close_allowed.unwrap_or_default(),
            tls,
            proxy_protocol_from: proxies.unwrap_or_default(),
        });
    }
    listeners
}

/// Reads `proxy_protocol = { from = [...] }`.
fn proxies(item: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Network> {
    let Some(section) = item.section(&PROXY_PROTOCOL, findings) else { return Vec::new() };
    let example = "write proxy_protocol = { from = [\"10.0.0.0/8\"] }";
    let Some(from) = section.item("from") else {
        findings.report(&section.place, Fault::new("from is missing").help(example));
        return Vec::new();
    };
    let items = from.elements(findings).unwrap_or_default();
    if items.is_empty() {
        findings.report(&from.place, Fault::new("at least one network is needed").help(example));
    }
    networks(&items, findings)
}
