//! The response commit: of everything that could answer an exchange, one final
//! head does.
//!
//! A winning attempt, an error, a deadline and the departure of the client may
//! come in any order, and a late informational response after each of them. All
//! of it happens in one task, so what keeps them apart is ownership and not a
//! lock:
//!
//! - [`Fresh`] is the right to write the final head. An exchange has one; it
//!   cannot be cloned, and [`Fresh::commit`] uses it up. A second head does not
//!   compile.
//! - [`InterimGate`] says whether an informational response may still go out. It
//!   is what the forwarder of informational responses sees of the exchange: a
//!   question, and no head to write into. The commit closes it.
//! - [`Content`] is what a commit turns into: content flows until it is whole or
//!   broken, whichever is first, and then nothing follows.
//!
//! A client that leaves before the head drops [`Fresh`]: no head is ever due.

use crate::error::Code;
use crate::http1::Version;
use crate::request::InterimDropped;

/// Whether informational (1xx) responses may go out.
#[derive(Debug)]
pub struct InterimGate {
    closed: Option<InterimDropped>,
}

/// The right to write the one final head of an exchange.
#[derive(Debug)]
#[must_use = "an exchange is answered by committing a head"]
pub struct Fresh(());

/// The content behind a committed head.
#[derive(Debug)]
#[must_use = "how the content ended decides what becomes of the connection"]
pub struct Content {
    end: Option<Result<(), Code>>,
}

impl InterimGate {
    /// The gate of an exchange that has not begun: nothing passes.
    pub fn closed() -> Self {
        Self { closed: Some(InterimDropped::Late) }
    }

    /// Begins an exchange with a client of this version: the gate opens, if the
    /// client knows informational responses (RFC 9110 section 15.2).
    pub fn open(&mut self, version: Version) -> Fresh {
        self.closed = match version {
            Version::Http10 => Some(InterimDropped::Version),
            Version::Http11 => None,
        };
        Fresh(())
    }

    /// Asks to send one informational response.
    ///
    /// # Errors
    /// If it must be dropped, with why.
    pub fn admit(&self) -> Result<(), InterimDropped> {
        self.closed.map_or(Ok(()), Err)
    }
}

impl Fresh {
    /// Commits the final head: from here on nothing else can be the answer, and
    /// informational responses are late.
    pub fn commit(self, gate: &mut InterimGate) -> Content {
        gate.closed = Some(InterimDropped::Late);
        Content { end: None }
    }
}

impl Content {
    /// Whether content may follow.
    pub fn flows(&self) -> bool {
        self.end.is_none()
    }

    /// The content is whole.
    pub fn finish(&mut self) {
        self.end.get_or_insert(Ok(()));
    }

    /// The content will not be whole. It stays so, and the first cause stays.
    pub fn fail(&mut self, code: Code) {
        self.end.get_or_insert(Err(code));
    }

    /// How it ended, if it did; with the cause if it is not whole.
    pub fn end(&self) -> Option<Result<(), Code>> {
        self.end
    }
}

#[cfg(test)]
mod tests;
