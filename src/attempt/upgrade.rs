//! Which upgrades a request may ask an endpoint for, and whether one was
//! granted (RFC 9110 section 7.8).
//!
//! `Upgrade` speaks to the next hop, so it is never passed on as it came: the
//! router asks for itself, with the members of the client's list that it would
//! tunnel, and only for a request that asks in earnest: HTTP/1.1, with the
//! connection option beside it. Any method may ask, with content too (container
//! engines do); the tunnel begins behind the content.
//!
//! Protocols that are HTTP again, or would hide it, are left out of the list. A
//! tunnel is opaque: requests inside one would meet no route, no limit and no
//! header hygiene, and an endpoint that speaks h2c would so be open to all of
//! its own network's trust.

use http::header::{CONNECTION, HeaderValue, UPGRADE};

use crate::attempt::hygiene::{connection_names, members};
use crate::http1::{FieldLines, Version};
use crate::request::RequestHead;

/// Names of protocols, in lower case, that could carry requests past the
/// router (RFC 9113 section 3.1, RFC 2817, RFC 9110 section 7.8).
const NEVER: [&[u8]; 5] = [b"h2c", b"h2", b"h3", b"http", b"tls"];

/// The protocols an attempt for this request asks for; `None` if the client
/// asked for none, or for none that may be had.
pub fn asked(head: &RequestHead) -> Option<HeaderValue> {
    let received = head.fields();
    let asks = head.version() == Version::Http11
        && received.contains(&UPGRADE)
        && connection_names(received, &UPGRADE);
    if !asks {
        return None;
    }
    let mut list = Vec::new();
    for protocol in received.all(&UPGRADE).flat_map(|value| members(value.as_bytes())) {
        if !is_protocol(protocol) {
            return None;
        }
        if !NEVER.iter().any(|never| name(protocol).eq_ignore_ascii_case(never)) {
            if !list.is_empty() {
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(protocol);
        }
    }
    HeaderValue::from_bytes(&list).ok().filter(|list| !list.is_empty())
}

/// The protocols a 101 switches to, if all were asked for.
///
/// # Errors
/// What is wrong with the answer, in one sentence.
pub fn granted(
    asked: Option<&HeaderValue>,
    answer: &FieldLines,
) -> Result<HeaderValue, &'static str> {
    let Some(asked) = asked else {
        return Err("the endpoint switched protocols without being asked");
    };
    if !connection_names(answer, &UPGRADE) {
        return Err("the endpoint switched protocols without the connection option that says so");
    }
    let mut list = Vec::new();
    for protocol in answer.all(&UPGRADE).flat_map(|value| members(value.as_bytes())) {
        if !members(asked.as_bytes()).any(|one| one.eq_ignore_ascii_case(protocol)) {
            return Err("the endpoint switched to a protocol that was not asked for");
        }
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(protocol);
    }
    let named = HeaderValue::from_bytes(&list).ok().filter(|list| !list.is_empty());
    named.ok_or("the endpoint switched protocols without saying to which")
}

/// Says on a head that the connection is switched, or is to be, to `protocols`.
pub fn append(fields: &mut FieldLines, protocols: HeaderValue) {
    fields.append(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.append(UPGRADE, protocols);
}

/// Whether a protocol is WebSocket (RFC 6455 section 4.1).
pub fn is_websocket(protocols: &[u8]) -> bool {
    protocols.eq_ignore_ascii_case(b"websocket")
}

/// `protocol-name ["/" protocol-version]`, both tokens.
fn is_protocol(member: &[u8]) -> bool {
    let mut parts = member.splitn(2, |byte| *byte == b'/');
    parts.all(|part| http::Method::from_bytes(part).is_ok())
}

fn name(protocol: &[u8]) -> &[u8] {
    protocol.split(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderName;

    fn answer(lines: &[(&'static str, &'static str)]) -> FieldLines {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn a_switch_is_granted_only_to_what_was_asked_for_and_said_in_full() {
        let asked = HeaderValue::from_static("websocket, foo/2");
        let granted = |lines: &[(&'static str, &'static str)]| {
            super::granted(Some(&asked), &answer(lines)).ok()
        };
        let option = ("connection", "keep-alive, Upgrade");
        for good in ["websocket", "WebSocket", "foo/2", "FOO/2, websocket"] {
            assert_eq!(granted(&[option, ("upgrade", good)]).unwrap(), good);
        }
        for bad in ["h2c", "foo", "foo/1", "websocket, h2c", "", ","] {
            assert_eq!(granted(&[option, ("upgrade", bad)]), None, "{bad:?}");
        }
        assert_eq!(granted(&[("upgrade", "websocket")]), None, "no option");
        assert_eq!(granted(&[option]), None, "no protocol");
        assert!(super::granted(None, &answer(&[option, ("upgrade", "websocket")])).is_err());
    }

    #[test]
    fn a_head_says_both_that_it_switches_and_to_what() {
        let mut fields = answer(&[]);
        append(&mut fields, HeaderValue::from_static("websocket"));
        let said = answer(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        assert_eq!(fields, said);
        assert!(is_websocket(b"WebSocket") && !is_websocket(b"websocket/13"));
    }

    #[test]
    fn a_protocol_is_a_token_and_perhaps_its_version() {
        for good in ["websocket", "foo/2", "a/1.0"] {
            assert!(is_protocol(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a/", "/a", "a/b/c", "a;b", "\"a\""] {
            assert!(!is_protocol(bad.as_bytes()), "{bad}");
        }
    }
}
