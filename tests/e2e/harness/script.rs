//! What a scripted endpoint does, step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Which request a script is for: both count from 0, the request within its
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// The connection, in the order they were accepted.
    pub(crate) connection: usize,
    /// The request on it.
    pub(crate) request: usize,
}

/// One thing an endpoint does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads a request head and writes it down. If the peer leaves before its
    /// first byte, the connection is over and the script with it.
    ReadHead,
    /// Reads the body that head announced, and writes it down.
    ReadBody,
    /// Reads so many bytes of whatever comes.
    ReadBytes(usize),
    /// Reads whatever comes, up to the end of the peer's side, and writes it
    /// down as the request's content.
    ReadToEnd,
    /// Sends back whatever comes, up to the end of the peer's side.
    EchoBytes,
    /// Shuts the sending side.
    Shut,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes in writes of `size` bytes, `pause` apart.
    SendInPieces {
        /// What to send.
        bytes: Vec<u8>,
        /// Bytes a write.
        size: usize,
        /// Time between two writes: this is the slowness, nothing waits on it.
        pause: Duration,
    },
    /// Sends so many bytes of the pattern, as they are or in chunks.
    SendPattern {
        /// How many.
        bytes: u64,
        /// Each piece as a chunk; the last chunk is left to another step.
        chunked: bool,
    },
    /// Answers 200 with the request as it was received: head, then content.
    Echo,
    /// Does what this script holds by the time the step is reached: what the
    /// answer will be can be decided after the request came.
    Defer(Arc<Mutex<Script>>),
    /// Does what this gives for the target of the request just read.
    ByTarget(fn(&str) -> Script),
    /// Waits until the test opens the gate.
    WaitFor(Gate),
    /// Opens a gate that the test waits at: the script has come this far.
    Open(Gate),
    /// Neither reads nor writes until the endpoint is dropped.
    Stall,
    /// Reads and discards until the peer has gone.
    UntilPeerLeaves,
    /// Closes. With input unread the system makes this a reset.
    Close,
    /// Resets.
    Reset,
}

/// The steps for one request. After the last one the connection is kept and
/// the next request's script begins, unless a step ended the connection.
pub(crate) type Script = Vec<Step>;

/// The behaviour of an ordinary app: read the request, say what was read.
pub(crate) fn echo() -> Script {
    vec![Step::ReadHead, Step::ReadBody, Step::Echo]
}

/// Reads the request, sends `bytes`, keeps the connection.
pub(crate) fn answering(bytes: impl AsRef<[u8]>) -> Script {
    vec![Step::ReadHead, Step::ReadBody, Step::Send(bytes.as_ref().to_vec())]
}

/// Reads the request, sends `bytes`, does `last`.
pub(crate) fn answering_then(bytes: impl AsRef<[u8]>, last: Step) -> Script {
    let mut script = answering(bytes);
    script.push(last);
    script
}

/// A plain answer with content.
pub(crate) fn ok(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{content}", content.len())
}

/// Shut until the test opens it; clones are the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Lets everyone through, now and later.
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was opened.
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
