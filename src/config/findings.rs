//! Collecting mistakes while a file is read.
//!
//! Readers never stop at the first mistake: they report it here, go on with the
//! default, and the whole result is thrown away at the end if anything was
//! reported. What works and is hardly meant so is a warning beside the result.

use std::ops::Range;

use super::{Diagnostic, Diagnostics};

/// A place in the file: what it is called and the bytes it stands in.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) span: Range<usize>,
}

impl Place {
    /// The place of `name` below this one.
    pub(super) fn below(&self, name: &str, span: Range<usize>) -> Self {
        let name = spelled(name);
        let key = if self.key.is_empty() { name } else { format!("{}.{name}", self.key) };
        Self { key, span }
    }

    /// The place of the `n`th element of this array.
    pub(super) fn element(&self, n: usize, span: Range<usize>) -> Self {
        Self { key: format!("{}[{n}]", self.key), span }
    }
}

/// What is wrong with one value, before it is known where the value stands.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// The mistakes found so far in one text.
pub(super) struct Findings<'t> {
    text: &'t str,
    origin: &'t str,
    line_starts: Vec<usize>,
    found: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str, origin: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self { text, origin, line_starts, found: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn report(&mut self, place: &Place, fault: Fault) {
        let diagnostic = self.diagnostic(place, fault);
        self.found.push(diagnostic);
    }

    /// Reports what works, and is hardly what was meant.
    pub(super) fn warn(&mut self, place: &Place, fault: Fault) {
        let diagnostic = self.diagnostic(place, fault);
        self.warnings.push(diagnostic);
    }

    /// A fault at its place, not reported.
    pub(super) fn diagnostic(&self, place: &Place, fault: Fault) -> Diagnostic {
        // A span past the end cannot come from the parser; clamping it keeps a
        // wrong one from costing more than a wrong underline.
        let end = place.span.end.min(self.text.len());
        let start = place.span.start.min(end);
        let (line, column) = self.position(start);
        Diagnostic {
            file: self.origin.to_owned(),
            line,
            column,
            span: start..end,
            key: place.key.clone(),
            reason: fault.reason,
            help: fault.help,
        }
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = &self.text.as_bytes()[self.line_starts[line - 1]..offset];
        // Characters are counted by the bytes that begin one, so that an offset
        // inside a character is no special case.
        (line, 1 + before.iter().filter(|byte| **byte & 0xC0 != 0x80).count())
    }

    /// `value` and the warnings if no mistake was reported, else all of those.
    pub(super) fn conclude<T>(self, value: T) -> Result<(T, Vec<Diagnostic>), Diagnostics> {
        if self.found.is_empty() {
            Ok((value, self.warnings))
        } else {
            Err(self.into_diagnostics())
        }
    }

    pub(super) fn into_diagnostics(self) -> Diagnostics {
        Diagnostics::new(self.text, self.found)
    }
}

/// A value in quotes, escaped and cut short: it goes to a terminal.
pub(super) fn quoted(value: &str) -> String {
    const SHOWN: usize = 60;
    match value.char_indices().nth(SHOWN) {
        None => format!("{value:?}"),
        Some((cut, _)) => format!("{:?}", format!("{}…", &value[..cut])),
    }
}

/// A key as TOML spells it: bare if it can be.
fn spelled(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= 60 && name.bytes().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}
