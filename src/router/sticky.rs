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
