//! What an active probe asks, how often, and what it takes for an answer.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The health check of one route, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// Path and query of the request, starting with `/`.
    pub path: String,
    /// The `Host` to send; `None` is the route's, or the endpoint's address if
    /// the route is for many hosts.
    pub host: Option<String>,
    /// From the start of one probe to that of the next, give or take a tenth.
    pub interval: Duration,
    /// From the start of a probe until its answer must have come.
    pub timeout: Duration,
    /// Passed probes in a row that bring an endpoint back.
    pub rise: u32,
    /// Failed probes in a row that take it out.
    pub fall: u32,
    /// The statuses that pass.
    pub expect: StatusSet,
    /// What the answer's content must contain, in its first 64 KiB.
    pub expect_body: Option<String>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".into(),
            host: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            expect: StatusSet::default(),
            expect_body: None,
        }
    }
}

impl HealthCheck {
    /// Whether both ask the same and take the same for an answer, at whatever
    /// pace: what one of them has found out holds for the other.
    pub fn asks_as(&self, other: &Self) -> bool {
        self.path == other.path
            && self.host == other.host
            && self.expect == other.expect
            && self.expect_body == other.expect_body
    }

    /// This check with the `Host` it sends to endpoints of a route for `host`.
    pub fn of_route(&self, host: &str) -> Arc<Self> {
        let mut check = self.clone();
        if check.host.is_none() && !host.starts_with('*') {
            check.host = Some(host.to_owned());
        }
        Arc::new(check)
    }
}

/// A set of statuses, in ranges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    /// The statuses of these ranges; the order and overlaps make no difference.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().map(RangeInclusive::into_inner).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Whether `status` is in it.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl Default for StatusSet {
    /// Every success and redirection.
    fn default() -> Self {
        Self(vec![(200, 399)])
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            match first == last {
                true => write!(f, "{first}")?,
                false => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_same_set_however_they_are_written() {
        let set = StatusSet::new([300..=399, 200..=204, 204..=299, 404..=404]);
        assert_eq!(set.to_string(), "200-399,404");
        assert_eq!(set, StatusSet::new([404..=404, 200..=399]));
        assert!(set.contains(200) && set.contains(399) && set.contains(404));
        assert!(!set.contains(199) && !set.contains(400) && !set.contains(405));
    }

    #[test]
    fn a_route_gives_its_host_unless_it_has_many_or_the_check_its_own() {
        let check = HealthCheck::default();
        assert_eq!(check.of_route("a.example").host.as_deref(), Some("a.example"));
        assert_eq!(check.of_route("*.example").host, None);
        let own = HealthCheck { host: Some("b".into()), ..check.clone() };
        assert_eq!(own.of_route("a.example").host.as_deref(), Some("b"));
    }

    #[test]
    fn the_pace_of_a_check_is_no_part_of_its_question() {
        let check = HealthCheck::default();
        let slower = HealthCheck { interval: Duration::from_secs(60), fall: 9, ..check.clone() };
        let other = HealthCheck { path: "/other".into(), ..check.clone() };
        assert!(check.asks_as(&slower) && !check.asks_as(&other));
    }
}
