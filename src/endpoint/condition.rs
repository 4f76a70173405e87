//! What an operator is told of an endpoint: its condition, since when, and why.
//!
//! One vocabulary for everything that takes an endpoint out or brings it back,
//! so that `/routes`, `pointsman routes` and the metric
//! `pointsman_endpoint_transitions_total{to,reason}` use the same words. Both
//! label sets are closed: conditions are these, reasons are these and the error
//! codes.

use crate::error::Code;

/// Whether requests go to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// In its turn.
    Available,
    /// In its turn, with a share that still grows.
    SlowStart,
    /// Only if no other is left, for a moment.
    PassedOver,
    /// Out, for a time that grows with each ejection.
    Ejected,
    /// One request at a time tries whether it works again.
    HalfOpen,
    /// Out, because active probes say so.
    Down,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 6] = [
        Self::Available,
        Self::SlowStart,
        Self::PassedOver,
        Self::Ejected,
        Self::HalfOpen,
        Self::Down,
    ];

    /// As lists and labels have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::SlowStart => "slow-start",
            Self::PassedOver => "passed-over",
            Self::Ejected => "ejected",
            Self::HalfOpen => "half-open",
            Self::Down => "down",
        }
    }
}

/// Why an endpoint came into its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It was not known before.
    New,
    /// An attempt failed with this code.
    Attempt(Code),
    /// It asked for patience with `Retry-After` (RFC 9110 section 10.2.3).
    RetryAfter,
    /// The time it was to be passed over is up.
    PassOverEnded,
    /// So many failures in a row.
    FailuresInARow,
    /// Too few successes among its recent requests.
    SuccessRate,
    /// Clients left that it had nothing to say to, nor to anybody.
    ClientsLeft,
    /// The time of its ejection is up.
    EjectionEnded,
    /// The request that tried it worked.
    TrialPassed,
    /// The request that tried it failed.
    TrialFailed,
    /// Active probes.
    Probes,
}

impl Reason {
    /// As lists and labels have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Attempt(code) => code.as_str(),
            Self::RetryAfter => "retry-after",
            Self::PassOverEnded => "pass-over-ended",
            Self::FailuresInARow => "failures-in-a-row",
            Self::SuccessRate => "success-rate",
            Self::ClientsLeft => "clients-left",
            Self::EjectionEnded => "ejection-ended",
            Self::TrialPassed => "trial-passed",
            Self::TrialFailed => "trial-failed",
            Self::Probes => "probes",
        }
    }
}

/// A change of condition, to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is now.
    pub to: Condition,
    /// Why.
    pub reason: Reason,
}

/// An endpoint's condition as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub condition: Condition,
    /// Since when, on the clock of all cores (milliseconds since the start).
    pub since_ms: u64,
    /// Why.
    pub reason: Reason,
    /// When time alone will change it.
    pub until_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_labels_have_these_words() {
        let conditions = Condition::ALL.map(Condition::as_str);
        let words = ["available", "slow-start", "passed-over", "ejected", "half-open", "down"];
        assert_eq!(conditions, words);
        let reasons = [
            (Reason::New, "new"),
            (Reason::Attempt(Code::ConnectRefused), "connect-refused"),
            (Reason::RetryAfter, "retry-after"),
            (Reason::PassOverEnded, "pass-over-ended"),
            (Reason::FailuresInARow, "failures-in-a-row"),
            (Reason::SuccessRate, "success-rate"),
            (Reason::ClientsLeft, "clients-left"),
            (Reason::EjectionEnded, "ejection-ended"),
            (Reason::TrialPassed, "trial-passed"),
            (Reason::TrialFailed, "trial-failed"),
            (Reason::Probes, "probes"),
        ];
        for (reason, word) in reasons {
            assert_eq!(reason.as_str(), word);
        }
    }
}
