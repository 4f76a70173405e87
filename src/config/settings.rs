//! The validated configuration: every value checked, every default filled in.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::header::HeaderName;

pub use super::choosing::{OutlierSettings, ZoneSettings};
pub use super::sticky::{SameSite, Secret, StickySettings};
pub use crate::attempt::{Forwarded, HeaderEdits};
pub use crate::endpoint::{Balance, EndpointAddress, HealthCheck, NameTerms};

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

/// `[timeouts]`: `None` is "off", where off is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TLS handshake with a client.
    pub tls_handshake: Duration,
    /// Connection to whole PROXY header.
    pub proxy_protocol: Duration,
    /// First byte to end of the request head, hard.
    pub request_head: Duration,
    /// Idle client connection, and the wait for its first byte.
    pub keep_alive: Duration,
    /// Between pieces of the request body.
    pub request_body_idle: Option<Duration>,
    /// Least bytes per second of a request body, over 30 s.
    pub request_body_min_rate: Option<u64>,
    /// The client takes nothing.
    pub response_write_idle: Option<Duration>,
    /// Wait for a free endpoint slot.
    pub queue: Duration,
    /// TCP and TLS to an endpoint.
    pub connect: Duration,
    /// The endpoint takes nothing.
    pub request_write_idle: Option<Duration>,
    /// Request sent to response head.
    pub attempt_head: Duration,
    /// The endpoint sends nothing.
    pub response_body_idle: Option<Duration>,
    /// The whole request.
    pub request: Option<Duration>,
    /// An upgraded tunnel without a byte either way.
    pub tunnel_idle: Duration,
    /// Idle endpoint connection in a pool.
    pub upstream_keep_alive: Duration,
    /// Closing with input unread: how long it is discarded.
    pub linger: Duration,
    /// From the start of a drain to the cut.
    pub drain: Duration,
    /// Health says 503 while still serving.
    pub drain_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        const fn s(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        Self {
            tls_handshake: s(5),
            proxy_protocol: s(5),
            request_head: s(10),
            keep_alive: s(75),
            request_body_idle: Some(s(30)),
            request_body_min_rate: Some(240),
            response_write_idle: Some(s(30)),
            queue: s(2),
            connect: s(3),
            request_write_idle: Some(s(30)),
            attempt_head: s(30),
            response_body_idle: Some(s(60)),
            request: Some(s(15 * 60)),
            tunnel_idle: s(60 * 60),
            upstream_keep_alive: s(60),
            linger: s(2),
            drain: s(30),
            drain_delay: s(0),
        }
    }
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections; 0 derives it from the file-descriptor limit.
    pub connections: usize,
    /// Bytes of a request head, request line included.
    pub request_head_bytes: usize,
    /// Field lines of a request head.
    pub request_headers: usize,
    /// Bytes of a response head.
    pub response_head_bytes: usize,
    /// Bytes of a request body; 0 is no limit.
    pub request_body_bytes: u64,
    /// Requests in flight; beyond it `overloaded`.
    pub requests_in_flight: usize,
    /// Bytes of a request body kept for a replay.
    pub replay_body_bytes: usize,
    /// Bytes discarded from a client while closing.
    pub linger_bytes: u64,
    /// Informational responses per exchange.
    pub informational: usize,
    /// TLS handshakes with clients at a time; more connections are closed.
    pub tls_handshakes: usize,
    /// Requests that wait for an endpoint of one route.
    pub queue_requests: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 0,
            request_head_bytes: 64 << 10,
            request_headers: 128,
            response_head_bytes: 64 << 10,
            request_body_bytes: 0,
            requests_in_flight: 100_000,
            replay_body_bytes: 64 << 10,
            linger_bytes: 1 << 20,
            informational: 8,
            tls_handshakes: 10_000,
            queue_requests: 1_000,
        }
    }
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

/// An address with a prefix length, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// A network; `None` if `prefix` is longer than the address. One inside
    /// the IPv4-mapped addresses (`::ffff:0:0/96`) is the IPv4 network.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let (address, prefix) = match address.to_canonical() {
            IpAddr::V4(v4) if address.is_ipv6() && prefix >= 96 => (IpAddr::V4(v4), prefix - 96),
            _ => (address, prefix),
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether `ip` lies in it; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
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
    pub fn plain(timeouts: &Timeouts, outlier: &OutlierSettings, zone: &ZoneSettings) -> Self {
        Self {
            host: "*".into(),
            path: "/".into(),
            endpoints: Vec::new(),
            balance: Balance::RoundRobin,
            slow_start: Duration::ZERO,
            outlier: outlier.clone(),
            sticky: None,
            zone: zone.clone(),
            queue_requests: Limits::default().queue_requests,
            timeouts: timeouts.clone(),
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            metrics: false,
            health_check: None,
        }
    }
}
