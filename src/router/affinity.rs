//! What draws a request to one endpoint rather than another.

use crate::config::Settings;
use crate::endpoint::{Balance, HashOn, key};
use crate::request::{RequestHead, client_address, cookies};
use crate::router::NO_ADDRESS;

/// The number of what the balance hashes. `None` for another balance,
/// and for a request that has no such field or cookie, or an empty one: those
/// would all go to one endpoint if nothing were a key too.
pub(super) fn key(balance: &Balance, head: &RequestHead, settings: &Settings) -> Option<u64> {
    let Balance::Hash(on) = balance else { return None };
    let of_text = |text: &[u8]| (!text.is_empty()).then(|| key::of_bytes(text));
    match on {
        HashOn::Header(name) => of_text(head.fields().first(name)?.as_bytes()),
        HashOn::Cookie(name) => of_text(cookies(head.fields(), name.as_str()).next()?),
        HashOn::SourceIp => {
            let client = head.client();
            // Connections without an address, such as in-memory ones.
            if client.peer == NO_ADDRESS {
                return None;
            }
            let proxies = &settings.headers.trusted_proxies;
            let is_trusted = |ip| proxies.iter().any(|network| network.contains(ip));
            let peer = client.peer.ip();
            Some(key::of_ip(client_address(head.fields(), peer, client.trusted, is_trusted)))
        }
    }
}
