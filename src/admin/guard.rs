//! Who may do what on the admin side.
//!
//! - `/health*` and `/metrics` may be read by anyone: probes and scrapers have
//!   no secrets.
//! - Everything else needs the token, if one is set. Without one the side is
//!   served on loopback only, where a caller is somebody on this machine.
//! - Or a web page in that somebody's browser. A page can send a form to
//!   `127.0.0.1`, so a write with an `Origin` is refused; and it can rebind its
//!   own name to `127.0.0.1` and read what comes back, so a write with a
//!   foreign `Host` is refused, and so is a read that no token protects.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use super::control::Control;
use super::problem::Problem;
use super::token::Token;
use super::writes::Writes;

/// What the admin pages share.
#[derive(Clone)]
pub struct AdminState {
    control: Arc<dyn Control>,
    rules: Arc<Rules>,
    writes: Writes,
}

/// The admin side is bound off loopback and has no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the admin side on {0} can be reached from other machines: set admin.token_file")]
pub struct TokenRequired(pub SocketAddr);

impl AdminState {
    /// For an admin side bound to `address`.
    ///
    /// # Errors
    /// Off loopback without a token.
    pub fn new(
        control: Arc<dyn Control>,
        address: SocketAddr,
        token: Option<Token>,
    ) -> Result<Self, TokenRequired> {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(TokenRequired(address));
        }
        Ok(Self { control, rules: Arc::new(Rules { token }), writes: Writes::default() })
    }

    pub(super) fn control(&self) -> &dyn Control {
        &*self.control
    }

    /// Has `work` change routes, on account of a content of so many bytes; see
    /// [`Writes::make`].
    pub(super) async fn write<T: Send + 'static>(
        &self,
        content_bytes: usize,
        work: impl FnOnce(&dyn Control) -> T + Send + 'static,
    ) -> T {
        let control = self.control.clone();
        self.writes.make(content_bytes, move || work(&*control)).await
    }
}

/// The middleware in front of every page, missing ones included.
pub(super) async fn guard(
    State(state): State<AdminState>,
    request: Request,
    next: Next,
) -> Response {
    match state.rules.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[derive(Debug)]
struct Rules {
    token: Option<Token>,
}

impl Rules {
    fn check(&self, method: &Method, uri: &Uri, fields: &HeaderMap) -> Result<(), Problem> {
        let write = !method.is_safe();
        if !write && is_public(uri.path()) {
            return Ok(());
        }
        if write && fields.contains_key(header::ORIGIN) {
            let detail = "a request that changes something may not come from a web page (Origin)";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        if (write || self.token.is_none()) && !is_own_host(uri, fields) {
            let detail = "the Host is foreign: address the admin side by IP or as localhost";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        match &self.token {
            Some(token) if !bears(token, fields) => {
                let detail = "this needs the token of admin.token_file, as Authorization: Bearer";
                Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
            }
            _ => Ok(()),
        }
    }
}

fn is_public(path: &str) -> bool {
    path == "/metrics" || path == "/health" || path.starts_with("/health/")
}

fn bears(token: &Token, fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::AUTHORIZATION).iter();
    match (lines.next(), lines.next()) {
        (Some(only), None) => token.admits(only.as_bytes()),
        _ => false,
    }
}

/// Whether every name the request calls this server by is an IP address or
/// `localhost`. An HTTP/1.0 request may call it nothing; browsers never do.
fn is_own_host(uri: &Uri, fields: &HeaderMap) -> bool {
    let named = fields.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    let mut names = named.chain(uri.authority().map(|authority| authority.as_str()));
    names.all(is_own_name)
}

fn is_own_name(authority: &str) -> bool {
    let host = without_port(authority);
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok()
}

/// The host of `host:port` or `[v6]:port`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_own_names_and_nothing_else_is() {
        let own = ["127.0.0.1", "127.0.0.1:9901", "10.0.0.1", "[::1]:9901", "[::1]", "LOCALHOST:1"];
        for name in own {
            assert!(is_own_name(name), "{name}");
        }
        let foreign = [
            "evil.example",
            "evil.example:9901",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "user@127.0.0.1",
            "127.0.0.1:80:90",
            "localhost.",
        ];
        for name in foreign {
            assert!(!is_own_name(name), "{name}");
        }
    }

    #[test]
    fn a_path_that_only_begins_like_a_public_one_is_not_public() {
        for path in ["/health", "/health/live", "/metrics"] {
            assert!(is_public(path), "{path}");
        }
        for path in ["/healthy", "/metrics/x", "/", "/routes", "//metrics"] {
            assert!(!is_public(path), "{path}");
        }
    }
}
