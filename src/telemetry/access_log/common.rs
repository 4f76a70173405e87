//! The Common Log Format: `host ident authuser [date] "request" status bytes`.

use super::record::{AccessRecord, without_query};
use super::text::{push_common, push_plain};
use super::timestamp::Timestamp;

/// Appends the line of a record; `-` stands for what is not known or not there.
pub(super) fn push_line(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_plain(out, record.client.ip());
    out.extend_from_slice(b" - - [");
    push_plain(out, Timestamp::new(record.time).common());
    out.extend_from_slice(b"] \"");
    push_request(out, record);
    out.extend_from_slice(b"\" ");
    match record.status {
        Some(status) => push_plain(out, status),
        None => out.push(b'-'),
    }
    out.push(b' ');
    match record.bytes_out {
        0 => out.push(b'-'),
        bytes => push_plain(out, bytes),
    }
    out.push(b'\n');
}

/// The request line, each part of it that could not be read a `-`; the whole of
/// it one, if there was none.
fn push_request(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let target = record.target.map(without_query);
    let version = record.version.map(str::as_bytes);
    if record.method.or(target).or(version).is_none() {
        out.push(b'-');
        return;
    }
    push_common(out, record.method.unwrap_or(b"-"));
    out.push(b' ');
    push_common(out, target.unwrap_or(b"-"));
    out.push(b' ');
    push_common(out, version.unwrap_or(b"-"));
}
