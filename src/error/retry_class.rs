//! What a failed attempt lets the router do next.

use std::fmt;

/// How far an attempt that failed with some code can have got.
///
/// The most careful reading of the code alone, for explanations and docs. The
/// attempt itself counts its bytes and can know better: a reset before the
/// first byte went out, for one, is `NothingSent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// The endpoint has seen nothing of the request.
    NothingSent,
    /// The endpoint may have acted on the request.
    MaybeProcessed,
    /// A whole final response head had come.
    ResponseBegun,
}

impl RetryClass {
    /// The class in kebab case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingSent => "nothing-sent",
            Self::MaybeProcessed => "maybe-processed",
            Self::ResponseBegun => "response-begun",
        }
    }

    /// Which requests are tried again elsewhere, in words.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::NothingSent => "any method: the endpoint has seen nothing of the request",
            Self::MaybeProcessed => "idempotent methods only: the endpoint may have acted on it",
            Self::ResponseBegun => "never: the response had begun",
        }
    }
}

impl fmt::Display for RetryClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
