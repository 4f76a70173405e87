//! Which keys stand where.
//!
//! One table of the whole file, because a good answer to an unknown key needs
//! all of it: the nearest key at that place, or the section where that very key
//! belongs, or that it is a feature this version does not have.

use super::findings::Fault;
use super::suggest::nearest;

/// The keys of one kind of table.
#[derive(Debug)]
pub(super) struct Shape {
    /// How a reader would name it, as `[timeouts]`; empty for the file itself.
    pub(super) name: &'static str,
    /// Every key that may stand in it.
    pub(super) keys: &'static [&'static str],
    /// Keys that are designed but not built.
    later: &'static [&'static str],
}

macro_rules! shapes {
    ($($id:ident = $name:literal [$($key:literal),* $(,)?] later [$($later:literal),*];)*) => {
        $(pub(super) static $id: Shape =
            Shape { name: $name, keys: &[$($key),*], later: &[$($later),*] };)*
        static ALL: &[&Shape] = &[$(&$id),*];
    };
}

shapes! {
    FILE = "" [
        "listener", "admin", "workers", "timeouts", "limits", "retry", "dns", "headers", "errors",
        "health", "access_log", "outlier", "adaptive_concurrency", "zone", "registry", "route",
    ] later [];
    LISTENER = "[[listener]]" [
        "address", "client_half_close", "tls", "proxy_protocol",
    ] later ["http2"];
    LISTENER_TLS = "tls of a listener" [
        "certificates", "min_version", "client_auth", "client_ca", "alpn",
    ] later [];
    CERTIFICATE = "a certificate" ["chain", "key", "ocsp", "client_auth", "client_ca"] later [];
    PROXY_PROTOCOL = "proxy_protocol" ["from"] later [];
    ADMIN = "[admin]" ["address", "token_file"] later [];
    WORKERS = "[workers]" ["threads"] later [];
    TIMEOUTS = "[timeouts]" [
        "tls_handshake", "proxy_protocol", "request_head", "keep_alive", "request_body_idle",
        "request_body_min_rate", "response_write_idle", "queue", "connect", "request_write_idle",
        "attempt_head", "response_body_idle", "request", "tunnel_idle", "upstream_keep_alive",
        "linger", "drain", "drain_delay",
    ] later [];
    LIMITS = "[limits]" [
        "connections", "request_head_bytes", "request_headers", "response_head_bytes",
        "request_body_bytes", "requests_in_flight", "replay_body_bytes", "linger_bytes",
        "informational", "tls_handshakes", "queue_requests",
    ] later [];
    RETRY = "[retry]" ["attempts", "budget_percent", "budget_min"] later [];
    DNS = "[dns]" [
        "servers", "timeout", "attempts", "min_ttl", "max_ttl", "negative_hold",
    ] later [];
    HEADERS = "[headers]" [
        "forwarded", "trusted_proxies", "forwarded_client_cert", "request_id", "via", "node_id",
    ] later [];
    ERRORS = "[errors]" ["expose_endpoints"] later [];
    HEALTH = "[health]" ["path", "user_agents"] later [];
    ACCESS_LOG = "[access_log]" ["path", "format"] later [];
    REGISTRY = "[registry]" [
        "grace", "endpoints", "max_requests", "tombstones", "tombstone_ttl", "tls", "ttl",
        "register_interval", "slow_start", "health_check", "nats", "snapshot",
    ] later [];
    ROUTE = "[[route]]" [
        "host", "path", "endpoints", "balance", "slow_start", "sticky", "outlier",
        "adaptive_concurrency",
        "max_requests", "queue_requests", "metrics",
        "request_headers", "response_headers",
        "timeouts", "request_body_idle", "request_body_min_rate", "queue", "connect",
        "request_write_idle", "attempt_head", "response_body_idle", "request", "tunnel_idle",
        "health_check",
    ] later ["tls"];
    ROUTE_TIMEOUTS = "[route.timeouts]" [
        "request_body_idle", "request_body_min_rate", "queue", "connect", "request_write_idle",
        "attempt_head", "response_body_idle", "request", "tunnel_idle",
    ] later [];
    HEALTH_CHECK = "health_check" [
        "path", "host", "interval", "timeout", "rise", "fall", "expect", "expect_body",
    ] later [];
    ENDPOINT = "an endpoint" [
        "address", "weight", "max_requests", "zone", "tls", "send_proxy",
    ] later [];
    ENDPOINT_TLS = "tls of an endpoint" [
        "server_name", "verify_san", "ca", "client_cert", "client_key",
    ] later [];
    OUTLIER = "[outlier]" [
        "enabled", "failures_in_a_row", "statuses", "success_percent", "min_requests", "window",
        "ejection", "ejection_max", "retry_after_max", "silence",
    ] later [];
    ROUTE_OUTLIER = "outlier" [
        "enabled", "failures_in_a_row", "statuses", "success_percent", "min_requests", "window",
        "ejection", "ejection_max", "retry_after_max", "silence",
    ] later [];
    ADAPTIVE = "[adaptive_concurrency]" [
        "enabled", "min_limit", "max_limit", "initial_limit", "tolerance_percent", "window",
        "measure_every",
    ] later [];
    ROUTE_ADAPTIVE = "adaptive_concurrency" [
        "enabled", "min_limit", "max_limit", "initial_limit", "tolerance_percent", "window",
        "measure_every",
    ] later [];
    STICKY = "sticky" [
        "cookie", "path", "domain", "max_age", "secure", "http_only", "same_site", "secret",
    ] later [];
    ZONE = "[zone]" ["name", "enough_percent"] later [];
    NATS = "[registry.nats]" ["urls", "credentials", "tls", "subject_prefix", "queue"] later [];
    NATS_TLS = "tls of [registry.nats]" ["ca", "cert", "key"] later [];
    HEADER_EDITS = "request_headers and response_headers" ["set", "remove"] later [];
}

impl Shape {
    /// Whether `key` may stand here.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    /// What to say about a key that may not.
    pub(super) fn unknown(&self, key: &str) -> Fault {
        if self.later.contains(&key) {
            return Fault::new("not supported by this version");
        }
        let unknown = Fault::new("unknown key");
        let in_route = matches!(self.name, "[[route]]" | "[route.timeouts]");
        if in_route && TIMEOUTS.has(key) {
            return Fault::new("this clock is global only").help("set it in [timeouts]");
        }
        if let Some(near) = nearest(key, self.keys.iter().copied()) {
            return unknown.help(format!("did you mean {near:?}?"));
        }
        let homes = homes(key);
        if !homes.is_empty() {
            return unknown.help(format!("it belongs in {}", homes.join(" or ")));
        }
        let place = if self.name.is_empty() { "at the top" } else { self.name };
        unknown.help(format!("{place} can have: {}", self.keys.join(", ")))
    }
}

/// The tables that have `key`. Of the two places for a route's clocks the
/// shorter one is named.
fn homes(key: &str) -> Vec<&'static str> {
    let named = |shape: &&&Shape| !matches!(shape.name, "" | "[route.timeouts]");
    let homes = ALL.iter().filter(named).filter(|shape| shape.has(key));
    homes.map(|shape| shape.name).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_every_clock_of_its_timeouts_table() {
        assert!(ROUTE_TIMEOUTS.keys.iter().all(|key| ROUTE.has(key)));
    }

    #[test]
    fn the_shipped_file_names_every_key() {
        let text = include_str!("../../deploy/pointsman.toml");
        let is_of_a_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let names = |key: &str| {
            text.match_indices(key).any(|(at, _)| {
                let before = text.as_bytes()[..at].last().is_none_or(|byte| !is_of_a_word(*byte));
                let rest = text[at + key.len()..].trim_start();
                before && (rest.starts_with('=') || rest.starts_with(']'))
            })
        };
        for shape in ALL {
            let missing: Vec<_> = shape.keys.iter().filter(|key| !names(key)).collect();
            assert!(missing.is_empty(), "{:?} of {:?}", missing, shape.name);
        }
    }

    #[test]
    fn a_routes_clocks_are_the_ones_from_queue_to_tunnel_idle_and_the_request_body_ones() {
        let queue = TIMEOUTS.keys.iter().position(|key| *key == "queue").unwrap();
        let tunnel = TIMEOUTS.keys.iter().position(|key| *key == "tunnel_idle").unwrap();
        let mut expected = vec!["request_body_idle", "request_body_min_rate"];
        expected.extend(&TIMEOUTS.keys[queue..=tunnel]);
        assert_eq!(ROUTE_TIMEOUTS.keys, expected);
    }
}
