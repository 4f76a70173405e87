//! `[outlier]` and a route's own `outlier`: when an endpoint that fails is
//! ejected; `[zone]`: where this router stands; and `slow_start`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::findings::{Fault, Findings, quoted};
use super::item::{Item, Section, set};
use super::settings::{OutlierSettings, ZoneSettings};
use super::shape::{OUTLIER, ROUTE_OUTLIER};

const IN_A_ROW: RangeInclusive<u64> = 0..=10_000;
const PERCENT: RangeInclusive<u64> = 0..=100;
const REQUESTS: RangeInclusive<u64> = 1..=1_000_000;
const FAILING: RangeInclusive<u64> = 400..=599;
const ENOUGH_PERCENT: RangeInclusive<u64> = 1..=100;
const LONGEST_ZONE: usize = 128;

/// Reads `[outlier]` over the defaults.
pub(super) fn global(item: Option<Item<'_>>, findings: &mut Findings<'_>) -> OutlierSettings {
    let mut outlier = OutlierSettings::default();
    if let Some(section) = item.and_then(|item| item.section(&OUTLIER, findings)) {
        read(&section, &mut outlier, findings);
    }
    outlier
}

/// Reads a route's own `outlier` over the global one; `"off"` is a table that
/// ejects nobody.
pub(super) fn of_route(
    item: Option<Item<'_>>,
    global: &OutlierSettings,
    findings: &mut Findings<'_>,
) -> OutlierSettings {
    let mut outlier = global.clone();
    match item {
        None => {}
        Some(item) if item.is("off") => outlier.enabled = false,
        Some(item) => {
            if let Some(section) = item.section_or_off(&ROUTE_OUTLIER, findings) {
                read(&section, &mut outlier, findings);
            }
        }
    }
    outlier
}

fn read(section: &Section<'_>, outlier: &mut OutlierSettings, findings: &mut Findings<'_>) {
    for (key, item) in section.items() {
        let item = &item;
        match key {
            "enabled" => set(&mut outlier.enabled, item.flag(findings)),
            "failures_in_a_row" => {
                set(&mut outlier.failures_in_a_row, item.number(IN_A_ROW, findings));
            }
            "statuses" => set(&mut outlier.statuses, statuses(item, findings)),
            "success_percent" => set(&mut outlier.success_percent, item.number(PERCENT, findings)),
            "min_requests" => set(&mut outlier.min_requests, item.number(REQUESTS, findings)),
            "window" => set(&mut outlier.window, item.duration(false, findings)),
            "ejection" => set(&mut outlier.ejection, item.duration(false, findings)),
            "ejection_max" => set(&mut outlier.ejection_max, item.duration(false, findings)),
            "retry_after_max" => set(&mut outlier.retry_after_max, item.duration(true, findings)),
            "silence" => set(&mut outlier.silence, item.duration(false, findings)),
            _ => {}
        }
    }
    if outlier.ejection > outlier.ejection_max {
        let item = section.item("ejection_max").or_else(|| section.item("ejection"));
        let place = item.map_or_else(|| section.place.clone(), |item| item.place);
        let fault = Fault::new("ejection is longer than ejection_max");
        findings.report(&place, fault.help("make ejection_max at least as long"));
    }
}

fn statuses(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Vec<u16>> {
    let elements = item.elements(findings)?;
    let numbers = elements.iter().filter_map(|element| element.number(FAILING, findings));
    let mut statuses: Vec<u16> = numbers.filter_map(|number| number.try_into().ok()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    Some(statuses)
}

/// Reads `[zone]` over the defaults.
pub(super) fn zone(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> ZoneSettings {
    let mut zone = ZoneSettings::default();
    let Some(section) = section else { return zone };
    zone.name = section.item("name").and_then(|item| item.read(findings, zone_name));
    let enough = section.item("enough_percent");
    set(&mut zone.enough_percent, enough.and_then(|item| item.number(ENOUGH_PERCENT, findings)));
    if section.item("name").is_none() {
        let fault = Fault::new("name is missing");
        findings
            .report(&section.place, fault.help("write name = \"eu-1a\", the router's own zone"));
    }
    zone
}

/// Reads the name of a zone.
pub(super) fn zone_name(text: &str) -> Result<String, Fault> {
    let legal = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.trim().is_empty() || text.len() > LONGEST_ZONE || !text.chars().all(legal) {
        let fault = Fault::new(format!("{} is no name of a zone", quoted(text)));
        return Err(fault.help("write \"eu-1a\", for example"));
    }
    Ok(text.to_owned())
}

/// Reads a route's `slow_start`; "0s" is none.
pub(super) fn slow_start(item: Option<Item<'_>>, findings: &mut Findings<'_>) -> Duration {
    item.and_then(|item| item.duration(true, findings)).unwrap_or_default()
}
