//! What the lists show, as plain values. The commands read them back.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::endpoint::{Condition, DoorSeen};
use crate::telemetry::RecentError;

/// A route in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Its host or pattern.
    pub host: String,
    /// Its path prefix.
    pub path: String,
    /// Where it came from, such as `file`.
    pub source: String,
    /// The sources that have a route for the same host and path, which this
    /// one overrides.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// How an endpoint is chosen, such as `round-robin`.
    pub balance: String,
    /// How many requests may wait for an answer, if latency limits that.
    #[serde(default)]
    pub adaptive: Option<AdaptiveView>,
    /// Requests that wait for one of them to have room.
    #[serde(default)]
    pub queued: u64,
    /// For how long it has had no endpoint, if its last one expired.
    #[serde(default)]
    pub without_endpoints_for_ms: Option<u64>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointView>,
    /// The names among its endpoints.
    pub names: Vec<NameView>,
}

/// How many requests of a route may wait for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdaptiveView {
    /// How many may now.
    pub limit: u64,
    /// How many do.
    pub in_flight: u64,
    /// How many requests were refused for it so far.
    pub shed: u64,
    /// How long an answer takes without a queue, in microseconds; absent until
    /// it was measured.
    pub latency_us: Option<u64>,
}

impl From<DoorSeen> for AdaptiveView {
    fn from(seen: DoorSeen) -> Self {
        let DoorSeen { limit, in_flight, shed, base_us } = seen;
        Self { limit, in_flight, shed, latency_us: base_us }
    }
}

/// A name that endpoints are known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameView {
    /// The name.
    pub name: String,
    /// `resolved`, `stale` (it has an answer, and the last try failed) or
    /// `unresolved` (it has none, or none any more).
    pub state: String,
    /// Its addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// When the answer in force came, in milliseconds since 1970.
    pub resolved_unix_ms: Option<u64>,
    /// In how many milliseconds it is asked for again.
    pub ttl_left_ms: u64,
    /// Why the last try failed, if it did.
    pub fault: Option<String>,
    /// Since when it fails, in milliseconds since 1970.
    pub failing_since_unix_ms: Option<u64>,
}

/// An endpoint of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name and port it is an address of, if the route has a name.
    pub name: Option<String>,
    /// Its share relative to the others.
    pub weight: u16,
    /// Whether it is chosen.
    pub state: EndpointState,
    /// Requests on it, bodies included.
    pub in_flight: u64,
    /// How many it takes at a time; absent if there is no limit.
    #[serde(default)]
    pub max_requests: Option<u64>,
    /// Since when it is in this state, in milliseconds since 1970.
    #[serde(default)]
    pub since_unix_ms: u64,
    /// How long ago that is, in milliseconds.
    #[serde(default)]
    pub state_age_ms: u64,
    /// Why, such as `failures-in-a-row` or the code of a failed attempt.
    #[serde(default)]
    pub reason: String,
    /// For how many more milliseconds, where time alone will change it.
    #[serde(default)]
    pub for_ms: Option<u64>,
    /// For how many more milliseconds it is passed over.
    pub passed_over_for_ms: Option<u64>,
    /// What probes have shown, if the route has a health check.
    pub probe: Option<ProbeView>,
    /// How long ago it was registered, or read from the file.
    #[serde(default)]
    pub age_ms: u64,
    /// How long it stays unless its source confirms it; absent if for ever.
    #[serde(default)]
    pub ttl_left_ms: Option<u64>,
    /// Which instance of the app it is, if the source said so.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// Whether it speaks TLS.
    #[serde(default)]
    pub tls: bool,
    /// What else its source said of it.
    #[serde(flatten)]
    pub told: Told,
}

/// What a source said of an endpoint for those who look at lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The app.
    pub app: Option<String>,
    /// Its number among the app's instances.
    pub instance_index: Option<String>,
    /// Where it runs.
    pub availability_zone: Option<String>,
    /// The segment of the platform it runs in.
    pub isolation_segment: Option<String>,
    /// The name its certificate must have.
    pub server_cert_domain_san: Option<String>,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
}

/// What probes have shown of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeView {
    /// `unproven`, `up` or `down`.
    pub state: String,
    /// Since when it is that, in milliseconds since 1970; absent before the
    /// first probe.
    pub since_unix_ms: Option<u64>,
    /// When the last probe ended, in milliseconds since 1970.
    pub last_unix_ms: Option<u64>,
    /// Why the last probe failed, if it did.
    pub fault: Option<String>,
}

/// Whether an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointState {
    /// In its turn.
    Available,
    /// In its turn, with a share that still grows.
    SlowStart,
    /// Only if no other is left: it failed an attempt a moment ago.
    PassedOver,
    /// Only if no other is left: it failed too often.
    Ejected,
    /// One request at a time tries whether it works again.
    HalfOpen,
    /// Only if all others are so too: probes found it ill.
    Down,
}

impl From<Condition> for EndpointState {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Available => Self::Available,
            Condition::SlowStart => Self::SlowStart,
            Condition::PassedOver => Self::PassedOver,
            Condition::Ejected => Self::Ejected,
            Condition::HalfOpen => Self::HalfOpen,
            Condition::Down => Self::Down,
        }
    }
}

impl EndpointState {
    /// As the lists and the label `state` have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => Condition::Available.as_str(),
            Self::SlowStart => Condition::SlowStart.as_str(),
            Self::PassedOver => Condition::PassedOver.as_str(),
            Self::Ejected => Condition::Ejected.as_str(),
            Self::HalfOpen => Condition::HalfOpen.as_str(),
            Self::Down => Condition::Down.as_str(),
        }
    }
}

/// A request in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// Its id.
    pub id: String,
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long ago that is, in milliseconds.
    pub age_ms: u64,
    /// What it is doing, such as `connecting`.
    pub phase: String,
    /// What its connection was switched to, in a tunnel.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Who asked.
    pub client: SocketAddr,
    /// Its method.
    pub method: String,
    /// Its host, as looked up.
    pub host: String,
    /// Its path and query.
    pub path: String,
    /// The route's name, once it is found.
    pub route: Option<String>,
    /// Which attempt is under way, from 1; 0 before the first.
    pub attempt: u32,
    /// The endpoint of that attempt.
    pub endpoint: Option<SocketAddr>,
    /// Bytes of body received from the client.
    pub bytes_in: u64,
    /// Bytes of body sent to the client.
    pub bytes_out: u64,
}

/// A live task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// What it is for, such as `connection`.
    pub kind: String,
    /// What it works on or for whom: an address, a target, a thread's name.
    pub subject: String,
    /// What it is doing, where that is known.
    pub state: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// How long ago that is, in milliseconds.
    pub age_ms: u64,
}

/// An error that a request ended with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorView {
    /// Its number since the start, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub time_unix_ms: u64,
    /// The request's id.
    pub request_id: String,
    /// Who asked.
    pub client: SocketAddr,
    /// The request's method.
    pub method: String,
    /// Its host, as looked up.
    pub host: String,
    /// Its path and query.
    pub path: String,
    /// The route's name, if one was found.
    pub route: Option<String>,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// The code, as in [`crate::error::Code`].
    pub code: String,
    /// The status answered, if any.
    pub status: Option<u16>,
    /// What went wrong, in a sentence.
    pub detail: String,
    /// The attempts made.
    pub attempts: Vec<AttemptView>,
}

/// An attempt of a request that ended with an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Where it went.
    pub endpoint: SocketAddr,
    /// The code of its failure, or `response`.
    pub outcome: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: f64,
}

impl ErrorView {
    /// The view of a recorded error.
    pub fn new(number: u64, error: &RecentError) -> Self {
        let since = error.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let attempts = error.attempts.iter().map(|attempt| AttemptView {
            endpoint: attempt.endpoint,
            outcome: attempt.failure.map_or("response", |code| code.as_str()).into(),
            elapsed_ms: attempt.elapsed.as_secs_f64() * 1e3,
        });
        Self {
            number,
            time_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            request_id: error.request_id.clone(),
            client: error.client,
            method: error.method.clone(),
            host: error.host.clone(),
            path: error.path.clone(),
            route: error.route.as_deref().map(str::to_owned),
            endpoint: error.endpoint,
            code: error.code.as_str().into(),
            status: error.status,
            detail: error.detail.clone().into_owned(),
            attempts: attempts.collect(),
        }
    }
}
