//! Reading one value of the file, with its place.
//!
//! The document is walked as `toml`'s own tree, in which every key and value
//! carries its span, and not through serde: a deserialiser stops at its first
//! error, and its words are the library's. An [`Item`] reports whatever is
//! wrong and answers `None`; the caller goes on with the default.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::{Fault, Findings, Place, quoted};
use super::shape::Shape;
use super::suggest::choose;
use super::units::{
    LONGEST_DURATION, UnitError, format_duration, format_size, parse_duration, parse_rate,
    parse_size,
};

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) place: Place,
    value: &'a DeValue<'a>,
}

/// One table whose keys were checked against its shape.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    pub(super) place: Place,
    shape: &'static Shape,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// Opens a table and reports every key it may not have.
    pub(super) fn open(
        place: Place,
        table: &'a DeTable<'a>,
        shape: &'static Shape,
        findings: &mut Findings<'_>,
    ) -> Self {
        for key in table.keys().filter(|key| !shape.has(key.get_ref())) {
            let at = place.below(key.get_ref(), key.span());
            findings.report(&at, shape.unknown(key.get_ref()));
        }
        Self { place, shape, table }
    }

    /// The value of a key of the shape, if it is there.
    pub(super) fn item(&self, key: &'static str) -> Option<Item<'a>> {
        debug_assert!(self.shape.has(key), "{key} is not in {:?}", self.shape);
        let value = self.table.get(key)?;
        Some(Item { place: self.place.below(key, value.span()), value: value.get_ref() })
    }

    /// The keys and values of this section that its shape knows.
    pub(super) fn items(&self) -> impl Iterator<Item = (&'static str, Item<'a>)> {
        self.shape.keys.iter().filter_map(|key| Some((*key, self.item(key)?)))
    }
}

/// Puts what was read over what holds without.
pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl<'a> Item<'a> {
    /// A string.
    pub(super) fn text(&self, findings: &mut Findings<'_>) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
                self.wrong_type("a string", Some("write it in quotes".into()), findings)
            }
            _ => self.wrong_type("a string", None, findings),
        }
    }

    /// A string that `read` understands.
    pub(super) fn read<T>(
        &self,
        findings: &mut Findings<'_>,
        read: impl FnOnce(&'a str) -> Result<T, Fault>,
    ) -> Option<T> {
        let text = self.text(findings)?;
        read(text).map_err(|fault| findings.report(&self.place, fault)).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &self,
        words: &[(&'static str, T)],
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        self.read(findings, |text| choose(text, words))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, findings: &mut Findings<'_>) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            DeValue::String(text) if matches!(&**text, "true" | "false") => {
                let help = format!("write {text} without quotes");
                self.wrong_type("true or false", Some(help), findings)
            }
            _ => self.wrong_type("true or false", None, findings),
        }
    }

    /// A whole number in `range`.
    pub(super) fn number(
        &self,
        range: RangeInclusive<u64>,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        match self.value {
            DeValue::Integer(_) => self.in_range(self.integer(), range, u64::to_string, findings),
            DeValue::String(text) if text.parse::<u64>().is_ok() => {
                let help = format!("write {text} without quotes");
                self.wrong_type("a whole number", Some(help), findings)
            }
            _ => self.wrong_type("a whole number", None, findings),
        }
    }

    /// A number of bytes in `range`, bare or with a unit.
    pub(super) fn size(
        &self,
        range: RangeInclusive<u64>,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        let show = |size: &u64| format_size(*size);
        match self.value {
            DeValue::Integer(_) => self.in_range(self.integer(), range, show, findings),
            DeValue::String(text) => match parse_size(text) {
                Err(error) if error != UnitError::TooLarge => {
                    self.unreadable("a size", text, &error, "such as 65536 or \"64KiB\"", findings)
                }
                size => self.in_range(size.ok(), range, show, findings),
            },
            _ => self.wrong_type("a size such as 65536 or \"64KiB\"", None, findings),
        }
    }

    /// A positive number of bytes per second.
    pub(super) fn rate(&self, findings: &mut Findings<'_>) -> Option<u64> {
        const MOST: u64 = 1 << 40;
        let example = "such as \"240B/s\" or \"1KiB/s\"";
        match self.value {
            DeValue::String(text) => match parse_rate(text) {
                Err(error) if error != UnitError::TooLarge => {
                    self.unreadable("a rate", text, &error, example, findings)
                }
                rate => {
                    let show = |rate: &u64| format!("{}/s", format_size(*rate));
                    self.in_range(rate.ok(), 1..=MOST, show, findings)
                }
            },
            DeValue::Integer(_) => {
                self.wrong_type(&format!("a rate {example}"), self.with_unit("B/s"), findings)
            }
            _ => self.wrong_type(&format!("a rate {example}"), None, findings),
        }
    }

    /// A duration of at most [`LONGEST_DURATION`], zero only where `zero` says
    /// that it means something.
    pub(super) fn duration(&self, zero: bool, findings: &mut Findings<'_>) -> Option<Duration> {
        let example = "such as \"250ms\", \"5s\" or \"15m\"";
        let text = match self.value {
            DeValue::String(text) => text,
            DeValue::Integer(_) => {
                let help = self.with_unit("s");
                return self.wrong_type(&format!("a duration {example}"), help, findings);
            }
            _ => return self.wrong_type(&format!("a duration {example}"), None, findings),
        };
        match parse_duration(text) {
            Ok(Duration::ZERO) if !zero => {
                let fault =
                    Fault::new("must be longer than 0s").help("write a longer one, such as \"1s\"");
                self.refuse(fault, findings)
            }
            Ok(duration) => Some(duration),
            Err(_) if zero && &**text == "off" => {
                let fault = Fault::new("cannot be \"off\"").help("write \"0s\"");
                self.refuse(fault, findings)
            }
            Err(UnitError::TooLarge) => {
                let longest = format_duration(LONGEST_DURATION);
                let reason = format!("must be at most {longest}, not {}", quoted(text));
                self.refuse(Fault::new(reason), findings)
            }
            Err(error) => self.unreadable("a duration", text, &error, example, findings),
        }
    }

    /// The elements of an array.
    pub(super) fn elements(&self, findings: &mut Findings<'_>) -> Option<Vec<Item<'a>>> {
        match self.value {
            DeValue::Array(array) => Some(array.iter().enumerate().map(|e| self.nth(e)).collect()),
            DeValue::String(text) => {
                let help = format!("write [{}]", quoted(text));
                self.wrong_type("an array", Some(help), findings)
            }
            _ => self.wrong_type("an array", None, findings),
        }
    }

    fn nth(&self, (n, value): (usize, &'a Spanned<DeValue<'a>>)) -> Item<'a> {
        Item { place: self.place.element(n, value.span()), value: value.get_ref() }
    }

    /// A table with known keys.
    pub(super) fn section(
        &self,
        shape: &'static Shape,
        findings: &mut Findings<'_>,
    ) -> Option<Section<'a>> {
        match self.value {
            DeValue::Table(table) => {
                Some(Section::open(self.place.clone(), table, shape, findings))
            }
            DeValue::Array(_) if shape.name.starts_with('[') => {
                let help = format!("there is one: write {}", shape.name);
                self.wrong_type("a table", Some(help), findings)
            }
            _ if shape.name.starts_with('[') => {
                self.wrong_type("a table", Some(format!("write {}", shape.name)), findings)
            }
            _ => self.wrong_type("a table", None, findings),
        }
    }

    /// A table with known keys, where the word "off" could stand too.
    pub(super) fn section_or_off(
        &self,
        shape: &'static Shape,
        findings: &mut Findings<'_>,
    ) -> Option<Section<'a>> {
        if !self.is_table() {
            return self.wrong_type("a table or \"off\"", None, findings);
        }
        self.section(shape, findings)
    }

    /// The tables of an array of tables; elements that are none are left out.
    pub(super) fn sections(
        &self,
        shape: &'static Shape,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<Section<'a>>> {
        let DeValue::Array(array) = self.value else {
            let help = Some(format!("write {}", shape.name));
            return self.wrong_type("an array of tables", help, findings);
        };
        let items = array.iter().enumerate().map(|element| self.nth(element));
        Some(items.filter_map(|item| item.section(shape, findings)).collect())
    }

    /// A table whose keys are free, in the order of the file: each key with
    /// its own place, and its value.
    pub(super) fn pairs(
        &self,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<(&'a str, Place, Item<'a>)>> {
        let DeValue::Table(table) = self.value else {
            return self.wrong_type("a table", None, findings);
        };
        let mut pairs: Vec<_> = table
            .iter()
            .map(|(key, value)| {
                let at = self.place.below(key.get_ref(), key.span());
                let place = self.place.below(key.get_ref(), value.span());
                (&**key.get_ref(), at, Item { place, value: value.get_ref() })
            })
            .collect();
        pairs.sort_by_key(|(_, at, _)| at.span.start);
        Some(pairs)
    }

    /// Whether the value is a string, and that one.
    pub(super) fn is(&self, word: &str) -> bool {
        self.value.as_str() == Some(word)
    }

    /// The value, if it is a string that starts with `start`.
    pub(super) fn starting(&self, start: &str) -> Option<&'a str> {
        self.value.as_str().filter(|text| text.starts_with(start))
    }

    /// Whether the value is an array.
    pub(super) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    /// Whether the value is a whole number.
    pub(super) fn is_integer(&self) -> bool {
        self.value.is_integer()
    }

    /// Whether the value is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Reports a fault of this value.
    pub(super) fn refuse<T>(&self, fault: Fault, findings: &mut Findings<'_>) -> Option<T> {
        findings.report(&self.place, fault);
        None
    }

    fn wrong_type<T>(
        &self,
        wanted: &str,
        help: Option<String>,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        let reason = format!("must be {wanted}, not {}", kind(self.value));
        self.refuse(Fault { reason, help }, findings)
    }

    fn unreadable<T>(
        &self,
        what: &str,
        text: &str,
        error: &UnitError,
        example: &str,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        let reason = format!("{} is not {what}: {error}", quoted(text));
        let help = match error {
            UnitError::UnknownUnit { unit, near: Some(near) } => {
                let meant = text.strip_suffix(unit.as_str());
                meant.map(|number| format!("did you mean \"{number}{near}\"?"))
            }
            UnitError::NoUnit(number) if what == "a duration" && number == text => {
                Some(format!("write \"{number}s\" or \"{number}ms\""))
            }
            _ => None,
        };
        let help = help.unwrap_or_else(|| format!("write {what} {example}"));
        self.refuse(Fault::new(reason).help(help), findings)
    }

    /// `value` if it is there (it fits a `u64`) and in range.
    fn in_range(
        &self,
        value: Option<u64>,
        range: RangeInclusive<u64>,
        show: impl Fn(&u64) -> String,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        if let Some(value) = value.filter(|value| range.contains(value)) {
            return Some(value);
        }
        let written = match self.value {
            DeValue::String(text) => quoted(text),
            DeValue::Integer(integer) => integer.to_string().chars().take(40).collect(),
            other => kind(other).to_owned(),
        };
        let (least, most) = (show(range.start()), show(range.end()));
        let reason = format!("must be between {least} and {most}, not {written}");
        self.refuse(Fault::new(reason), findings)
    }

    fn integer(&self) -> Option<u64> {
        let integer = self.value.as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// How a bare number would be written with a unit, if it is a plain one.
    fn with_unit(&self, unit: &str) -> Option<String> {
        let number = self.integer()?;
        Some(format!("did you mean \"{number}{unit}\"?"))
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
