//! The settings by which one of a route's endpoints is chosen.

use std::time::Duration;

/// `[outlier]`, and a route's own `outlier`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierSettings {
    /// Whether endpoints are ejected at all. A route for which they are not
    /// counts nothing and heeds no ejection.
    pub enabled: bool,
    /// So many failures in a row eject; 0 never does.
    pub failures_in_a_row: u64,
    /// The statuses that are failures, beside attempts that brought none.
    pub statuses: Vec<u16>,
    /// Fewer successes than this in the window, in percent, eject; 0 never does.
    pub success_percent: u64,
    /// Below so many requests in the window there is no percentage.
    pub min_requests: u64,
    /// What counts as recent.
    pub window: Duration,
    /// The first ejection; each further one is twice as long.
    pub ejection: Duration,
    /// The longest; and after so long without one, the first again.
    pub ejection_max: Duration,
    /// For how long a `Retry-After` is heeded at most; zero does not at all.
    pub retry_after_max: Duration,
    /// After so long without a word an endpoint may hang, or a client keep
    /// others from trying one.
    pub silence: Duration,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            failures_in_a_row: 5,
            statuses: vec![500, 502, 503, 504],
            success_percent: 50,
            min_requests: 20,
            window: Duration::from_secs(10),
            ejection: Duration::from_secs(10),
            ejection_max: Duration::from_secs(300),
            retry_after_max: Duration::from_secs(30),
            silence: Duration::from_secs(1),
        }
    }
}

/// `[zone]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSettings {
    /// The router's own; endpoints that have the same come first.
    pub name: Option<String>,
    /// While so much of the weight there is fit, in percent, all traffic stays.
    pub enough_percent: u64,
}

impl Default for ZoneSettings {
    fn default() -> Self {
        Self { name: None, enough_percent: 70 }
    }
}
