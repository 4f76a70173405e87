//! One JSON object a line, with every field every time: `null` where there is
//! nothing, so that columns stay columns.

use std::time::Duration;

use super::record::{AccessRecord, without_query};
use super::text::{push_json, push_plain};
use super::timestamp::Timestamp;

/// Appends the line of a record.
pub(super) fn push_line(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let mut line = Object { out, first: true };
    line.plain("time", Some(Timestamp::new(record.time).rfc3339()));
    line.text("request_id", Some(record.request_id));
    line.plain("client", Some(record.client));
    line.text("method", record.method);
    line.text("host", record.host);
    line.text("path", record.target.map(without_query));
    line.text("version", record.version.map(str::as_bytes));
    line.number("status", record.status);
    line.text("code", record.code.map(|code| code.as_str().as_bytes()));
    line.text("route", record.route.map(str::as_bytes));
    line.plain("endpoint", record.endpoint);
    line.number("attempts", Some(record.attempts));
    line.number("bytes_in", Some(record.bytes_in));
    line.number("bytes_out", Some(record.bytes_out));
    line.number("duration_ms", Some(Millis(record.duration)));
    line.number("head_ms", record.head.map(Millis));
    line.number("queue_ms", record.queue.map(Millis));
    line.text("user_agent", record.user_agent);
    line.text("referer", record.referer.map(without_query));
    line.text("tls", record.tls.map(str::as_bytes));
    line.text("trace_id", record.trace_id.map(str::as_bytes));
    out.extend_from_slice(b"}\n");
}

/// Milliseconds with three decimals.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let us = self.0.as_micros();
        write!(f, "{}.{:03}", us / 1_000, us % 1_000)
    }
}

struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        self.out.push(if self.first { b'{' } else { b',' });
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A string of anybody's making.
    fn text(&mut self, key: &str, value: Option<&[u8]>) {
        self.quoted(key, value, push_json);
    }

    /// A string of ours that needs no escape.
    fn plain(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        self.quoted(key, value, push_plain);
    }

    fn number(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        self.key(key);
        match value {
            Some(value) => push_plain(self.out, value),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn quoted<V>(&mut self, key: &str, value: Option<V>, push: impl Fn(&mut Vec<u8>, V)) {
        self.key(key);
        match value {
            Some(value) => {
                self.out.push(b'"');
                push(self.out, value);
                self.out.push(b'"');
            }
            None => self.out.extend_from_slice(b"null"),
        }
    }
}
