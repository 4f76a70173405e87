//! One probe: a request on a connection of its own, and its answer judged.
//!
//! The connection is new each time and closed at the end: that an endpoint
//! takes connections is half of what is asked. The answer's content is read as
//! far as it fits a cap and the probe's time, which is kinder to an app than a
//! reset in the middle of its answer; what is longer is cut.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::clock::within;
use crate::endpoint::HealthCheck;
use crate::guard::{self, Guard};
use crate::http1::{
    BodyDecoder, Decoded, FieldLines, Framing, HeadLimits, HeadReader, ParsedResponse,
    encode_request_head,
};
use crate::proxy_protocol::Origin;
use crate::sync::Mutex;
use crate::transport::{Inbox, Outbox, Transport};
use crate::upstream::{Connect, ConnectError, Hop, Shortage, open};

/// What an answer's head may be at most.
const HEAD: HeadLimits = HeadLimits { bytes: 64 << 10, fields: 1_000 };
/// What is read of its content at most.
const BODY_BYTES: usize = 64 << 10;
/// Informational answers before the final one.
const INFORMATIONAL: usize = 8;
/// Who asks.
const AGENT: &str = concat!("pointsman/", env!("CARGO_PKG_VERSION"), " (health check)");

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nobody listens.
    #[error("nothing listens on its port")]
    Refused,
    /// It cannot be reached.
    #[error("no connection could be made: {0}")]
    Unreachable(io::ErrorKind),
    /// The router lacks what a connection needs; nothing was asked.
    #[error("the router {0}")]
    Shortage(Shortage),
    /// TLS failed.
    #[error("{0}")]
    Tls(String),
    /// It did not go on in time.
    #[error("{doing} took longer than {timeout_ms} ms")]
    TimedOut { doing: &'static str, timeout_ms: u128 },
    /// It closed or reset before its answer was there.
    #[error("it closed the connection before it had answered")]
    Closed,
    /// What it sent is no answer.
    #[error("its answer is not HTTP/1: {0}")]
    NotHttp(String),
    /// An answer, and not one that passes.
    #[error("it answered {}, and {expected} is expected", .got.as_u16())]
    Status { got: StatusCode, expected: String },
    /// The content is not the one that passes.
    #[error("its content lacks what is expected")]
    Content,
}

impl Fault {
    /// The value of the label `result`.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Shortage(_) => "shortage",
            Self::Tls(_) => "tls",
            Self::TimedOut { .. } => "timeout",
            Self::Closed => "closed",
            Self::NotHttp(_) => "not-http",
            Self::Status { .. } => "status",
            Self::Content => "content",
        }
    }

    /// Whether it says anything about the endpoint.
    pub(super) const fn is_verdict(&self) -> bool {
        !matches!(self, Self::Shortage(_))
    }
}

/// Probes `address` once; takes no longer than the check's timeout.
pub(super) async fn probe(
    connector: &dyn Connect,
    address: SocketAddr,
    hop: &Hop,
    check: &HealthCheck,
) -> Result<(), Fault> {
    let deadline = Instant::now() + check.timeout;
    let doing = Mutex::new("connecting");
    let judged = within(check.timeout, judge(connector, address, hop, check, &doing)).await;
    let mut content = judged.ok_or_else(|| {
        let timeout_ms = check.timeout.as_millis();
        Fault::TimedOut { doing: *doing.lock(), timeout_ms }
    })??;
    if guard::is_on(Guard::ProbeEnd) {
        // Passed already, however this ends.
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = within(left, content.drain()).await;
    } else {
        tokio::spawn(
            async move { while content.next().await.is_ok_and(|piece| piece.is_some()) {} },
        );
    }
    Ok(())
}

/// Asks, and reads as much of the answer as it takes to let it pass.
async fn judge(
    connector: &dyn Connect,
    address: SocketAddr,
    hop: &Hop,
    check: &HealthCheck,
    doing: &Mutex<&'static str>,
) -> Result<Content, Fault> {
    // Nobody is asked on behalf of a client.
    let opened = open(connector, address, hop, Origin::Unnamed).await;
    let mut stream = opened.map_err(|error| match error {
        ConnectError::Refused => Fault::Refused,
        ConnectError::TimedOut => Fault::Unreachable(io::ErrorKind::TimedOut),
        ConnectError::Failed(error) => Fault::Unreachable(error.kind()),
        ConnectError::Short(shortage) => Fault::Shortage(shortage),
        ConnectError::Tls(failure) => Fault::Tls(failure.to_string()),
    })?;
    *doing.lock() = "the request";
    let mut outbox = Outbox::default();
    let fields = fields(address, check);
    encode_request_head(outbox.head(), &Method::GET, check.path.as_bytes(), &fields, Framing::None);
    while !outbox.is_empty() {
        // One that answers before it has read all is heard all the same.
        if poll_fn(|cx| outbox.poll_write(&mut *stream, cx)).await.is_err() {
            outbox.clear();
        }
    }
    *doing.lock() = "the answer";
    let mut inbox = Inbox::new();
    let head = read_head(&mut *stream, &mut inbox).await?;
    if !check.expect.contains(head.status.as_u16()) {
        return Err(Fault::Status { got: head.status, expected: check.expect.to_string() });
    }
    let decoder = BodyDecoder::of_response(head.framing, HEAD);
    let mut content = Content { stream, inbox, decoder, room: BODY_BYTES };
    if let Some(text) = &check.expect_body {
        *doing.lock() = "the content of the answer";
        content.find(text.as_bytes()).await?;
    }
    Ok(content)
}

fn fields(address: SocketAddr, check: &HealthCheck) -> FieldLines {
    let host = check.host.clone().unwrap_or_else(|| address.to_string());
    let mut fields = FieldLines::with_capacity(4);
    // A host was checked when it was configured; an address is one.
    fields.append(HOST, HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("")));
    fields.append(USER_AGENT, HeaderValue::from_static(AGENT));
    fields.append(ACCEPT, HeaderValue::from_static("*/*"));
    fields.append(CONNECTION, HeaderValue::from_static("close"));
    fields
}

async fn read_head(stream: &mut dyn Transport, inbox: &mut Inbox) -> Result<ParsedResponse, Fault> {
    let mut reader = HeadReader::new();
    let mut informational = 0;
    loop {
        let read = reader.response(&mut inbox.bytes, &HEAD, &Method::GET);
        match read.map_err(|refusal| Fault::NotHttp(refusal.kind.to_string()))? {
            Some(head) if head.status.is_informational() && informational < INFORMATIONAL => {
                informational += 1;
                continue;
            }
            Some(head) => return Ok(head),
            None => {}
        }
        let filled = poll_fn(|cx| inbox.poll_fill(&mut *stream, cx)).await;
        if filled.unwrap_or(0) == 0 {
            return Err(Fault::Closed);
        }
    }
}

/// The content of an answer.
struct Content {
    stream: Box<dyn Transport>,
    inbox: Inbox,
    decoder: BodyDecoder,
    /// Bytes that may still be read.
    room: usize,
}

impl Content {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match self.decoder.decode(&mut self.inbox.bytes) {
                Ok(Decoded::Data(data)) => return Ok(Some(data)),
                Ok(Decoded::Trailers(_)) => {}
                Ok(Decoded::End) => return Ok(None),
                Err(refusal) => return Err(Fault::NotHttp(refusal.kind.to_string())),
                Ok(Decoded::NeedMore) => {
                    let filled = poll_fn(|cx| self.inbox.poll_fill(&mut *self.stream, cx)).await;
                    if filled.unwrap_or(0) == 0 && self.decoder.eof().is_err() {
                        return Err(Fault::Closed);
                    }
                }
            }
        }
    }

    /// Reads until `text` has come.
    async fn find(&mut self, text: &[u8]) -> Result<(), Fault> {
        let finder = memchr::memmem::Finder::new(text);
        let mut seen = BytesMut::new();
        while let Some(piece) = self.next().await? {
            let kept = piece.len().min(self.room);
            self.room -= kept;
            let from = seen.len().saturating_sub(text.len());
            seen.extend_from_slice(&piece[..kept]);
            if finder.find(&seen[from..]).is_some() {
                return Ok(());
            }
            if self.room == 0 {
                break;
            }
        }
        Err(Fault::Content)
    }

    /// Reads to the end, or as far as there is room.
    async fn drain(&mut self) {
        while let Ok(Some(piece)) = self.next().await {
            self.room = self.room.saturating_sub(piece.len());
            if self.room == 0 {
                return;
            }
        }
    }
}
