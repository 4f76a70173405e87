//! The validated configuration: every value checked, every default filled in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::header::HeaderName;

pub use super::choosing::{OutlierSettings, ZoneSettings};
pub use super::limits::Limits;
pub use super::network::Network;
pub use super::sticky::{SameSite, Secret, StickySettings};
pub use super::timeouts::Timeouts;
pub use crate::attempt::{Forwarded, HeaderEdits};
pub use crate::endpoint::{Balance, EndpointAddress, HealthCheck, NameTerms};

use super::adaptive::AdaptiveSettings;
use super::nats::NatsSettings;
use super::tls::{EndpointTlsSettings, ListenerTlsSettings};

/// Everything a router needs to run, as one immutable value.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where clients connect; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// The operator's side.
    pub admin: AdminSettings,
    /// Data-plane threads.
    pub workers: WorkerSettings,
    /// The clocks a route does not override.
    pub timeouts: Timeouts,
    /// The sizes and counts no peer may exceed.
    pub limits: Limits,
    /// When a failed attempt is followed by another.
    pub retry: RetrySettings,
    /// Who resolves the names of endpoints.
    pub dns: DnsSettings,
    /// What the router adds to and drops from heads.
    pub headers: HeaderSettings,
    /// What error answers may reveal.
    pub errors: ErrorSettings,
    /// Health on the traffic listeners.
    pub health: HealthSettings,
    /// Where the access log goes.
    pub access_log: AccessLogSettings,
    /// Routes that come from elsewhere.
    pub registry: RegistrySettings,
    /// When endpoints are ejected, where a route does not say.
    pub outlier: OutlierSettings,
    /// How many requests of a route may wait for an answer, where it does not
    /// say.
    pub adaptive: AdaptiveSettings,
    /// Where this router stands.
    pub zone: ZoneSettings,
    /// The routes of the file, in its order.
    pub routes: Vec<RouteSettings>,
}

/// `[registry]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// How long a route whose last endpoint has expired answers `no-endpoint`;
    /// afterwards it is gone, and answers `no-route`.
    pub grace: Duration,
    /// Endpoints that all sources but the file may register together.
    pub endpoints: usize,
    /// What registered endpoints that speak TLS must prove besides their name,
    /// and who the router says it is.
    pub tls: Option<EndpointTlsSettings>,
    /// How long a registration holds that does not say so itself; also what
    /// emitters are told as `pruneThresholdInSeconds`.
    pub ttl: Duration,
    /// How often emitters are asked to register again.
    pub register_interval: Duration,
    /// For how long the share of an endpoint that came to a live route, or came
    /// back, grows; zero is not at all.
    pub slow_start: Duration,
    /// The question the endpoints of live routes in use are asked now and then.
    pub health_check: Option<HealthCheck>,
    /// Endpoints that have left and are remembered, so that what is older does
    /// not bring them back.
    pub tombstones: usize,
    /// For how long they are.
    pub tombstone_ttl: Duration,
    /// How many requests each registered endpoint takes at a time; `None` for
    /// as many as come.
    pub max_requests: Option<u64>,
    /// The bus endpoints register on, if there is one.
    pub nats: Option<NatsSettings>,
    /// The file that live routes are kept in over a restart; `None` keeps none.
    pub snapshot: Option<PathBuf>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(120),
            endpoints: 4_000_000,
            tls: None,
            ttl: Duration::from_secs(120),
            register_interval: Duration::from_secs(20),
            slow_start: Duration::ZERO,
            health_check: None,
            tombstones: 65_536,
            tombstone_ttl: Duration::from_secs(300),
            max_requests: None,
            nats: None,
            snapshot: None,
        }
    }
}

/// `[[listener]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// The address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// `client_half_close = "allow"`: a client that has shut its sending side
    /// after a whole request still gets its answer. Otherwise it has left.
    pub half_close_allowed: bool,
    /// TLS, if it is spoken here.
    pub tls: Option<ListenerTlsSettings>,
    /// The networks whose connections begin with a PROXY header; no others do.
    pub proxy_protocol_from: Vec<Network>,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// The address to bind; off loopback a token file is required.
    pub address: SocketAddr,
    /// The file that holds the bearer token.
    pub token_file: Option<PathBuf>,
}

/// `[workers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Data-plane threads; 0 means one per core.
    pub threads: usize,
}

/// `[retry]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts in all; at least 1.
    pub attempts: u32,
    /// `MaybeProcessed` retries, in percent of recent requests.
    pub budget_percent: u32,
    /// Retries per second that are always allowed.
    pub budget_min: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { attempts: 3, budget_percent: 20, budget_min: 100 }
    }
}

/// `[dns]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Name servers; none stands for those of `/etc/resolv.conf`, with its
    /// search domains.
    pub servers: Vec<SocketAddr>,
    /// For one try of a question.
    pub timeout: Duration,
    /// Tries of a question; at least 1.
    pub attempts: usize,
    /// The bounds of what answers may say.
    pub terms: NameTerms,
}

impl Default for DnsSettings {
    fn default() -> Self {
        const fn s(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        Self {
            servers: Vec::new(),
            timeout: s(2),
            attempts: 2,
            terms: NameTerms { min_ttl: s(1), max_ttl: s(300), negative_hold: s(30) },
        }
    }
}

/// `[headers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSettings {
    /// What happens to `X-Forwarded-For`, `-Proto` and `-Host`.
    pub forwarded: Forwarded,
    /// Networks whose `X-Forwarded-*`, `Forwarded` and request id are believed.
    pub trusted_proxies: Vec<Network>,
    /// What happens to `X-Forwarded-Client-Cert`.
    pub forwarded_client_cert: ForwardedClientCert,
    /// The request id's field name.
    pub request_id: HeaderName,
    /// The pseudonym in `Via`; `None` sends none.
    pub via: Option<String>,
    /// This node's name in `Via`; random per process unless set.
    pub node_id: Option<String>,
}

impl Default for HeaderSettings {
    fn default() -> Self {
        Self {
            forwarded: Forwarded::Append,
            trusted_proxies: Vec::new(),
            forwarded_client_cert: ForwardedClientCert::Strip,
            request_id: HeaderName::from_static("x-request-id"),
            via: Some("pointsman".into()),
            node_id: None,
        }
    }
}

/// What happens to `X-Forwarded-Client-Cert` on its way to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedClientCert {
    /// It is removed.
    Strip,
    /// It is replaced by the certificate the client has shown on this
    /// connection, or removed if it has shown none.
    Set,
    /// It passes if the client has shown a certificate on this connection, and
    /// is removed otherwise.
    ForwardIfMtls,
    /// It passes, whoever sends it.
    Pass,
}

/// `[errors]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorSettings {
    /// Whether error answers name endpoint addresses.
    pub expose_endpoints: bool,
}

/// `[health]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// The path traffic listeners answer health at.
    pub path: String,
    /// `User-Agent` values of health probes.
    pub user_agents: Vec<String>,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self { path: "/health".into(), user_agents: Vec::new() }
    }
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// A file, reopened on SIGUSR1.
    File(PathBuf),
}

/// How an access log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// The Common Log Format.
    Common,
}

/// `[access_log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Where lines go.
    pub target: AccessLogTarget,
    /// How a line is written.
    pub format: AccessLogFormat,
}

impl Default for AccessLogSettings {
    fn default() -> Self {
        Self { target: AccessLogTarget::Stdout, format: AccessLogFormat::Json }
    }
}

/// One endpoint of a `[[route]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Where it listens; a name stands for all its addresses.
    pub address: EndpointAddress,
    /// Its share relative to the others; 1 to 256.
    pub weight: u16,
    /// Requests it takes at a time, from all routes and workers together; at
    /// least 1. `None` is no limit.
    pub max_requests: Option<u64>,
    /// TLS, if it is spoken there.
    pub tls: Option<std::sync::Arc<EndpointTlsSettings>>,
    /// `send_proxy = "v2"`: connections begin with a PROXY header that names
    /// the client, and serve one request each.
    pub send_proxy: bool,
    /// Where it stands, if that is known.
    pub zone: Option<String>,
}

/// `[[route]]`
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSettings {
    /// `shop.example.com`, `*.example.com` or `*`, lower-case.
    pub host: String,
    /// A path prefix of whole segments, starting with `/`.
    pub path: String,
    /// Where requests go; may be empty (`no-endpoint`).
    pub endpoints: Vec<EndpointSettings>,
    /// How one of them is chosen.
    pub balance: Balance,
    /// For how long the share of an endpoint that came or came back grows; zero
    /// is not at all.
    pub slow_start: Duration,
    /// When one of them is ejected: its own keys over the global ones.
    pub outlier: OutlierSettings,
    /// How many of its requests may wait for an answer: its own keys over the
    /// global ones.
    pub adaptive: AdaptiveSettings,
    /// The cookie that keeps a client with an endpoint.
    pub sticky: Option<StickySettings>,
    /// Where the router stands: the global one.
    pub zone: ZoneSettings,
    /// Requests that wait for one of its endpoints at most; 0 lets none wait.
    pub queue_requests: u64,
    /// The clocks of this route: its own keys over the global ones.
    pub timeouts: Timeouts,
    /// Edits to the head sent to the endpoint.
    pub request_headers: HeaderEdits,
    /// Edits to the head sent to the client.
    pub response_headers: HeaderEdits,
    /// Whether it is named in metric labels first.
    pub metrics: bool,
    /// The question its endpoints are asked now and then.
    pub health_check: Option<HealthCheck>,
}

impl RouteSettings {
    /// The options of a route that says nothing of any: what live routes have.
    /// Its host and path stand for none in particular.
    pub fn plain(settings: &Settings) -> Self {
        Self {
            host: "*".into(),
            path: "/".into(),
            endpoints: Vec::new(),
            balance: Balance::RoundRobin,
            slow_start: settings.registry.slow_start,
            outlier: settings.outlier.clone(),
            adaptive: settings.adaptive.clone(),
            sticky: None,
            zone: settings.zone.clone(),
            queue_requests: settings.limits.queue_requests,
            timeouts: settings.timeouts.clone(),
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            metrics: false,
            health_check: settings.registry.health_check.clone(),
        }
    }
}
