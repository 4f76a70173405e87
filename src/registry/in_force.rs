//! One route as it is in force, whoever brought it.

use std::time::Duration;

use super::{LiveRoutes, Registration, Source};
use crate::endpoint::Balance;
use crate::route::{HostPattern, PathPrefix};

/// The route in force for just one host and path.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    /// Whose it is.
    pub source: Source,
    /// How its endpoints are chosen from.
    pub balance: Balance,
    /// Its endpoints, in no order.
    pub endpoints: Vec<Registration>,
}

impl LiveRoutes {
    /// How long a registration holds that does not say so itself.
    pub fn ttl(&self) -> Duration {
        self.snapshot().settings.registry.ttl
    }

    /// Whose route is in force for just this host and path, without a copy of
    /// its endpoints.
    pub(crate) fn source_in_force(&self, host: &HostPattern, path: &PathPrefix) -> Option<Source> {
        Some(self.snapshot().entries().get(host, path)?.source)
    }

    /// The route in force for just this host and path, the file's too. A route
    /// for more than this is not it, even if requests for this go there.
    pub fn in_force(&self, host: &HostPattern, path: &PathPrefix) -> Option<InForce> {
        let snapshot = self.snapshot();
        let top = snapshot.entries().get(host, path)?;
        let endpoints = self.route(top.source, host, path);
        Some(InForce { source: top.source, balance: top.balance(), endpoints })
    }
}
