//! The settings in force, as the admin side shows them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::restart::NEEDS_RESTART;
use super::settings::{
    AccessLogFormat, AccessLogTarget, EndpointSettings, HeaderEdits, HealthCheck, ListenerSettings,
    RouteSettings, Settings, Timeouts,
};
use super::units::format_duration;
use crate::attempt::Forwarded;
use crate::endpoint::Balance;

/// The settings with every default filled in, under the names of the file.
/// Nothing in it is secret: of the admin token only the file's name is known.
pub fn effective(settings: &Settings) -> Value {
    let limits = &settings.limits;
    let headers = &settings.headers;
    json!({
        "needs_restart": NEEDS_RESTART,
        "listener": settings.listeners.iter().map(listener).collect::<Vec<_>>(),
        "admin": {
            "address": settings.admin.address,
            "token_file": settings.admin.token_file,
        },
        "workers": { "threads": settings.workers.threads },
        "timeouts": timeouts(&settings.timeouts),
        "limits": {
            "connections": limits.connections,
            "request_head_bytes": limits.request_head_bytes,
            "request_headers": limits.request_headers,
            "response_head_bytes": limits.response_head_bytes,
            "request_body_bytes": limits.request_body_bytes,
            "requests_in_flight": limits.requests_in_flight,
            "replay_body_bytes": limits.replay_body_bytes,
            "linger_bytes": limits.linger_bytes,
            "informational": limits.informational,
        },
        "retry": {
            "attempts": settings.retry.attempts,
            "budget_percent": settings.retry.budget_percent,
            "budget_min": settings.retry.budget_min,
        },
        "headers": {
            "forwarded": match headers.forwarded {
                Forwarded::Append => "append",
                Forwarded::Replace => "replace",
                Forwarded::Off => "off",
            },
            "trusted_proxies": headers.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "request_id": headers.request_id.as_str(),
            "via": headers.via.as_deref().unwrap_or_default(),
            "node_id": headers.node_id,
        },
        "errors": { "expose_endpoints": settings.errors.expose_endpoints },
        "health": {
            "path": settings.health.path,
            "user_agents": settings.health.user_agents,
        },
        "access_log": {
            "path": match &settings.access_log.target {
                AccessLogTarget::Stdout => "-".into(),
                AccessLogTarget::Off => String::new(),
                AccessLogTarget::File(path) => path.display().to_string(),
            },
            "format": match settings.access_log.format {
                AccessLogFormat::Json => "json",
                AccessLogFormat::Common => "common",
            },
        },
        "registry": {
            "grace": format_duration(settings.registry.grace),
            "endpoints": settings.registry.endpoints,
        },
        "route": settings.routes.iter().map(route).collect::<Vec<_>>(),
    })
}

fn listener(listener: &ListenerSettings) -> Value {
    json!({
        "address": listener.address,
        "client_half_close": if listener.half_close_allowed { "allow" } else { "close" },
    })
}

fn route(route: &RouteSettings) -> Value {
    json!({
        "host": route.host,
        "path": route.path,
        "endpoints": route.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "balance": match route.balance {
            Balance::RoundRobin => "round-robin",
            Balance::LeastRequests => "least-requests",
        },
        "timeouts": timeouts(&route.timeouts),
        "request_headers": edits(&route.request_headers),
        "response_headers": edits(&route.response_headers),
        "metrics": route.metrics,
        "health_check": route.health_check.as_ref().map(health_check),
    })
}

fn endpoint(endpoint: &EndpointSettings) -> Value {
    json!({ "address": endpoint.address, "weight": endpoint.weight })
}

fn health_check(check: &HealthCheck) -> Value {
    json!({
        "path": check.path,
        "host": check.host,
        "interval": format_duration(check.interval),
        "timeout": format_duration(check.timeout),
        "rise": check.rise,
        "fall": check.fall,
        "expect": check.expect.to_string(),
        "expect_body": check.expect_body,
    })
}

fn edits(edits: &HeaderEdits) -> Value {
    let set: Map<String, Value> = edits
        .set
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into())
        })
        .collect();
    let remove: Vec<&str> = edits.remove.iter().map(|name| name.as_str()).collect();
    json!({ "set": set, "remove": remove })
}

fn timeouts(timeouts: &Timeouts) -> Value {
    let on = |clock: Duration| Value::from(format_duration(clock));
    let may_be_off = |clock: Option<Duration>| clock.map_or_else(|| "off".into(), on);
    let rate = |rate: Option<u64>| rate.map_or_else(|| "off".into(), |rate| format!("{rate}B/s"));
    json!({
        "tls_handshake": on(timeouts.tls_handshake),
        "request_head": on(timeouts.request_head),
        "keep_alive": on(timeouts.keep_alive),
        "request_body_idle": may_be_off(timeouts.request_body_idle),
        "request_body_min_rate": rate(timeouts.request_body_min_rate),
        "response_write_idle": may_be_off(timeouts.response_write_idle),
        "queue": on(timeouts.queue),
        "connect": on(timeouts.connect),
        "request_write_idle": may_be_off(timeouts.request_write_idle),
        "attempt_head": on(timeouts.attempt_head),
        "response_body_idle": may_be_off(timeouts.response_body_idle),
        "request": may_be_off(timeouts.request),
        "tunnel_idle": on(timeouts.tunnel_idle),
        "upstream_keep_alive": on(timeouts.upstream_keep_alive),
        "linger": on(timeouts.linger),
        "drain": on(timeouts.drain),
        "drain_delay": on(timeouts.drain_delay),
    })
}
