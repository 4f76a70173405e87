//! The configuration: text, then a checked tree, then validated [`Settings`].
//!
//! Validation is parsing: a [`Settings`] cannot hold a value that was not
//! checked, so nothing behind this module looks at strings again. What fails
//! to validate gives [`Diagnostics`], all of them at once, each with its line,
//! its dotted key, the reason and the nearest valid choice; the running router
//! keeps what it had.
//!
//! [`parse`] is a pure function of the text. It does not look at the machine:
//! whether an address can be bound or a token file read is found out by
//! whoever does it.

mod adaptive;
mod address;
pub(crate) mod checks;
mod choosing;
mod diagnostic;
mod dns;
mod document;
mod effective;
mod findings;
mod headers;
mod health_check;
mod host;
mod item;
mod limits;
mod listener;
mod load;
mod nats;
mod network;
mod outlier;
mod path;
mod restart;
mod route;
mod settings;
mod shape;
mod sticky;
mod suggest;
mod timeouts;
mod tls;
mod units;

pub use adaptive::AdaptiveSettings;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use effective::effective;
pub use load::{LoadError, load};
pub(crate) use load::{load_with_warnings, open_to_read};
pub use nats::{NatsSettings, NatsTls};
pub use restart::{NEEDS_RESTART, StartKey};
pub use settings::*;
pub use tls::{
    CertificateSettings, ClientAuth, ClientAuthSettings, EndpointTlsSettings, FileRef,
    ListenerTlsSettings, TlsVersion,
};
pub use units::{
    LONGEST_DURATION, UnitError, format_duration, format_size, parse_duration, parse_rate,
    parse_size,
};

use findings::{Fault, Findings, Place};
use toml::de::DeTable;

/// Validates a configuration; `origin` is what diagnostics call the file.
///
/// # Errors
/// Every mistake in the text, in its order. If it is not TOML, only what the
/// TOML parser says: what it salvages would give misleading messages.
pub fn parse(text: &str, origin: &str) -> Result<Settings, Diagnostics> {
    read(text, origin).map(|(settings, _)| settings)
}

/// The same with a warning for everything that works and is hardly meant so.
fn read(text: &str, origin: &str) -> Result<(Settings, Vec<Diagnostic>), Diagnostics> {
    let mut findings = Findings::new(text, origin);
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut last_line = 0;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let line = findings.line(span.start);
        // After a slip the parser stumbles on through the same line.
        if line > last_line {
            last_line = line;
            let place = Place { key: String::new(), span };
            findings.report(&place, Fault::new(format!("not TOML: {}", error.message())));
        }
    }
    if !errors.is_empty() {
        return Err(findings.into_diagnostics());
    }
    let settings = document::read(&root, &mut findings);
    findings.conclude(settings)
}

#[cfg(test)]
mod tests;
