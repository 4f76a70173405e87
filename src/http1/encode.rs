//! Heads, written.
//!
//! Nothing a sender wrote can add a line here: methods, statuses, names and
//! values cannot hold CR or LF by their types, and the two parts that come as
//! bare bytes, the target and the reason phrase, are checked. Framing fields
//! are written from [`Framing`] and nowhere else, so that what the head says
//! and what the body does cannot differ. Names go out in lower case, and every
//! head as HTTP/1.1, the version this router conforms to, whatever the peer's
//! is (RFC 9110 section 2.5).

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{Method, StatusCode};

use super::octets::first_forbidden;
use super::{FieldLines, Framing, Version};

/// Appends a request head. Lines of `fields` that frame content are left out;
/// `framing` says it: [`Framing::None`] and [`Framing::UntilClose`] (which a
/// request cannot have) write nothing.
///
/// A byte of `target` that would end the target or the line (space or control
/// bytes; admission lets none pass) is written percent-encoded.
pub fn encode_request_head(
    out: &mut BytesMut,
    method: &Method,
    target: &[u8],
    fields: &FieldLines,
    framing: Framing,
) {
    out.reserve(method.as_str().len() + target.len() + 64 + size_hint(fields));
    out.extend_from_slice(method.as_str().as_bytes());
    out.extend_from_slice(b" ");
    write_target(out, target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(out, fields, |name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING);
    write_framing(out, framing);
    out.extend_from_slice(b"\r\n");
}

/// Appends a final response head for a client of `version`.
///
/// Lines of `fields` that frame content are left out; `framing` says it. Only
/// under [`Framing::None`] a Content-Length of `fields` stands as it is given,
/// for there (HEAD, 304) it tells of content that is not sent; a 204 goes
/// without. Towards HTTP/1.0 content is never chunked
/// ([`Framing::towards`] is applied here too, and is for the caller to follow).
///
/// `connection: close` is written if the connection ends here, by `keep_alive`
/// or by [`Framing::UntilClose`]; `connection: keep-alive` if an HTTP/1.0
/// client keeps it.
///
/// `reason` is written as received; without one, or if it holds a control byte,
/// the usual phrase of the status stands.
pub fn encode_response_head(
    out: &mut BytesMut,
    version: Version,
    status: StatusCode,
    reason: Option<&[u8]>,
    fields: &FieldLines,
    framing: Framing,
    keep_alive: bool,
) {
    let framing = framing.towards(version);
    let length_stands = framing == Framing::None && may_state_length(status);
    out.reserve(reason.map_or(32, <[u8]>::len) + 96 + size_hint(fields));
    write_status_line(out, status, reason);
    write_fields(out, fields, |name| {
        *name != TRANSFER_ENCODING && (length_stands || *name != CONTENT_LENGTH)
    });
    write_framing(out, framing);
    if !keep_alive || framing == Framing::UntilClose {
        out.extend_from_slice(b"connection: close\r\n");
    } else if version == Version::Http10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a 1xx head (RFC 9110 section 15.2), which has no framing and says
/// nothing about the connection. Never for a client of HTTP/1.0.
pub fn encode_informational(out: &mut BytesMut, status: StatusCode, fields: &FieldLines) {
    out.reserve(64 + size_hint(fields));
    write_status_line(out, status, None);
    write_fields(out, fields, |name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING);
    out.extend_from_slice(b"\r\n");
}

/// Appends the field lines that `keep` lets through.
pub(super) fn write_fields(
    out: &mut BytesMut,
    fields: &FieldLines,
    mut keep: impl FnMut(&HeaderName) -> bool,
) {
    for (name, value) in fields.iter() {
        if keep(name) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// About as many bytes as these lines take, so that a buffer grows once: those
/// received take what they took, and to look at each would cost as much as to
/// write it.
pub(super) fn size_hint(fields: &FieldLines) -> usize {
    fields.received_bytes() + OWN_LINE_BYTES * fields.len()
}

/// What a line set here takes, and more.
const OWN_LINE_BYTES: usize = 48;

fn write_status_line(out: &mut BytesMut, status: StatusCode, reason: Option<&[u8]>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    let reason = reason.filter(|reason| first_forbidden(reason).is_none());
    out.extend_from_slice(reason.unwrap_or_else(usual));
    out.extend_from_slice(b"\r\n");
}

fn write_target(out: &mut BytesMut, target: &[u8]) {
    let ends_target = |byte: u8| byte == b' ' || byte == b'\t';
    if first_forbidden(target).is_none() && !target.iter().copied().any(ends_target) {
        return out.extend_from_slice(target);
    }
    for &byte in target {
        if ends_target(byte) || first_forbidden(&[byte]).is_some() {
            let [high, low] = [byte >> 4, byte & 15].map(|half| b"0123456789ABCDEF"[half as usize]);
            out.extend_from_slice(&[b'%', high, low]);
        } else {
            out.extend_from_slice(&[byte]);
        }
    }
}

fn write_framing(out: &mut BytesMut, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            write_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn write_decimal(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// RFC 9110 section 8.6.
fn may_state_length(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests;
