//! The small label sets.

use crate::request::InterimDropped;

/// Which side of the router a connection is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Accepted from a client.
    Client,
    /// Opened to an endpoint.
    Endpoint,
}

impl Side {
    /// Every side.
    pub const ALL: [Self; 2] = [Self::Client, Self::Endpoint];

    /// The value of the label `side`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Endpoint => "endpoint",
        }
    }
}

/// Whether a connection carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// A request is on it.
    Active,
    /// It waits for one.
    Idle,
}

/// Why an informational (1xx) response was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InformationalDrop {
    /// It came after the response head was committed.
    Late,
    /// `limits.informational` of them had passed already.
    Limit,
    /// The client speaks HTTP/1.0, which has none.
    Version,
    /// The client had not taken what was sent to it before.
    Backlog,
}

impl InformationalDrop {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Late, Self::Limit, Self::Version, Self::Backlog];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Limit => "limit",
            Self::Version => "version",
            Self::Backlog => "backlog",
        }
    }
}

impl From<InterimDropped> for InformationalDrop {
    fn from(why: InterimDropped) -> Self {
        match why {
            InterimDropped::Late => Self::Late,
            InterimDropped::Version => Self::Version,
            InterimDropped::Backlog => Self::Backlog,
        }
    }
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// The new configuration is in force.
    Applied,
    /// It was wrong somewhere; the old one stays.
    Refused,
}

impl ReloadResult {
    /// Of a reload that came to this.
    pub fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Applied } else { Self::Refused }
    }

    /// Every result.
    pub const ALL: [Self; 2] = [Self::Applied, Self::Refused];

    /// The value of the label `result`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

/// What a probe came to, as the label `result` has it.
pub const PROBE_RESULTS: [&str; 10] = [
    "passed",
    "refused",
    "unreachable",
    "shortage",
    "tls",
    "timeout",
    "closed",
    "not-http",
    "status",
    "content",
];

/// What came of asking for a name, as the label `result` has it.
pub const DNS_RESULTS: [&str; 3] = ["answered", "failed", "timeout"];

/// The values of the label `status_class`: a status divided by 100, and
/// `none` where no status was sent.
pub(super) const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Which of [`STATUS_CLASSES`] a status is in.
pub(super) fn status_class(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100),
        _ => 0,
    }
}
