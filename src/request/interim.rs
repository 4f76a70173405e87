//! Where informational responses go.

use http::StatusCode;

use crate::http1::FieldLines;

/// Takes informational (1xx) responses on their way to the client (RFC 9110
/// section 15.2). Each is handed over by value; what can no longer be sent,
/// because the final head has been committed or the client speaks HTTP/1.0, is
/// dropped there and never merged into anything.
pub trait InterimSink: Send + Sync {
    /// Passes one informational response on; false if it was dropped.
    fn send(&self, status: StatusCode, fields: FieldLines) -> bool;
}
