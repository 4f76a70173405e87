//! The hosts a route is for.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::request::{AmbiguousHost, HostName};

/// One host (`shop.example.com`), every host below a name at any depth
/// (`*.example.com`, which leaves out `example.com` itself), or every host
/// (`*`).
///
/// Read by the same rules as the host of a request, so that a pattern no
/// request could match is an error: lower-cased, the trailing dot dropped, IPv6
/// addresses in brackets. Never a port: routes do not depend on one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern(pub(super) Kind);

/// Names are in lookup form; a wildcard's is without its `*.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Exact(HostName),
    Below(HostName),
    Any,
}

/// Why a text is no host pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHostPattern {
    /// `a.*.example`, `*a.example`, `*.*`, `*.`.
    #[error("a * stands only alone, for every host, or as the first label before a name")]
    Wildcard,
    /// `*.10.0.0.1`.
    #[error("there are no hosts below an IP address")]
    BelowAddress,
    /// `example.com:8080`.
    #[error("the pattern has a port, which routes do not look at")]
    Port,
    /// The name, or the name behind `*.`, is not one a request could have.
    #[error(transparent)]
    Host(#[from] AmbiguousHost),
}

impl HostPattern {
    /// `*`: every host.
    pub const ANY: Self = Self(Kind::Any);
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        if text == "*" {
            return Ok(Self::ANY);
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') || below && name.is_empty() {
            return Err(InvalidHostPattern::Wildcard);
        }
        if name.contains(':') && !(name.starts_with('[') && name.ends_with(']')) {
            return Err(InvalidHostPattern::Port);
        }
        let name = HostName::parse(name.as_bytes())?;
        match (below, name.is_address()) {
            (true, true) => Err(InvalidHostPattern::BelowAddress),
            (true, false) => Ok(Self(Kind::Below(name))),
            (false, _) => Ok(Self(Kind::Exact(name))),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(name) => f.write_str(name.as_str()),
            Kind::Below(name) => write!(f, "*.{}", name.as_str()),
            Kind::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_shown_in_the_form_requests_are_looked_up_by() {
        for (text, shown) in [
            ("*", "*"),
            ("Shop.Example.COM", "shop.example.com"),
            ("shop.example.com.", "shop.example.com"),
            ("*.Example.com.", "*.example.com"),
            ("*.com", "*.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("[0:0::1]", "[::1]"),
            ("my_app.example", "my_app.example"),
        ] {
            let pattern: HostPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), shown);
            assert_eq!(shown.parse(), Ok(pattern));
        }
    }

    #[test]
    fn patterns_no_request_could_match_are_refused_by_their_reason() {
        for (text, reason) in [
            ("", InvalidHostPattern::Host(AmbiguousHost::Empty)),
            ("*.", InvalidHostPattern::Wildcard),
            ("**", InvalidHostPattern::Wildcard),
            ("*.*", InvalidHostPattern::Wildcard),
            ("*example.com", InvalidHostPattern::Wildcard),
            ("a.*.example.com", InvalidHostPattern::Wildcard),
            ("*.*.example.com", InvalidHostPattern::Wildcard),
            ("*.10.0.0.1", InvalidHostPattern::BelowAddress),
            ("*.[::1]", InvalidHostPattern::BelowAddress),
            ("example.com:80", InvalidHostPattern::Port),
            ("*.example.com:80", InvalidHostPattern::Port),
            ("[::1]:80", InvalidHostPattern::Port),
            ("::1", InvalidHostPattern::Port),
            ("a..b", InvalidHostPattern::Host(AmbiguousHost::EmptyLabel)),
            ("*..b", InvalidHostPattern::Host(AmbiguousHost::EmptyLabel)),
            ("*.1", InvalidHostPattern::Host(AmbiguousHost::OddNumber)),
            ("a b", InvalidHostPattern::Host(AmbiguousHost::ForbiddenByte(b' '))),
            ("a/b", InvalidHostPattern::Host(AmbiguousHost::ForbiddenByte(b'/'))),
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(reason), "{text:?}");
        }
    }
}
