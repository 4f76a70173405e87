//! How an endpoint is chosen, and how that is written wherever one is: the
//! configuration, lists, registrations, snapshots.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use thiserror::Error;

/// How an endpoint is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, by weight.
    RoundRobin,
    /// The less loaded of two drawn at random.
    LeastRequests,
    /// Always the same one for the same key, as long as it is there.
    Hash(HashOn),
}

/// What makes two requests go to the same endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// The value of the first field line of this name.
    Header(HeaderName),
    /// The value of the first cookie of this name.
    Cookie(CookieName),
    /// The client's address, as seen through trusted proxies.
    SourceIp,
}

/// The name of a cookie: a token (RFC 6265 section 4.1.1, RFC 9110 section
/// 5.6.2). Names are compared letter by letter, case included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CookieName(Box<str>);

impl CookieName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CookieName {
    type Err = UnknownBalance;

    fn from_str(name: &str) -> Result<Self, UnknownBalance> {
        let is_token_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_token = !name.is_empty() && name.len() <= 128 && name.bytes().all(is_token_byte);
        if is_token { Ok(Self(name.into())) } else { Err(UnknownBalance) }
    }
}

/// No way to choose an endpoint has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no balance has this name")]
pub struct UnknownBalance;

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin => f.write_str("round-robin"),
            Self::LeastRequests => f.write_str("least-requests"),
            Self::Hash(HashOn::Header(name)) => write!(f, "hash:header:{name}"),
            Self::Hash(HashOn::Cookie(name)) => write!(f, "hash:cookie:{}", name.as_str()),
            Self::Hash(HashOn::SourceIp) => f.write_str("hash:source-ip"),
        }
    }
}

impl FromStr for Balance {
    type Err = UnknownBalance;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, UnknownBalance> {
        let on = match text {
            "round-robin" => return Ok(Self::RoundRobin),
            "least-requests" => return Ok(Self::LeastRequests),
            "hash:source-ip" => HashOn::SourceIp,
            _ => match text.strip_prefix("hash:").and_then(|on| on.split_once(':')) {
                Some(("header", name)) => HashOn::Header(name.parse().map_err(|_| UnknownBalance)?),
                Some(("cookie", name)) => HashOn::Cookie(name.parse()?),
                _ => return Err(UnknownBalance),
            },
        };
        Ok(Self::Hash(on))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "round-robin",
            "least-requests",
            "hash:header:x-user",
            "hash:cookie:Id",
            "hash:source-ip",
        ] {
            assert_eq!(text.parse::<Balance>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_nobody_would_write_is_no_balance() {
        for text in [
            "Round-Robin",
            "hash:",
            "hash",
            "hash:header:",
            "hash:header:a b",
            "hash:cookie:",
            "hash:cookie:a=b",
            "hash:cookie:a;b",
            "hash:source-ip:",
            "hash:query:id",
        ] {
            assert_eq!(text.parse::<Balance>(), Err(UnknownBalance), "{text}");
        }
    }
}
