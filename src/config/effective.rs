//! The settings in force, as the admin side shows them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::adaptive::AdaptiveSettings;
use super::nats::NatsSettings;
use super::restart::NEEDS_RESTART;
use super::settings::{
    AccessLogFormat, AccessLogTarget, EndpointSettings, ForwardedClientCert, HeaderEdits,
    HealthCheck, ListenerSettings, OutlierSettings, RouteSettings, Settings, StickySettings,
    Timeouts,
};
use super::tls::{
    ClientAuth, ClientAuthSettings, EndpointTlsSettings, FileRef, ListenerTlsSettings, TlsVersion,
};
use super::units::format_duration;
use crate::attempt::Forwarded;

/// The settings with every default filled in, under the names of the file.
/// Nothing in it is secret: of the admin token only the file's name is known.
pub fn effective(settings: &Settings) -> Value {
    let limits = &settings.limits;
    let headers = &settings.headers;
    json!({
        "needs_restart": NEEDS_RESTART.map(|key| key.name),
        "needs_restart_except": NEEDS_RESTART
            .iter()
            .filter_map(|key| Some((key.name.to_owned(), key.but?.into())))
            .collect::<Map<_, _>>(),
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
            "tls_handshakes": limits.tls_handshakes,
            "queue_requests": limits.queue_requests,
        },
        "retry": {
            "attempts": settings.retry.attempts,
            "budget_percent": settings.retry.budget_percent,
            "budget_min": settings.retry.budget_min,
        },
        "dns": {
            "servers": settings.dns.servers,
            "timeout": format_duration(settings.dns.timeout),
            "attempts": settings.dns.attempts,
            "min_ttl": format_duration(settings.dns.terms.min_ttl),
            "max_ttl": format_duration(settings.dns.terms.max_ttl),
            "negative_hold": format_duration(settings.dns.terms.negative_hold),
        },
        "headers": {
            "forwarded": match headers.forwarded {
                Forwarded::Append => "append",
                Forwarded::Replace => "replace",
                Forwarded::Off => "off",
            },
            "trusted_proxies": headers.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "forwarded_client_cert": match headers.forwarded_client_cert {
                ForwardedClientCert::Strip => "strip",
                ForwardedClientCert::Set => "set",
                ForwardedClientCert::ForwardIfMtls => "forward_if_mtls",
                ForwardedClientCert::Pass => "pass",
            },
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
            "max_requests": settings.registry.max_requests.unwrap_or(0),
            "tombstones": settings.registry.tombstones,
            "tombstone_ttl": format_duration(settings.registry.tombstone_ttl),
            "tls": settings.registry.tls.as_ref().map(endpoint_tls),
            "ttl": format_duration(settings.registry.ttl),
            "register_interval": format_duration(settings.registry.register_interval),
            "slow_start": format_duration(settings.registry.slow_start),
            "health_check": settings.registry.health_check.as_ref().map(health_check),
            "nats": settings.registry.nats.as_ref().map(nats),
            "snapshot": settings.registry.snapshot.as_deref().unwrap_or(std::path::Path::new("")),
        },
        "outlier": outlier(&settings.outlier),
        "adaptive_concurrency": adaptive(&settings.adaptive),
        "zone": {
            "name": settings.zone.name,
            "enough_percent": settings.zone.enough_percent,
        },
        "route": settings.routes.iter().map(route).collect::<Vec<_>>(),
    })
}

fn listener(listener: &ListenerSettings) -> Value {
    json!({
        "address": listener.address,
        "client_half_close": if listener.half_close_allowed { "allow" } else { "close" },
        "tls": listener.tls.as_ref().map(listener_tls),
        "proxy_protocol": match &listener.proxy_protocol_from[..] {
            [] => Value::Null,
            from => json!({ "from": from.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        },
    })
}

fn nats(nats: &NatsSettings) -> Value {
    json!({
        "urls": nats.masked_urls().collect::<Vec<_>>(),
        "credentials": nats.credentials,
        "tls": nats.tls.as_ref().map(|tls| json!({ "ca": tls.ca, "cert": tls.cert, "key": tls.key })),
        "subject_prefix": nats.subject_prefix,
        "queue": nats.queue,
    })
}

fn route(route: &RouteSettings) -> Value {
    json!({
        "host": route.host,
        "path": route.path,
        "endpoints": route.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "balance": route.balance.to_string(),
        "slow_start": format_duration(route.slow_start),
        "sticky": route.sticky.as_ref().map(sticky),
        "outlier": outlier(&route.outlier),
        "adaptive_concurrency": adaptive(&route.adaptive),
        "queue_requests": route.queue_requests,
        "timeouts": timeouts(&route.timeouts),
        "request_headers": edits(&route.request_headers),
        "response_headers": edits(&route.response_headers),
        "metrics": route.metrics,
        "health_check": route.health_check.as_ref().map(health_check),
    })
}

fn endpoint(endpoint: &EndpointSettings) -> Value {
    json!({
        "address": endpoint.address.to_string(),
        "weight": endpoint.weight,
        "zone": endpoint.zone,
        "max_requests": endpoint.max_requests.unwrap_or(0),
        "tls": endpoint.tls.as_deref().map(endpoint_tls),
        "send_proxy": endpoint.send_proxy.then_some("v2"),
    })
}

/// Files are shown by name; what is in them is nobody's business.
fn name(file: &FileRef) -> Value {
    file.path.display().to_string().into()
}

fn client_auth(auth: &ClientAuthSettings) -> (&'static str, Option<Value>) {
    let mode = match auth.mode {
        ClientAuth::None => "none",
        ClientAuth::Request => "request",
        ClientAuth::Require => "require",
    };
    (mode, auth.ca.as_ref().map(name))
}

fn listener_tls(tls: &ListenerTlsSettings) -> Value {
    let certificates = tls.certificates.iter().map(|certificate| {
        let auth = certificate.client_auth.as_ref().unwrap_or(&tls.client_auth);
        let (mode, ca) = client_auth(auth);
        json!({
            "chain": name(&certificate.chain),
            "key": name(&certificate.key),
            "ocsp": certificate.ocsp.as_ref().map(name),
            "client_auth": mode,
            "client_ca": ca,
        })
    });
    let (mode, ca) = client_auth(&tls.client_auth);
    json!({
        "certificates": certificates.collect::<Vec<_>>(),
        "min_version": match tls.min_version {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        },
        "client_auth": mode,
        "client_ca": ca,
        "alpn": tls.alpn,
    })
}

fn endpoint_tls(tls: &EndpointTlsSettings) -> Value {
    json!({
        "server_name": tls.server_name,
        "verify_san": tls.verify_san,
        "ca": tls.ca.as_ref().map(name),
        "client_cert": tls.identity.as_ref().map(|(chain, _)| name(chain)),
        "client_key": tls.identity.as_ref().map(|(_, key)| name(key)),
    })
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

fn sticky(sticky: &StickySettings) -> Value {
    json!({
        "cookie": sticky.cookie.as_str(),
        "path": sticky.path,
        "domain": sticky.domain,
        "max_age": sticky.max_age.map(format_duration),
        "secure": sticky.secure,
        "http_only": sticky.http_only,
        "same_site": sticky.same_site.as_str().to_ascii_lowercase(),
        "secret": sticky.secrets.iter().map(|_| "***").collect::<Vec<_>>(),
    })
}

fn outlier(outlier: &OutlierSettings) -> Value {
    json!({
        "enabled": outlier.enabled,
        "failures_in_a_row": outlier.failures_in_a_row,
        "statuses": outlier.statuses,
        "success_percent": outlier.success_percent,
        "min_requests": outlier.min_requests,
        "window": format_duration(outlier.window),
        "ejection": format_duration(outlier.ejection),
        "ejection_max": format_duration(outlier.ejection_max),
        "retry_after_max": format_duration(outlier.retry_after_max),
        "silence": format_duration(outlier.silence),
    })
}

fn adaptive(adaptive: &AdaptiveSettings) -> Value {
    json!({
        "enabled": adaptive.enabled,
        "min_limit": adaptive.min_limit,
        "max_limit": adaptive.max_limit,
        "initial_limit": adaptive.initial_limit,
        "tolerance_percent": adaptive.tolerance_percent,
        "window": format_duration(adaptive.window),
        "measure_every": format_duration(adaptive.measure_every),
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
        "proxy_protocol": on(timeouts.proxy_protocol),
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
