//! Where a request stands.

/// What a request is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Being admitted and routed.
    Routing,
    /// Waiting for an endpoint that takes another request.
    Queued,
    /// Opening a connection to an endpoint.
    Connecting,
    /// Sent, or being sent; no response head yet.
    Waiting,
    /// The response is under way.
    Responding,
    /// Switched to another protocol: bytes go both ways.
    Tunnel,
}

impl Phase {
    /// As the lists have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Queued => "queued",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Responding => "responding",
            Self::Tunnel => "tunnel",
        }
    }
}
