//! Who can do something about a failure.

use std::fmt;

/// The party whose side a failure is most likely to be mended on.
///
/// A first address to turn to, not a verdict: a reset, say, is laid at the
/// endpoint's door though a middlebox can forge one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The request, or the program that sent it.
    Client,
    /// The app behind the router.
    Endpoint,
    /// Whoever runs the router or tells it its routes.
    Operator,
    /// What lies between the router and the endpoint.
    Network,
    /// The router's own code: a bug.
    Router,
}

impl Blame {
    /// The party in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Endpoint => "endpoint",
            Self::Operator => "operator",
            Self::Network => "network",
            Self::Router => "router",
        }
    }

    /// The party in words that need no knowledge of proxies.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Client => "the request, or the program that sent it",
            Self::Endpoint => "the app behind this address",
            Self::Operator => "whoever runs this router and tells it its routes",
            Self::Network => "the network between the router and the app",
            Self::Router => "the router itself; this is a bug",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
