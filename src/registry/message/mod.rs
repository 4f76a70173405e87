//! The JSON in which platform emitters register endpoints, on NATS and at the
//! admin API.
//!
//! Emitters are programs of many hands, so reading is lenient in form: unknown
//! fields are ignored, `null` and an empty string say nothing, a number may
//! stand in quotes and a text may be a number. It is strict in meaning: what
//! names no endpoint or no route a request could match is refused whole, with
//! a reason of a known [kind](MessageError::kind), and changes nothing.
//!
//! What is read borrows from the message. Most messages are refreshes of what
//! is known, 300,000 of them a second on one core, so a route's host and path
//! are only split here, and checked when they turn out to be new
//! ([`Message::registrations`]).
//!
//! # What is not supported, and what then
//!
//! * `route_service_url`: refused where it registers. A route service stands
//!   before an app and is nearly always its authentication; to route past it
//!   would open the app. Who leaves may name one.
//! * `protocol: "http2"`: accepted; HTTP/1.1 is spoken to the endpoint. An app
//!   that speaks nothing else answers 502 `upstream-protocol-error`.
//! * `options.loadbalancing` of an unknown name: ignored, as emitters may know
//!   more of them; and so is `options.hash_balance`. Both are
//!   [told](Message::ignored).

mod error;
mod mistake;
mod options;
mod scalar;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::{Change, Heard, Registration, Tags};
use crate::endpoint::{Balance, is_of_one};
use crate::route::{HostPattern, PathPrefix};

pub use error::MessageError;
pub use options::Ignored;

/// The longest message that is read, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;
/// The most `uris` of a message.
pub const MAX_URIS: usize = 1_000;
/// The most `tags` of a message.
pub const MAX_TAGS: usize = 128;
/// The longest text but a URI, a name or value of a tag, in bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// A message that registers or unregisters one endpoint, as it was received.
/// A text that says nothing is empty.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    wire: wire::Wire<'a>,
    endpoint: SocketAddr,
    tls: bool,
    balance: Option<Balance>,
    ignored: Option<Ignored>,
}

/// A route as a message names it: `shop.example.com/api` is split before the
/// slash. Not checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// A host, or a wildcard.
    pub host: &'a str,
    /// Empty, or with its slash.
    pub path: &'a str,
}

impl<'a> Uri<'a> {
    fn of(text: &'a str) -> Self {
        let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        Self { host, path }
    }

    fn parse(self) -> Result<(HostPattern, PathPrefix), MessageError> {
        let refused = |reason: String| {
            let text = format!("{}{}", self.host, self.path);
            MessageError::Uri { uri: error::shortened(&text), reason }
        };
        if self.host.ends_with(':') && self.path.starts_with("//") {
            return Err(refused("it is a URL, and a route is a host and a path alone".into()));
        }
        let host = HostPattern::from_str(self.host).map_err(|e| refused(e.to_string()))?;
        let path = match self.path {
            "" => PathPrefix::ROOT,
            path => {
                path.parse().map_err(|e: crate::route::InvalidPathPrefix| refused(e.to_string()))?
            }
        };
        Ok((host, path))
    }
}

impl<'a> Message<'a> {
    /// Reads a message that registers. Its URIs are checked by
    /// [`Message::registrations`] or [`Message::check`].
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        Self::read(bytes, true)
    }

    /// Reads a message that unregisters: a route service in front of what
    /// leaves is bypassed by nobody. Its URIs are checked by
    /// [`Message::unregistrations`] or [`Message::check`].
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse_unregister(bytes: &'a [u8]) -> Result<Self, MessageError> {
        Self::read(bytes, false)
    }

    fn read(bytes: &'a [u8], registers: bool) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(MessageError::TooLarge { what: "message", of: MAX_MESSAGE_BYTES });
        }
        let wire = wire::Wire::parse(bytes)?;
        wire.check_sizes()?;
        if registers && !wire.route_service_url.is_empty() {
            return Err(MessageError::RouteService);
        }
        let (port, tls) = port(&wire)?;
        let endpoint = SocketAddr::new(ip(wire.host.as_str())?, port);
        if !is_of_one(endpoint.ip()) {
            return Err(MessageError::Host(error::shortened(wire.host.as_str())));
        }
        let (balance, ignored) = options::balance(&wire.options);
        Ok(Self { wire, endpoint, tls, balance, ignored })
    }

    /// Where the endpoint listens.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// What it asks for and does not get, if there is such a thing.
    pub fn ignored(&self) -> Option<Ignored> {
        self.ignored
    }

    /// The routes it is for, in the message's order.
    pub fn uris(&self) -> impl ExactSizeIterator<Item = Uri<'_>> {
        self.wire.uris.list.iter().map(|text| Uri::of(text.as_str()))
    }

    /// Its tags, in the message's order; of a name that comes twice the last
    /// value counts.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.wire.tags.list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All but routes and tags, for a refresh; `ttl` holds where the message
    /// has no `stale_threshold_in_seconds`.
    pub fn heard(&self, ttl: Duration) -> Heard<'_> {
        let wire = &self.wire;
        Heard {
            endpoint: self.endpoint,
            ttl: Some(self.ttl().unwrap_or(ttl)),
            weight: 1,
            balance: self.balance.as_ref(),
            tls: self.tls,
            instance_id: wire.private_instance_id.said(),
            instance_index: wire.private_instance_index.said(),
            app: wire.app.said(),
            availability_zone: wire.availability_zone.said(),
            isolation_segment: wire.isolation_segment.said(),
            server_cert_domain_san: wire.server_cert_domain_san.said(),
            updated_at_ns: self.updated_at_ns(),
        }
    }

    /// Checks the routes.
    ///
    /// # Errors
    /// With the first that no request could match.
    pub fn check(&self) -> Result<(), MessageError> {
        self.uris().try_for_each(|uri| uri.parse().map(drop))
    }

    /// The message as changes that register its endpoint, one a route; `ttl`
    /// as in [`Message::heard`].
    ///
    /// # Errors
    /// If any of its URIs is wrong.
    pub fn registrations(&self, ttl: Duration) -> Result<Vec<Change>, MessageError> {
        let owned = |text: &str| -> Option<Box<str>> { Some(text.into()) };
        let heard = self.heard(ttl);
        let tags: Tags = self.tags().map(|(name, value)| (name.into(), value.into())).collect();
        let change = |uri: Uri<'_>| {
            let (host, path) = uri.parse()?;
            Ok(Change::Register(Registration {
                ttl: heard.ttl,
                tls: heard.tls,
                balance: heard.balance.cloned(),
                tags: tags.clone(),
                instance_id: heard.instance_id.and_then(owned),
                instance_index: heard.instance_index.and_then(owned),
                app: heard.app.and_then(owned),
                availability_zone: heard.availability_zone.and_then(owned),
                isolation_segment: heard.isolation_segment.and_then(owned),
                server_cert_domain_san: heard.server_cert_domain_san.and_then(owned),
                updated_at_ns: heard.updated_at_ns,
                ..Registration::new(host, path, heard.endpoint)
            }))
        };
        self.uris().map(change).collect()
    }

    /// The message as changes that unregister its endpoint, one a route.
    ///
    /// # Errors
    /// If any of its URIs is wrong.
    pub fn unregistrations(&self) -> Result<Vec<Change>, MessageError> {
        let change = |uri: Uri<'_>| {
            let (host, path) = uri.parse()?;
            Ok(Change::Unregister {
                host,
                path,
                endpoint: self.endpoint,
                instance_id: self.wire.private_instance_id.said().map(Into::into),
                updated_at_ns: self.updated_at_ns(),
            })
        };
        self.uris().map(change).collect()
    }

    /// `stale_threshold_in_seconds`; emitters write 0 for "not set".
    fn ttl(&self) -> Option<Duration> {
        let seconds = self.wire.stale_threshold_in_seconds.0?;
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    fn updated_at_ns(&self) -> Option<i64> {
        self.wire.endpoint_updated_at_ns.0.filter(|time| *time > 0)
    }
}

fn ip(host: &str) -> Result<IpAddr, MessageError> {
    if host.is_empty() {
        return Err(MessageError::NoHost);
    }
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.unwrap_or(host).parse().map_err(|_| MessageError::Host(error::shortened(host)))
}

/// The port, and whether it speaks TLS: who offers TLS is spoken to in no other
/// way. Emitters write 0 for "none".
fn port(wire: &wire::Wire<'_>) -> Result<(u16, bool), MessageError> {
    let number = |name, whole: scalar::Whole| match whole.0 {
        None | Some(0) => Ok(None),
        Some(port) => match u16::try_from(port) {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err(MessageError::Port { field: name, port }),
        },
    };
    match (number("port", wire.port)?, number("tls_port", wire.tls_port)?) {
        (_, Some(port)) => Ok((port, true)),
        (Some(port), None) => Ok((port, false)),
        (None, None) => Err(MessageError::NoPort),
    }
}

#[cfg(test)]
mod tests;
