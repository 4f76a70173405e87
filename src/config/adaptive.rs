//! `[adaptive_concurrency]` and a route's own `adaptive_concurrency`: how many
//! of its requests may wait for an answer at a time, found out from latency.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::findings::{Fault, Findings};
use super::item::{Item, Section, set};
use super::shape::{ADAPTIVE, ROUTE_ADAPTIVE};
use crate::endpoint::AdaptiveTerms;

const LIMIT: RangeInclusive<u64> = 1..=1_000_000;
const TOLERANCE: RangeInclusive<u64> = 1..=1_000;
/// Shorter than that, there is no mean; longer, nothing is followed.
const WINDOW: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const MEASURE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

/// `[adaptive_concurrency]`, and a route's own
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveSettings {
    /// Whether there is such a limit.
    pub enabled: bool,
    /// It is never lower, but while it measures.
    pub min_limit: u64,
    /// Nor higher.
    pub max_limit: u64,
    /// Where it begins.
    pub initial_limit: u64,
    /// By how much latency may exceed what it is without a queue, in percent.
    pub tolerance_percent: u64,
    /// How often the limit is moved at most.
    pub window: Duration,
    /// How often latency without a queue is measured under load.
    pub measure_every: Duration,
}

impl Default for AdaptiveSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            min_limit: 2,
            max_limit: 1_000,
            initial_limit: 20,
            tolerance_percent: 25,
            window: Duration::from_millis(100),
            measure_every: Duration::from_secs(30),
        }
    }
}

impl AdaptiveSettings {
    /// What the limit goes by; `None` if there is none.
    pub(crate) fn terms(&self) -> Option<AdaptiveTerms> {
        // Both durations are validated to be at most an hour.
        let ms = |duration: Duration| duration.as_millis() as u64;
        self.enabled.then(|| AdaptiveTerms {
            min_limit: self.min_limit,
            max_limit: self.max_limit,
            initial_limit: self.initial_limit,
            tolerance_percent: self.tolerance_percent,
            window_ms: ms(self.window),
            measure_every_ms: ms(self.measure_every),
        })
    }
}

/// Reads `[adaptive_concurrency]` over the defaults.
pub(super) fn global(item: Option<Item<'_>>, findings: &mut Findings<'_>) -> AdaptiveSettings {
    let mut adaptive = AdaptiveSettings::default();
    if let Some(section) = item.and_then(|item| item.section(&ADAPTIVE, findings)) {
        read(&section, &mut adaptive, findings);
    }
    adaptive
}

/// Reads a route's own table over the global one: to have one is to have a
/// limit, unless it says otherwise; `"off"` is to have none.
pub(super) fn of_route(
    item: Option<Item<'_>>,
    global: &AdaptiveSettings,
    findings: &mut Findings<'_>,
) -> AdaptiveSettings {
    let mut adaptive = global.clone();
    match item {
        None => {}
        Some(item) if item.is("off") => adaptive.enabled = false,
        Some(item) => {
            if let Some(section) = item.section_or_off(&ROUTE_ADAPTIVE, findings) {
                adaptive.enabled = true;
                read(&section, &mut adaptive, findings);
            }
        }
    }
    adaptive
}

fn read(section: &Section<'_>, adaptive: &mut AdaptiveSettings, findings: &mut Findings<'_>) {
    for (key, item) in section.items() {
        let number = |range, findings: &mut Findings<'_>| item.number(range, findings);
        match key {
            "enabled" => set(&mut adaptive.enabled, item.flag(findings)),
            "min_limit" => set(&mut adaptive.min_limit, number(LIMIT, findings)),
            "max_limit" => set(&mut adaptive.max_limit, number(LIMIT, findings)),
            "initial_limit" => set(&mut adaptive.initial_limit, number(LIMIT, findings)),
            "tolerance_percent" => {
                set(&mut adaptive.tolerance_percent, number(TOLERANCE, findings));
            }
            "window" => set(&mut adaptive.window, duration(&item, WINDOW, findings)),
            "measure_every" => {
                set(&mut adaptive.measure_every, duration(&item, MEASURE, findings));
            }
            _ => {}
        }
    }
    let begins = section.item("initial_limit");
    if adaptive.min_limit > adaptive.max_limit {
        let item = section.item("min_limit").or_else(|| section.item("max_limit"));
        let place = item.map_or_else(|| section.place.clone(), |item| item.place);
        let fault = Fault::new("min_limit is higher than max_limit");
        findings.report(&place, fault.help("make max_limit at least as high"));
    } else if let Some(item) = begins
        && !(adaptive.min_limit..=adaptive.max_limit).contains(&adaptive.initial_limit)
    {
        let fault = Fault::new("initial_limit is not between min_limit and max_limit");
        let nearest = adaptive.initial_limit.clamp(adaptive.min_limit, adaptive.max_limit);
        findings.report(&item.place, fault.help(format!("write {nearest}")));
    }
    // One that was not written gives way to bounds that were.
    adaptive.initial_limit = adaptive.initial_limit.min(adaptive.max_limit).max(adaptive.min_limit);
}

fn duration(
    item: &Item<'_>,
    range: RangeInclusive<Duration>,
    findings: &mut Findings<'_>,
) -> Option<Duration> {
    let duration = item.duration(false, findings)?;
    if !range.contains(&duration) {
        let [least, most] = [range.start(), range.end()].map(|end| super::format_duration(*end));
        let fault = Fault::new(format!("must be from {least} to {most}"));
        return item.refuse(fault, findings);
    }
    Some(duration)
}
