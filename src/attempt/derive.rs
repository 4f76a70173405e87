//! The one constructor of attempt heads, and with it all header hygiene.
//!
//! A pure function of the frozen request, the route's policy, the endpoint and
//! the number of the attempt. The order of the result: `Host`; what passes
//! through, in its order of first appearance; what the route sets; what the
//! router sets. `Via` lines received stay where they are and this node's own is
//! the last of them.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, MAX_FORWARDS, TE, UPGRADE, VIA};

use crate::attempt::head::{AttemptHead, AttemptParts};
use crate::attempt::hygiene::{connection_names, ends_here, members, names_nothing_that_passes};
use crate::attempt::policy::{
    Forwarded, HeadPolicy, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
};
use crate::attempt::upgrade;
use crate::http1::{FieldLines, Framing, Version, may_trail};
use crate::request::{RequestHead, max_forwards};

/// How many lines the router may add of its own: Host, three X-Forwarded, the
/// request id, Via, `TE`, `Upgrade`, and the `Connection` of those two.
const OWN_LINES: usize = 9;

/// Derives the head that attempt `number` (from 1) carries to `endpoint`.
pub fn derive(
    head: &RequestHead,
    policy: &HeadPolicy,
    endpoint: SocketAddr,
    number: u32,
) -> AttemptHead {
    let received = head.fields();
    let room = received.len() + OWN_LINES + policy.edits.set.len();
    let mut fields = FieldLines::sharing(received, room);
    fields.append(HOST, head.authority().clone());
    let found = pass_through(head, policy, &mut fields);
    if found.connection_names_fields {
        fields.retain(|name, _| policy.protects(name) || !connection_names(received, name));
    }
    policy.edits.apply(&mut fields);
    if policy.forwarded != Forwarded::Off {
        set_forwarded(head, policy, &found, &mut fields);
    }
    fields.append(policy.request_id.clone(), head.request_id().clone());
    if let Some(via) = &policy.via {
        fields.append(VIA, via.value(head.version()).clone());
    }
    let upgrade = if found.upgrade { upgrade::asked(head) } else { None };
    // Both are only valid beside the connection option of their name (RFC 9110
    // sections 10.1.4 and 7.8).
    match (found.takes_trailers, upgrade.is_some()) {
        (true, true) => fields.append(CONNECTION, HeaderValue::from_static("te, upgrade")),
        (true, false) => fields.append(CONNECTION, HeaderValue::from_static("te")),
        (false, true) => fields.append(CONNECTION, HeaderValue::from_static("upgrade")),
        (false, false) => {}
    }
    if found.takes_trailers {
        fields.append(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocols) = upgrade {
        fields.append(UPGRADE, protocols);
    }
    AttemptHead {
        endpoint,
        number,
        parts: AttemptParts {
            method: head.method().clone(),
            target: head.target().clone(),
            fields,
            framing: head.framing(),
        },
    }
}

/// The trailer section of a request as it goes to the endpoint: without fields
/// that may not trail, that `Connection` named, that the router vouches for, or
/// that the route sets or removes: who merges trailers into the head would have
/// the client's word after all.
pub fn request_trailers(
    head: &RequestHead,
    policy: &HeadPolicy,
    mut trailers: FieldLines,
) -> FieldLines {
    trailers.retain(|name, _| {
        may_trail(name)
            && !policy.protects(name)
            && !policy.edits.decide(name)
            // None of the fields may trail, whoever sends it: their aliases neither.
            && !policy.is_forged_alias(name, false)
            && !connection_names(head.fields(), name)
    });
    trailers
}

/// What the one pass over the received lines found out.
#[derive(Default)]
struct Found {
    connection_names_fields: bool,
    takes_trailers: bool,
    upgrade: bool,
    forwarded_proto: bool,
    forwarded_host: bool,
}

/// Copies the lines that may travel, in order.
fn pass_through(head: &RequestHead, policy: &HeadPolicy, fields: &mut FieldLines) -> Found {
    let trusted = head.client().trusted;
    let believed = trusted && policy.forwarded == Forwarded::Append;
    let mut found = Found::default();
    for (at, (name, value)) in head.fields().iter().enumerate() {
        let passes = match name.as_str() {
            "host" => false,
            "connection" => {
                found.connection_names_fields |= !names_nothing_that_passes(value.as_bytes());
                false
            }
            "te" => {
                found.takes_trailers |= members(value.as_bytes())
                    .any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                false
            }
            "upgrade" => {
                found.upgrade = true;
                false
            }
            "expect" => may_expect(head),
            "max-forwards" => match max_forwards::one_less(head.method(), value.as_bytes()) {
                Some(left) => {
                    fields.append(MAX_FORWARDS, left);
                    false
                }
                None => true,
            },
            "forwarded" => trusted,
            "x-forwarded-for" => policy.forwarded == Forwarded::Off,
            "x-forwarded-proto" => {
                found.forwarded_proto |= believed;
                believed || policy.forwarded == Forwarded::Off
            }
            "x-forwarded-host" => {
                found.forwarded_host |= believed;
                believed || policy.forwarded == Forwarded::Off
            }
            _ => passes_otherwise(name, policy, trusted),
        };
        if passes {
            fields.append_same(head.fields(), at);
        }
    }
    found
}

/// Whether `Expect` is passed on (RFC 9110 section 10.1.1). In HTTP/1.0 an
/// expectation is ignored, and such a client could not be sent the 100 it would
/// bring; without content to hold back there must be none.
fn may_expect(head: &RequestHead) -> bool {
    head.version() == Version::Http11
        && !matches!(head.framing(), Framing::None | Framing::Length(0))
}

fn passes_otherwise(name: &HeaderName, policy: &HeadPolicy, trusted: bool) -> bool {
    !ends_here(name) && *name != policy.request_id && !policy.is_forged_alias(name, trusted)
}

/// Adds what says where the request came from; what a trusted proxy said of it
/// already stands.
fn set_forwarded(head: &RequestHead, policy: &HeadPolicy, found: &Found, fields: &mut FieldLines) {
    let client = head.client();
    let believed = client.trusted && policy.forwarded == Forwarded::Append;
    let chain = believed.then(|| head.fields());
    // An embedder may not know who asks; a made-up address would be a lie.
    if !client.peer.ip().is_unspecified() {
        fields.append(X_FORWARDED_FOR, forwarded_for(chain, client.peer.ip()));
    }
    if !found.forwarded_proto {
        let proto = if client.secure { "https" } else { "http" };
        fields.append(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if !found.forwarded_host && !head.authority().is_empty() {
        fields.append(X_FORWARDED_HOST, head.authority().clone());
    }
}

/// The client's address, behind every address in the chain received. Several
/// lines are one list (RFC 9110 section 5.3) and are joined into one, because
/// servers differ in which line they read.
fn forwarded_for(chain: Option<&FieldLines>, peer: IpAddr) -> HeaderValue {
    let mut list = Vec::with_capacity(48);
    let name = X_FORWARDED_FOR;
    for value in chain.into_iter().flat_map(|received| received.all(&name)) {
        let value = value.as_bytes().trim_ascii();
        if !value.is_empty() {
            list.extend_from_slice(value);
            list.extend_from_slice(b", ");
        }
    }
    // An IPv4 client on a dual-stack listener is an IPv4 client.
    match peer.to_canonical() {
        IpAddr::V4(ip) => push_ipv4(&mut list, ip.octets()),
        // Writing to a Vec cannot fail.
        IpAddr::V6(ip) => drop(write!(list, "{ip}")),
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list))
        .expect("values received, joined with commas and an address, have no forbidden byte")
}

/// Dotted decimal without the formatting machinery, which costs more than the
/// rest of the derivation's router-set fields together.
fn push_ipv4(list: &mut Vec<u8>, octets: [u8; 4]) {
    for (at, octet) in octets.into_iter().enumerate() {
        if at > 0 {
            list.push(b'.');
        }
        if octet >= 100 {
            list.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            list.push(b'0' + octet / 10 % 10);
        }
        list.push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests;
