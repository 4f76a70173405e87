//! How a balance is written, wherever one is: lists, bodies, snapshots.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Balance;

/// No way to choose an endpoint has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no balance has this name")]
pub struct UnknownBalance;

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin => f.write_str("round-robin"),
            Self::LeastRequests => f.write_str("least-requests"),
        }
    }
}

impl FromStr for Balance {
    type Err = UnknownBalance;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, UnknownBalance> {
        match text {
            "round-robin" => Ok(Self::RoundRobin),
            "least-requests" => Ok(Self::LeastRequests),
            _ => Err(UnknownBalance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for balance in [Balance::RoundRobin, Balance::LeastRequests] {
            assert_eq!(balance.to_string().parse(), Ok(balance));
        }
        assert_eq!("Round-Robin".parse::<Balance>(), Err(UnknownBalance));
    }
}
