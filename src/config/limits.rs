//! `[limits]`, `[retry]`, `[registry]` and `[workers]`: numbers, each with its
//! range.
//!
//! The upper ends are not what a router should be set to, but what a slip of
//! the keyboard must not get past.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::file_path_or_none;
use super::findings::{Fault, Findings};
use super::health_check::health_check;
use super::item::{Item, Section};
use super::route::max_requests;
use super::settings::{RegistrySettings, RetrySettings, WorkerSettings};
use super::tls::registry_tls;
use super::units::format_duration;
use super::{nats, outlier, shape};

/// A head must hold a plain request, and is parsed in one piece.
const HEAD_BYTES: RangeInclusive<u64> = (1 << 10)..=(1 << 20);
const HEAD_FIELDS: RangeInclusive<u64> = 1..=1_000;
const CONNECTIONS: RangeInclusive<u64> = 0..=10_000_000;
const BODY_BYTES: RangeInclusive<u64> = 0..=(1 << 50);
const IN_FLIGHT: RangeInclusive<u64> = 1..=10_000_000;
/// Kept in memory for each request in flight.
const REPLAY_BYTES: RangeInclusive<u64> = 0..=(64 << 20);
const LINGER_BYTES: RangeInclusive<u64> = 0..=(1 << 30);
const INFORMATIONAL: RangeInclusive<u64> = 0..=1_000;
const TLS_HANDSHAKES: RangeInclusive<u64> = 1..=10_000_000;
/// Each of them is a client that waits, and a record.
pub(super) const QUEUE_REQUESTS: RangeInclusive<u64> = 0..=100_000;
const ATTEMPTS: RangeInclusive<u64> = 1..=10;
const PERCENT: RangeInclusive<u64> = 0..=100;
const BUDGET_MIN: RangeInclusive<u64> = 0..=1_000_000;
const ENDPOINTS: RangeInclusive<u64> = 0..=100_000_000;
/// About 200 bytes each.
const TOMBSTONES: RangeInclusive<u64> = 0..=10_000_000;
const THREADS: RangeInclusive<u64> = 0..=1_024;

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

/// Reads `[limits]` over the defaults.
pub(super) fn limits(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = section else { return limits };
    let mut number = Numbers { section, findings };
    number.count("connections", CONNECTIONS, &mut limits.connections);
    number.size("request_head_bytes", HEAD_BYTES, &mut limits.request_head_bytes);
    number.count("request_headers", HEAD_FIELDS, &mut limits.request_headers);
    number.size("response_head_bytes", HEAD_BYTES, &mut limits.response_head_bytes);
    number.size("request_body_bytes", BODY_BYTES, &mut limits.request_body_bytes);
    number.count("requests_in_flight", IN_FLIGHT, &mut limits.requests_in_flight);
    number.size("replay_body_bytes", REPLAY_BYTES, &mut limits.replay_body_bytes);
    number.size("linger_bytes", LINGER_BYTES, &mut limits.linger_bytes);
    number.count("informational", INFORMATIONAL, &mut limits.informational);
    number.count("tls_handshakes", TLS_HANDSHAKES, &mut limits.tls_handshakes);
    number.count("queue_requests", QUEUE_REQUESTS, &mut limits.queue_requests);
    limits
}

/// Reads `[retry]` over the defaults.
pub(super) fn retry(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> RetrySettings {
    let mut retry = RetrySettings::default();
    let Some(section) = section else { return retry };
    let mut number = Numbers { section, findings };
    number.count("attempts", ATTEMPTS, &mut retry.attempts);
    number.count("budget_percent", PERCENT, &mut retry.budget_percent);
    number.count("budget_min", BUDGET_MIN, &mut retry.budget_min);
    retry
}

/// Reads `[registry]` over the defaults.
pub(super) fn registry(
    section: Option<Section<'_>>,
    findings: &mut Findings<'_>,
) -> RegistrySettings {
    let mut registry = RegistrySettings::default();
    let Some(section) = section else { return registry };
    if let Some(item) = section.item("grace") {
        registry.grace = item.duration(true, findings).unwrap_or(registry.grace);
    }
    if let Some(item) = section.item("tombstone_ttl") {
        registry.tombstone_ttl = item.duration(true, findings).unwrap_or(registry.tombstone_ttl);
    }
    registry.max_requests = max_requests(&section, findings).filter(|limit| *limit > 0);
    let snapshot = section.item("snapshot");
    registry.snapshot = snapshot.and_then(|item| item.read(findings, file_path_or_none)).flatten();
    read_ttl(&section, &mut registry, findings);
    registry.slow_start = outlier::slow_start(section.item("slow_start"), findings);
    let check = section.item("health_check");
    registry.health_check = check.and_then(|item| health_check(&item, findings));
    let nats = section.item("nats").and_then(|item| item.section(&shape::NATS, findings));
    registry.nats = nats.map(|section| nats::nats(&section, findings));
    let mut number = Numbers { section, findings };
    number.count("endpoints", ENDPOINTS, &mut registry.endpoints);
    number.count("tombstones", TOMBSTONES, &mut registry.tombstones);
    let Numbers { section, findings } = number;
    registry.tls = section.item("tls").and_then(|item| registry_tls(&item, findings));
    registry
}

/// Reads `ttl` and `register_interval`: who registers once an interval must not
/// expire for a single message lost.
fn read_ttl(section: &Section<'_>, registry: &mut RegistrySettings, findings: &mut Findings<'_>) {
    let interval = section.item("register_interval");
    let ttl = section.item("ttl");
    let clock = |item: Option<&Item<'_>>, findings: &mut Findings<'_>| {
        item.and_then(|item| item.duration(false, findings))
    };
    let whole_seconds = |item: Option<&Item<'_>>, clock: Duration, findings: &mut Findings<'_>| {
        if let Some(item) = item.filter(|_| clock.subsec_nanos() > 0) {
            let fault = Fault::new("must be whole seconds, since emitters are told in seconds");
            item.refuse::<()>(fault.help("write \"1s\" or more"), findings);
        }
    };
    registry.ttl = clock(ttl.as_ref(), findings).unwrap_or(registry.ttl);
    registry.register_interval =
        clock(interval.as_ref(), findings).unwrap_or(registry.register_interval);
    whole_seconds(ttl.as_ref(), registry.ttl, findings);
    whole_seconds(interval.as_ref(), registry.register_interval, findings);
    if registry.ttl < registry.register_interval.saturating_mul(2) {
        let reason = format!(
            "a registration would expire after {}, and is repeated every {}",
            format_duration(registry.ttl),
            format_duration(registry.register_interval)
        );
        let fault = Fault::new(reason).help("make ttl at least twice register_interval");
        if let Some(item) = ttl.or(interval) {
            item.refuse::<()>(fault, findings);
        }
    }
}

/// Reads `[workers]` over the default, one thread per core.
pub(super) fn workers(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> WorkerSettings {
    let mut workers = WorkerSettings { threads: 0 };
    let Some(section) = section else { return workers };
    Numbers { section, findings }.count("threads", THREADS, &mut workers.threads);
    workers
}

/// Reads numbers of a section into fields that hold their defaults.
struct Numbers<'a, 'f, 't> {
    section: Section<'a>,
    findings: &'f mut Findings<'t>,
}

impl Numbers<'_, '_, '_> {
    fn count<T>(&mut self, key: &'static str, range: RangeInclusive<u64>, field: &mut T)
    where
        T: TryFrom<u64>,
    {
        let Some(item) = self.section.item(key) else { return };
        fill(field, item.number(range, self.findings));
    }

    fn size<T>(&mut self, key: &'static str, range: RangeInclusive<u64>, field: &mut T)
    where
        T: TryFrom<u64>,
    {
        let Some(item) = self.section.item(key) else { return };
        fill(field, item.size(range, self.findings));
    }
}

/// Every range above fits the field it is for, on any machine with 32-bit
/// `usize` too, except the body's, whose field is 64 bits wide.
fn fill<T: TryFrom<u64>>(field: &mut T, value: Option<u64>) {
    if let Some(value) = value.and_then(|value| T::try_from(value).ok()) {
        *field = value;
    }
}
