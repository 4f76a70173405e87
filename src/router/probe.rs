//! Which requests on a traffic listener ask for the router's own health.
//!
//! An app's `/health` under its hostname is the app's; the router answers only
//! where no app can have been meant.

use http::Method;
use http::header::{HOST, USER_AGENT};

use crate::config::HealthSettings;
use crate::http1::{ParsedRequest, Version};
use crate::request::RequestHost;

/// Whether this is a health probe of the router: its path, by GET or HEAD, to
/// an IP literal, or by HTTP/1.0 without Host, or by a listed user agent for a
/// host that no route has.
pub(super) fn asks_for_health(
    request: &ParsedRequest,
    health: &HealthSettings,
    has_route: impl Fn(&str) -> bool,
) -> bool {
    let path = request.target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path != health.path.as_bytes() || !matches!(request.method, Method::GET | Method::HEAD) {
        return false;
    }
    let mut lines = request.fields.all(&HOST);
    let (host, second) = (lines.next(), lines.next());
    let Some(host) = host else { return request.version == Version::Http10 };
    let Ok(host) = RequestHost::from_authority(host.as_bytes()) else { return false };
    if second.is_some() || has_route(host.lookup()) {
        return false;
    }
    host.is_ip_literal() || is_listed(request, health)
}

fn is_listed(request: &ParsedRequest, health: &HealthSettings) -> bool {
    let agent = request.fields.first(&USER_AGENT);
    agent.is_some_and(|agent| {
        health.user_agents.iter().any(|listed| listed.as_bytes() == agent.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::http1::{HeadLimits, HeadReader};

    fn asks(head: &str) -> bool {
        let health = HealthSettings { path: "/health".into(), user_agents: vec!["probe/1".into()] };
        let mut bytes = BytesMut::from(head.replace('|', "\r\n").as_bytes());
        let limits = HeadLimits { bytes: 4096, fields: 10 };
        let request = HeadReader::new().request(&mut bytes, &limits).unwrap().unwrap();
        asks_for_health(&request, &health, |host| host == "app.example" || host == "10.0.0.9")
    }

    #[test]
    fn only_what_cannot_be_meant_for_an_app_is_a_probe() {
        for probe in [
            "GET /health HTTP/1.1|Host: 10.0.0.1:8080||",
            "HEAD /health HTTP/1.1|Host: [::1]||",
            "GET /health?x=1 HTTP/1.1|Host: 127.0.0.1||",
            "GET /health HTTP/1.0||",
            "GET /health HTTP/1.1|Host: lb.example|User-Agent: probe/1||",
        ] {
            assert!(asks(probe), "{probe}");
        }
        for other in [
            "GET /health HTTP/1.1||",
            "GET /health HTTP/1.1|Host: app.example||",
            "GET /health HTTP/1.1|Host: app.example|User-Agent: probe/1||",
            "GET /health HTTP/1.1|Host: lb.example|User-Agent: probe/12||",
            "GET /health HTTP/1.1|Host: 10.0.0.9||",
            "GET /health HTTP/1.1|Host: 10.0.0.1|Host: 10.0.0.1||",
            "POST /health HTTP/1.1|Host: 10.0.0.1|Content-Length: 0||",
            "GET /healthz HTTP/1.1|Host: 10.0.0.1||",
        ] {
            assert!(!asks(other), "{other}");
        }
    }
}
