//! `application/problem+json` (RFC 9457).

use std::fmt::Write as _;

use http::HeaderValue;

use super::answer::{Ask, request_id_text, sentences};
use super::json::{push_member, push_name};
use crate::error::{AttemptRecord, RouterError};

/// The five members of RFC 9457 section 3.1, and as extensions `code`,
/// `stage`, `request_id` and `attempts`.
pub(super) fn body(error: &RouterError, ask: &Ask<'_>) -> String {
    let code = error.code;
    let mut out = String::with_capacity(512);
    out.push('{');
    push_member(&mut out, "type", &format!("urn:pointsman:error:{code}"));
    push_member(&mut out, "title", code.title());
    push_name(&mut out, "status");
    out.push_str(error.status().as_str());
    out.push(',');
    push_member(&mut out, "detail", &sentences(error, ask));
    push_member(&mut out, "instance", &instance(ask.request_id));
    push_member(&mut out, "code", code.as_str());
    push_member(&mut out, "stage", code.stage().as_str());
    push_member(&mut out, "request_id", &request_id_text(ask));
    push_name(&mut out, "attempts");
    out.push('[');
    for (n, attempt) in error.attempts.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        push_attempt(&mut out, attempt, ask.expose_endpoints);
    }
    out.push_str("]}\n");
    out
}

fn push_attempt(out: &mut String, attempt: &AttemptRecord, expose_endpoints: bool) {
    out.push('{');
    if expose_endpoints {
        push_member(out, "endpoint", &attempt.endpoint.to_string());
    }
    push_member(out, "outcome", attempt.outcome.as_str());
    push_name(out, "milliseconds");
    let micros = attempt.elapsed.as_micros();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}.{:03}}}", micros / 1000, micros % 1000);
}

/// A URN for this one occurrence: of the UUID namespace (RFC 9562 section 4)
/// if the request id is a UUID, else the id percent-encoded.
fn instance(request_id: &HeaderValue) -> String {
    let id = request_id.as_bytes();
    let mut urn = String::with_capacity(24 + id.len());
    urn.push_str(if is_uuid(id) { "urn:uuid:" } else { "urn:pointsman:request:" });
    for byte in id {
        // The unreserved characters of RFC 3986 section 2.3.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            urn.push(char::from(*byte));
        } else {
            let _ = write!(urn, "%{byte:02X}");
        }
    }
    urn
}

fn is_uuid(id: &[u8]) -> bool {
    id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance_of(id: &'static [u8]) -> String {
        instance(&HeaderValue::from_bytes(id).unwrap())
    }

    #[test]
    fn a_uuid_becomes_a_urn_of_its_own_namespace() {
        assert_eq!(
            instance_of(b"0190163d-8694-739b-aea5-966c26f8ad91"),
            "urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91"
        );
    }

    #[test]
    fn any_other_id_is_percent_encoded() {
        assert_eq!(instance_of(b"a b/\xff~"), "urn:pointsman:request:a%20b%2F%FF~");
        for no_uuid in
            [&b"0190163d-8694-739b-aea5-966c26f8ad9g"[..], b"0190163d-8694-739b-aea5-966c26f8ad9"]
        {
            assert!(instance_of(no_uuid).starts_with("urn:pointsman:request:0190"));
        }
    }
}
