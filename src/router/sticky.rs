//! The cookie that keeps a client with an endpoint.
//!
//! Its value is a keyed hash of the endpoint's address (HMAC-SHA-256, the first
//! 128 bits): it tells nobody the address, and nobody without the key can make
//! one. Values are worked out when a route's endpoints are put together and only
//! looked up after that, so whatever a client sends, it can lead to an endpoint
//! of this route or to none. The route is no part of what is hashed: routes with
//! the same endpoints and the same cookie, as for two paths of one host, would
//! take each other's clients away.
//!
//! With several secrets the first makes the values, and those made with the
//! others still lead where they did and are replaced: so a secret can be changed
//! without moving a client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::OnceLock;

use aws_lc_rs::{hmac, rand};
use http::header::HeaderValue;

use crate::config::{SameSite, StickySettings};
use crate::endpoint::EndpointSet;
use crate::request::{RequestHead, cookies};

/// Bytes of a value before it is written in hexadecimal.
const VALUE_BYTES: usize = 16;

/// The cookie of one route, and whose each value is.
#[derive(Debug)]
pub(super) struct Sticky {
    settings: StickySettings,
    values: Vec<String>,
    owners: HashMap<Vec<u8>, Kept, foldhash::fast::RandomState>,
}

/// Whom a client's cookie keeps it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The endpoint's index.
    pub(super) index: usize,
    /// Whether the cookie was made with a secret that is to go.
    is_old: bool,
}

impl Kept {
    /// Whether a client that is with this endpoint need not be told.
    pub(super) fn holds(self, index: usize) -> bool {
        self.index == index && !self.is_old
    }
}

impl Sticky {
    pub(super) fn new(settings: &StickySettings, set: &EndpointSet) -> Self {
        let mut secrets: Vec<&[u8]> = settings.secrets.iter().map(|s| s.reveal()).collect();
        if secrets.is_empty() {
            secrets.push(own_secret());
        }
        let values = |secret: &[u8]| -> Vec<String> {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            set.endpoints().iter().map(|endpoint| value(&key, endpoint.address())).collect()
        };
        let mut owners = HashMap::default();
        // The first last: where one stands twice it is not old.
        for (place, secret) in secrets.iter().enumerate().rev() {
            let of_secret = values(secret).into_iter().enumerate();
            let kept = |(index, value): (usize, String)| {
                (value.into_bytes(), Kept { index, is_old: place > 0 })
            };
            owners.extend(of_secret.map(kept));
        }
        Self { settings: settings.clone(), values: values(secrets[0]), owners }
    }

    /// The endpoint the client was with, if its cookie is one of ours.
    pub(super) fn endpoint(&self, head: &RequestHead) -> Option<Kept> {
        let mut sent = cookies(head.fields(), self.settings.cookie.as_str());
        sent.find_map(|value| self.owners.get(value).copied())
    }

    /// The cookie that keeps the client with this endpoint.
    pub(super) fn cookie(&self, index: usize, head: &RequestHead) -> Option<HeaderValue> {
        let StickySettings { cookie, path, domain, max_age, secure, http_only, same_site, .. } =
            &self.settings;
        let mut text = format!("{}={}; Path={path}", cookie.as_str(), self.values.get(index)?);
        if let Some(domain) = domain {
            text += &format!("; Domain={domain}");
        }
        if let Some(max_age) = max_age {
            text += &format!("; Max-Age={}", max_age.as_secs().max(1));
        }
        if secure.unwrap_or(head.client().secure || *same_site == SameSite::None) {
            text += "; Secure";
        }
        if *http_only {
            text += "; HttpOnly";
        }
        text += &format!("; SameSite={}", same_site.as_str());
        HeaderValue::try_from(text).ok()
    }
}

fn value(key: &hmac::Key, address: SocketAddr) -> String {
    let tag = hmac::sign(key, format!("pointsman sticky {address}").as_bytes());
    tag.as_ref().iter().take(VALUE_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Made once in the life of the process.
fn own_secret() -> &'static [u8] {
    static SECRET: OnceLock<[u8; 32]> = OnceLock::new();
    SECRET.get_or_init(|| {
        let mut secret = [0; 32];
        // It fails only where the system has no randomness, and then TLS would
        // not work either; a guessable secret leads to no wrong endpoint.
        if rand::fill(&mut secret).is_err() {
            secret.fill_with(|| fastrand::u8(..));
        }
        secret
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::endpoint::{Balance, Choosing, EndpointState, Member};
    use crate::http1::{FieldLines, Framing, Version};
    use crate::request::{ClientInfo, RequestHeadParts, RequestHost};

    fn head(secure: bool) -> RequestHead {
        let address = ([192, 0, 2, 1], 443).into();
        RequestHead::new(RequestHeadParts {
            method: Method::GET,
            target: Bytes::from_static(b"/"),
            path: Bytes::from_static(b"/"),
            host: RequestHost::from_authority(b"a.test").unwrap(),
            authority: HeaderValue::from_static("a.test"),
            version: Version::Http11,
            fields: FieldLines::new(),
            framing: Framing::None,
            client: ClientInfo { peer: address, local: address, trusted: false, secure },
            request_id: HeaderValue::from_static("id"),
        })
    }

    /// The cookie's attributes behind its value.
    fn attributes(change: impl FnOnce(&mut StickySettings), secure: bool) -> String {
        let mut settings = StickySettings {
            cookie: "at".parse().unwrap(),
            path: "/".into(),
            domain: None,
            max_age: None,
            secure: None,
            http_only: false,
            same_site: SameSite::Lax,
            secrets: Vec::new(),
        };
        change(&mut settings);
        let endpoint = std::sync::Arc::new(EndpointState::new(([192, 0, 2, 9], 80).into(), 1));
        let member = Member { endpoint, weight: 1, near: true, since_ms: 0 };
        let set = EndpointSet::new(vec![member], Choosing::by(Balance::RoundRobin, 1));
        let cookie = Sticky::new(&settings, &set).cookie(0, &head(secure)).unwrap();
        let (_, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
        attributes.to_owned()
    }

    #[test]
    fn a_cookie_given_over_tls_is_sent_over_tls_alone_unless_the_route_says_otherwise() {
        assert_eq!(attributes(|_| {}, true), "Path=/; Secure; SameSite=Lax");
        assert_eq!(attributes(|_| {}, false), "Path=/; SameSite=Lax");
        assert_eq!(attributes(|s| s.secure = Some(false), true), "Path=/; SameSite=Lax");
        // Browsers drop it otherwise (RFC 6265bis section 5.7).
        let none = |s: &mut StickySettings| s.same_site = SameSite::None;
        assert_eq!(attributes(none, false), "Path=/; Secure; SameSite=None");
    }

    #[test]
    fn a_cookie_for_less_than_a_second_is_not_one_to_be_dropped_at_once() {
        let short = |s: &mut StickySettings| s.max_age = Some(Duration::from_millis(400));
        assert_eq!(attributes(short, false), "Path=/; Max-Age=1; SameSite=Lax");
    }
}
