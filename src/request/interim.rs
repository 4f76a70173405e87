//! Where informational responses go.

use http::StatusCode;

use crate::http1::FieldLines;

/// Takes informational (1xx) responses on their way to the client (RFC 9110
/// section 15.2). Each is handed over by value; what can no longer be sent is
/// dropped there and never merged into anything.
pub trait InterimSink: Send + Sync {
    /// Passes one informational response on.
    ///
    /// # Errors
    /// If it was dropped, with why.
    fn send(&self, status: StatusCode, fields: FieldLines) -> Result<(), InterimDropped>;
}

/// Why an informational response was not passed on. They are hints; the
/// exchange goes on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterimDropped {
    /// The final head has been committed.
    Late,
    /// The client speaks HTTP/1.0, which has none.
    Version,
    /// The client has not taken what was sent to it before.
    Backlog,
}
