//! What a source says: an endpoint serves a route, or no longer does.

use std::net::SocketAddr;
use std::time::Duration;

use crate::endpoint::Balance;
use crate::route::{HostPattern, PathPrefix};

/// Tags of an endpoint, sorted by name, each name once.
pub type Tags = std::collections::BTreeMap<Box<str>, Box<str>>;

/// One endpoint of one route, as a source registers it.
///
/// Within a source, an endpoint of a route is told from the others by its
/// address: registering an address again replaces what was said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The hosts of the route.
    pub host: HostPattern,
    /// The paths of the route.
    pub path: PathPrefix,
    /// Where the endpoint listens.
    pub endpoint: SocketAddr,
    /// For how long this holds unless it is said again; `None` for ever. At
    /// least a millisecond, at most 49 days; what lies outside counts as the
    /// nearest of these.
    pub ttl: Option<Duration>,
    /// The endpoint's share relative to the others; 0 counts as 1.
    pub weight: u16,
    /// How the route's endpoints are chosen from; the last word on it counts
    /// for the whole route, `None` says nothing.
    pub balance: Option<Balance>,
    /// Names and values for whoever looks at lists.
    pub tags: Tags,
    /// Which instance of the app listens there.
    pub instance_id: Option<Box<str>>,
    /// Its number among the app's instances.
    pub instance_index: Option<Box<str>>,
    /// The app.
    pub app: Option<Box<str>>,
    /// Where the instance runs.
    pub availability_zone: Option<Box<str>>,
    /// The segment of the platform it runs in.
    pub isolation_segment: Option<Box<str>>,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The name its certificate must have.
    pub server_cert_domain_san: Option<Box<str>>,
    /// When the platform last changed the endpoint, in nanoseconds since 1970.
    /// What is older than the last word on an endpoint is stale and ignored.
    pub updated_at_ns: Option<i64>,
}

impl Registration {
    /// A registration with nothing but what is needed: it does not expire, has
    /// weight 1 and says nothing else of the endpoint.
    pub fn new(host: HostPattern, path: PathPrefix, endpoint: SocketAddr) -> Self {
        Self {
            host,
            path,
            endpoint,
            ttl: None,
            weight: 1,
            balance: None,
            tags: Tags::new(),
            instance_id: None,
            instance_index: None,
            app: None,
            availability_zone: None,
            isolation_segment: None,
            tls: false,
            server_cert_domain_san: None,
            updated_at_ns: None,
        }
    }

    /// What identifies it, and all else, borrowed.
    pub fn heard(&self) -> Heard<'_> {
        Heard {
            endpoint: self.endpoint,
            ttl: self.ttl,
            weight: self.weight,
            balance: self.balance.as_ref(),
            tls: self.tls,
            instance_id: self.instance_id.as_deref(),
            instance_index: self.instance_index.as_deref(),
            app: self.app.as_deref(),
            availability_zone: self.availability_zone.as_deref(),
            isolation_segment: self.isolation_segment.as_deref(),
            server_cert_domain_san: self.server_cert_domain_san.as_deref(),
            updated_at_ns: self.updated_at_ns,
        }
    }
}

/// A registration as it stands in the bytes of a message, for
/// [`LiveRoutes::refresh`](super::LiveRoutes::refresh): the fields of
/// [`Registration`] but for host, path and tags, which are passed beside it.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields are those of a Registration")]
pub struct Heard<'a> {
    pub endpoint: SocketAddr,
    pub ttl: Option<Duration>,
    pub weight: u16,
    pub balance: Option<&'a Balance>,
    pub tls: bool,
    pub instance_id: Option<&'a str>,
    pub instance_index: Option<&'a str>,
    pub app: Option<&'a str>,
    pub availability_zone: Option<&'a str>,
    pub isolation_segment: Option<&'a str>,
    pub server_cert_domain_san: Option<&'a str>,
    pub updated_at_ns: Option<i64>,
}

/// A change of the live routes, as a source asks for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An endpoint serves a route.
    Register(Registration),
    /// An endpoint no longer serves a route.
    Unregister {
        /// The hosts of the route.
        host: HostPattern,
        /// The paths of the route.
        path: PathPrefix,
        /// Where the endpoint listened.
        endpoint: SocketAddr,
        /// Which instance left. If another is registered at that address, it
        /// stays; `None` means whichever is there.
        instance_id: Option<Box<str>>,
        /// See [`Registration::updated_at_ns`].
        updated_at_ns: Option<i64>,
    },
    /// A source's whole route goes, whatever its endpoints.
    RemoveRoute {
        /// The hosts of the route.
        host: HostPattern,
        /// The paths of the route.
        path: PathPrefix,
    },
}

impl Change {
    /// Gives it the time of the word that it makes or ends an endpoint by.
    pub(super) fn set_time(&mut self, time_ns: i64) {
        match self {
            Self::Register(Registration { updated_at_ns, .. })
            | Self::Unregister { updated_at_ns, .. } => *updated_at_ns = Some(time_ns),
            Self::RemoveRoute { .. } => {}
        }
    }
}

/// What became of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An endpoint, or a whole route, is new.
    Added,
    /// Something about an endpoint that was there has changed.
    Updated,
    /// Nothing was new but the time.
    Refreshed,
    /// It is gone.
    Removed,
    /// There was nothing to remove; an instance other than the one named is
    /// not removed either.
    Unknown,
    /// It is older than the last word on the endpoint, and ignored.
    Stale,
    /// As many endpoints are registered as may be (`[registry] endpoints`).
    Full,
}

impl Outcome {
    /// Whether the table has changed.
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Added | Self::Updated | Self::Removed)
    }
}
