//! Durations, sizes and rates as people write them.
//!
//! A bare number is refused for a duration: half of its readers would take it
//! for seconds and the other half for milliseconds. A bare number of bytes is
//! plain. Numbers are whole; `1.5s` is `1500ms`.

use std::time::Duration;

/// The longest duration that can be meant: 365 days.
pub const LONGEST_DURATION: Duration = Duration::from_secs(365 * 86_400);

/// Units of time with their milliseconds, longest first.
const TIME: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size with their bytes: binary, then decimal.
const SIZE: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Why a text is not a duration, a size or a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No number where one must stand.
    #[error("it does not begin with a whole number")]
    NoNumber,
    /// A number alone, where a unit is needed.
    #[error("the unit is missing after {0}")]
    NoUnit(String),
    /// A number with a decimal point.
    #[error("only whole numbers can be used")]
    Fraction,
    /// A unit that is none of the known; with the nearest one.
    #[error("{unit:?} is no unit")]
    UnknownUnit {
        /// What stood there, at most 20 characters of it.
        unit: String,
        /// The unit it is most probably a slip of.
        near: Option<&'static str>,
    },
    /// A compound duration whose units do not go from long to short.
    #[error("its units must go from long to short, each once")]
    Order,
    /// More than can be meant.
    #[error("it is too large")]
    TooLarge,
}

/// Reads `250ms`, `5s`, `15m`, `1h30m` or `7d`; at most [`LONGEST_DURATION`].
///
/// # Errors
/// [`UnitError`] says what is wrong with any other text.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (mut rest, mut millis, mut shorter) = (text, 0_u64, TIME);
    loop {
        let (number, after) = number(rest)?;
        let unit_ends = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        let factor = factor(unit, number, TIME)?;
        let at = shorter.iter().position(|(name, _)| *name == unit).ok_or(UnitError::Order)?;
        shorter = &shorter[at + 1..];
        let part = value(number)?.checked_mul(factor).ok_or(UnitError::TooLarge)?;
        millis = millis.checked_add(part).ok_or(UnitError::TooLarge)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let duration = Duration::from_millis(millis);
    if duration > LONGEST_DURATION { Err(UnitError::TooLarge) } else { Ok(duration) }
}

/// Reads `64KiB`, `1MB`, `100B` or a bare number of bytes.
///
/// # Errors
/// [`UnitError`] says what is wrong with any other text.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = number(text)?;
    let factor = if unit.is_empty() { 1 } else { factor(unit, number, SIZE)? };
    value(number)?.checked_mul(factor).ok_or(UnitError::TooLarge)
}

/// Reads `240B/s` or `1KiB/s`, in bytes per second.
///
/// # Errors
/// [`UnitError`] says what is wrong with any other text.
pub fn parse_rate(text: &str) -> Result<u64, UnitError> {
    let size = text.strip_suffix("/s").ok_or_else(|| match number(text) {
        Ok((digits, "")) => UnitError::NoUnit(digits.to_owned()),
        Ok((_, unit)) => UnitError::UnknownUnit { unit: cut(unit), near: Some("B/s") },
        Err(error) => error,
    })?;
    match number(size)? {
        (digits, "") => Err(UnitError::NoUnit(digits.to_owned())),
        _ => parse_size(size),
    }
}

/// Writes a duration so that [`parse_duration`] reads it back, down to whole
/// milliseconds: `1h30m`, `250ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in TIME {
        let count = left / factor;
        left %= factor;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

/// Writes a size so that [`parse_size`] reads it back, in the largest binary
/// unit that divides it: `64KiB`, `100B`, `0`.
pub fn format_size(bytes: u64) -> String {
    if bytes == 0 {
        return "0".to_owned();
    }
    let whole = SIZE.iter().filter(|(unit, _)| unit.ends_with("iB") || *unit == "B");
    let largest = whole.into_iter().find(|(_, factor)| bytes.is_multiple_of(*factor));
    largest.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// The digits a text begins with, and the rest.
fn number(text: &str) -> Result<(&str, &str), UnitError> {
    let ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text.split_at(ends) {
        ("", _) => Err(UnitError::NoNumber),
        (_, rest) if rest.starts_with(['.', ',']) => Err(UnitError::Fraction),
        split => Ok(split),
    }
}

fn value(digits: &str) -> Result<u64, UnitError> {
    digits.parse().map_err(|_| UnitError::TooLarge)
}

fn factor(unit: &str, digits: &str, units: &[(&'static str, u64)]) -> Result<u64, UnitError> {
    if unit.is_empty() {
        return Err(UnitError::NoUnit(digits.to_owned()));
    }
    match units.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => Ok(*factor),
        None => Err(UnitError::UnknownUnit { unit: cut(unit), near: near(unit, units) }),
    }
}

/// The unit meant by one in the wrong case or cut short (`KB`, `5 s`, `64K`).
fn near(unit: &str, units: &[(&'static str, u64)]) -> Option<&'static str> {
    let written = unit.trim().to_ascii_lowercase();
    let names = || units.iter().map(|(name, _)| *name);
    let same = names().find(|name| name.to_ascii_lowercase() == written);
    same.or_else(|| {
        names().find(|name| !written.is_empty() && name.to_ascii_lowercase().starts_with(&written))
    })
}

fn cut(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests;
