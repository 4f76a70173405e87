//! The head one attempt carries.
//!
//! It is owned by the attempt alone: it cannot be cloned, nothing outside can
//! reach into it, and the round trip consumes it when it writes it. What comes
//! back from a round trip, a response or a [`Failure`](crate::attempt::Failure),
//! holds no part of it. So no late writer, no error handler and no second
//! attempt can ever meet on one list of fields; `tests/compile_fail/` shows that
//! trying to does not compile.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;

use crate::http1::{FieldLines, Framing};

/// The head of one attempt, made by [`derive`](crate::attempt::derive()) and
/// nowhere else.
#[derive(Debug)]
pub struct AttemptHead {
    pub(super) endpoint: SocketAddr,
    pub(super) number: u32,
    pub(super) parts: AttemptParts,
}

impl AttemptHead {
    /// The endpoint it was derived for, which is where the round trip takes it.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// The number of the attempt, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The method, which decides how the response is framed.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// How the request's body is framed towards the endpoint.
    pub fn framing(&self) -> Framing {
        self.parts.framing
    }

    /// Takes the head apart to be written; it is gone afterwards.
    pub fn into_parts(self) -> AttemptParts {
        self.parts
    }
}

/// What goes onto the wire. Not `Clone` either.
#[derive(Debug, PartialEq, Eq)]
pub struct AttemptParts {
    /// The method.
    pub method: Method,
    /// The request target, byte for byte.
    pub target: Bytes,
    /// The field lines, framing excepted.
    pub fields: FieldLines,
    /// What the encoder makes the framing fields from.
    pub framing: Framing,
}
