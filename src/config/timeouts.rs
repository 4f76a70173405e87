//! `[timeouts]`, and the clocks a route has for itself.
//!
//! Globally every clock is finite; a router with a clock off is the incident
//! "server without timeouts". A single route may switch off the few that a
//! long upload, a download or a stream would run into.

use std::time::Duration;

use super::findings::{Fault, Findings};
use super::item::{Item, Section};

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

/// The clocks that "off" may stop, in a route.
const OFF_IN_A_ROUTE: &[&str] =
    &["request_body_idle", "request_body_min_rate", "response_body_idle", "request"];

/// The clocks for which zero means something: no delay, no lingering.
const MAY_BE_ZERO: &[&str] = &["drain_delay", "linger"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Global,
    Route,
}

/// The field of one key.
enum Clock<'t> {
    Always(&'t mut Duration),
    Optional(&'t mut Option<Duration>),
    Rate(&'t mut Option<u64>),
}

/// Reads `[timeouts]` over the defaults.
pub(super) fn global(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    for (key, item) in section.iter().flat_map(Section::items) {
        set(&mut timeouts, key, &item, Scope::Global, findings);
    }
    timeouts
}

/// Reads a route's own clocks over the global ones. They stand in the route
/// itself or in its `timeouts` table, whichever reads better; not in both.
pub(super) fn of_route(
    route: &Section<'_>,
    table: Option<Section<'_>>,
    global: &Timeouts,
    findings: &mut Findings<'_>,
) -> Timeouts {
    let mut timeouts = global.clone();
    for (key, item) in table.iter().flat_map(Section::items) {
        set(&mut timeouts, key, &item, Scope::Route, findings);
        if let Some(twice) = route.item(key) {
            let line = findings.line(item.place.span.start);
            let reason = format!("is set twice for this route: also on line {line}");
            findings.report(&twice.place, Fault::new(reason));
        }
    }
    for (key, item) in route.items() {
        set(&mut timeouts, key, &item, Scope::Route, findings);
    }
    timeouts
}

/// Sets the clock named `key`; other keys of a route are none of its business.
fn set(
    timeouts: &mut Timeouts,
    key: &'static str,
    item: &Item<'_>,
    scope: Scope,
    findings: &mut Findings<'_>,
) {
    let Some(clock) = clock(timeouts, key) else { return };
    if item.is("off") {
        let may = OFF_IN_A_ROUTE.contains(&key);
        match clock {
            Clock::Optional(field) if may && scope == Scope::Route => *field = None,
            Clock::Rate(field) if may && scope == Scope::Route => *field = None,
            _ => findings.report(&item.place, never_off(may)),
        }
        return;
    }
    let zero = MAY_BE_ZERO.contains(&key);
    match clock {
        Clock::Always(field) => *field = item.duration(zero, findings).unwrap_or(*field),
        Clock::Optional(field) => *field = item.duration(zero, findings).or(*field),
        Clock::Rate(field) => *field = item.rate(findings).or(*field),
    }
}

fn never_off(in_a_route: bool) -> Fault {
    if in_a_route {
        Fault::new("cannot be \"off\" globally")
            .help("set it to \"off\" in the [[route]] it is for")
    } else {
        Fault::new("cannot be \"off\"").help("choose a long duration instead")
    }
}

fn clock<'t>(timeouts: &'t mut Timeouts, key: &str) -> Option<Clock<'t>> {
    Some(match key {
        "tls_handshake" => Clock::Always(&mut timeouts.tls_handshake),
        "proxy_protocol" => Clock::Always(&mut timeouts.proxy_protocol),
        "request_head" => Clock::Always(&mut timeouts.request_head),
        "keep_alive" => Clock::Always(&mut timeouts.keep_alive),
        "request_body_idle" => Clock::Optional(&mut timeouts.request_body_idle),
        "request_body_min_rate" => Clock::Rate(&mut timeouts.request_body_min_rate),
        "response_write_idle" => Clock::Optional(&mut timeouts.response_write_idle),
        "queue" => Clock::Always(&mut timeouts.queue),
        "connect" => Clock::Always(&mut timeouts.connect),
        "request_write_idle" => Clock::Optional(&mut timeouts.request_write_idle),
        "attempt_head" => Clock::Always(&mut timeouts.attempt_head),
        "response_body_idle" => Clock::Optional(&mut timeouts.response_body_idle),
        "request" => Clock::Optional(&mut timeouts.request),
        "tunnel_idle" => Clock::Always(&mut timeouts.tunnel_idle),
        "upstream_keep_alive" => Clock::Always(&mut timeouts.upstream_keep_alive),
        "linger" => Clock::Always(&mut timeouts.linger),
        "drain" => Clock::Always(&mut timeouts.drain),
        "drain_delay" => Clock::Always(&mut timeouts.drain_delay),
        _ => return None,
    })
}
