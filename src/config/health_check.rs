//! `health_check` of a `[[route]]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::findings::{Fault, Findings, quoted};
use super::item::{Item, Section};
use super::shape::HEALTH_CHECK;
use crate::endpoint::{HealthCheck, StatusSet};

/// Probes more often than that are a load test.
const LEAST_INTERVAL: Duration = Duration::from_millis(10);
const IN_A_ROW: RangeInclusive<u64> = 1..=1_000;
/// What is looked for must have room in what is read.
const LONGEST_BODY_TEXT: usize = 1_024;
const LONGEST_PATH: usize = 8_192;

/// Reads a health check over the defaults; `None` if it is no table.
pub(super) fn health_check(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<HealthCheck> {
    if let Some(path) = item.starting("/") {
        let fault = Fault::new("must be a table, not a string");
        return item.refuse(fault.help(format!("write {{ path = {} }}", quoted(path))), findings);
    }
    item.section(&HEALTH_CHECK, findings).map(|section| read(&section, findings))
}

fn read(section: &Section<'_>, findings: &mut Findings<'_>) -> HealthCheck {
    let mut check = HealthCheck::default();
    if let Some(item) = section.item("path") {
        check.path = item.read(findings, path).unwrap_or(check.path);
    }
    if let Some(item) = section.item("host") {
        check.host = item.read(findings, host);
    }
    if let Some(item) = section.item("interval") {
        check.interval = interval(&item, findings).unwrap_or(check.interval);
    }
    if let Some(item) = section.item("timeout") {
        check.timeout = item.duration(false, findings).unwrap_or(check.timeout);
    }
    for (key, field) in [("rise", &mut check.rise), ("fall", &mut check.fall)] {
        let number = section.item(key).and_then(|item| item.number(IN_A_ROW, findings));
        *field = number.and_then(|number| u32::try_from(number).ok()).unwrap_or(*field);
    }
    if let Some(item) = section.item("expect") {
        check.expect = expect(&item, findings).unwrap_or(check.expect);
    }
    if let Some(item) = section.item("expect_body") {
        check.expect_body = item.read(findings, body_text);
    }
    check
}

fn path(text: &str) -> Result<String, Fault> {
    let shown = quoted(text);
    if !text.starts_with('/') {
        let fault = Fault::new(format!("{shown} does not start with \"/\""));
        return Err(if text.contains("://") {
            fault.help("write the path alone; health_check.host is for the host")
        } else {
            fault.help(format!("write {}", quoted(&format!("/{text}"))))
        });
    }
    if text.contains('#') {
        return Err(Fault::new(format!("{shown} contains a fragment, which is never sent")));
    }
    if let Some(strange) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(Fault::new(format!("{shown} contains {strange:?}")).help("percent-encode it"));
    }
    if text.len() > LONGEST_PATH {
        return Err(Fault::new(format!("the path is longer than {LONGEST_PATH} bytes")));
    }
    Ok(text.to_owned())
}

/// A `Host` as it is sent: a port may stand in it.
fn host(text: &str) -> Result<String, Fault> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:%".contains(&byte);
    if text.is_empty() || text.len() > 300 || !text.bytes().all(legal) {
        let fault = Fault::new(format!("{} is no host to ask for", quoted(text)));
        return Err(fault.help("write \"app.example.com\", for example; a port may follow"));
    }
    Ok(text.to_owned())
}

fn interval(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Duration> {
    let interval = item.duration(false, findings)?;
    if interval < LEAST_INTERVAL {
        return item.refuse(Fault::new("must be at least 10ms"), findings);
    }
    Some(interval)
}

fn body_text(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new("every content contains \"\"").help("leave the key out"));
    }
    if text.len() > LONGEST_BODY_TEXT {
        return Err(Fault::new(format!("is longer than {LONGEST_BODY_TEXT} bytes")));
    }
    Ok(text.to_owned())
}

/// `200`, `"200-399"`, `"200-299, 404"`, or an array of the first two.
fn expect(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<StatusSet> {
    if let Some(status) = status_number(item, findings) {
        return status.map(|status| StatusSet::new([status..=status]));
    }
    if !item.is_array() {
        return item.read(findings, |text| {
            let ranges: Result<Vec<_>, _> = text.split(',').map(range).collect();
            Ok(StatusSet::new(ranges?))
        });
    }
    let elements = item.elements(findings)?;
    if elements.is_empty() {
        let fault =
            Fault::new("no status passes").help("write expect = [\"200-399\"], for example");
        return item.refuse(fault, findings);
    }
    let mut ranges = Vec::new();
    for element in elements {
        match status_number(&element, findings) {
            Some(status) => ranges.extend(status.map(|status| status..=status)),
            None => ranges.extend(element.read(findings, range)),
        }
    }
    Some(StatusSet::new(ranges))
}

/// A status written as a number; `None` if it is not written so.
fn status_number(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Option<u16>> {
    // Every status of the range fits.
    let narrow = |number| u16::try_from(number).ok();
    item.is_integer().then(|| item.number(200..=599, findings).and_then(narrow))
}

fn range(text: &str) -> Result<RangeInclusive<u16>, Fault> {
    let text = text.trim();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |digits: &str| {
        let digits = digits.trim();
        let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|status| three && (200..=599).contains(status))
    };
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        (Some(_), Some(_)) => Err(Fault::new(format!("{} goes backwards", quoted(text)))
            .help(format!("write \"{}-{}\"", last.trim(), first.trim()))),
        _ => Err(Fault::new(format!("{} is no final status or range of them", quoted(text)))
            .help("write \"200\", \"200-399\" or [200, \"300-399\"]")),
    }
}
