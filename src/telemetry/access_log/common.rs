//! The Common Log Format: `host ident authuser [date] "request" status bytes`.

use super::record::{AccessRecord, without_query};
use super::text::{push_common, push_plain};
use super::timestamp::Timestamp;

/// Appends the line of a record; `-` stands for no status and for no bytes.
pub(super) fn push_line(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_plain(out, record.client.ip());
    out.extend_from_slice(b" - - [");
    push_plain(out, Timestamp::new(record.time).common());
    out.extend_from_slice(b"] \"");
    push_common(out, record.method);
    out.push(b' ');
    push_common(out, without_query(record.target));
    out.push(b' ');
    push_common(out, record.version.as_bytes());
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
