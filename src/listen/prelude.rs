//! What comes before HTTP on a client's connection: a PROXY header from a
//! balancer, then TLS. Each under its clock, and none of it in the way of a
//! listener that has neither.

use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use tokio::io::{AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;

use crate::clock::within;
use crate::config::ListenerSettings;
use crate::error::Code;
use crate::listen::connections::ConnectionEntry;
use crate::listen::tls::{Arrived, arrive};
use crate::proxy_protocol::{self, Malformed, Origin, Step};
use crate::request::ClientAddress;
use crate::router::{ConnectionFailure, Router, WorkerRouter};
use crate::telemetry::Seldom;
use crate::transport::{HandshakeError, Transport};

/// Between two lines of the log, and two entries under `/errors`, about
/// connections that came to nothing: a scanner must not fill them. The metrics
/// count them all.
const LOG_EVERY_MS: u64 = 100;

/// As many are told at once after a pause: clients that fail together may
/// fail for different reasons.
const LOG_AT_ONCE: u64 = 10;

/// The preludes of one worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Preludes {
    handshakes: AtomicUsize,
    log: Seldom,
}

/// Why no request can come on a connection.
#[derive(Debug)]
struct Refusal {
    code: Code,
    detail: String,
    /// The server name asked for, if it came to that.
    host: Option<String>,
}

impl Refusal {
    fn new(code: Code, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string(), host: None }
    }
}

/// One connection before HTTP.
pub(super) struct Prelude {
    pub(super) stream: TcpStream,
    pub(super) client: ClientAddress,
    pub(super) listener: Arc<ListenerSettings>,
    /// The listener's place in the configuration.
    pub(super) index: usize,
    pub(super) router: Router,
    pub(super) preludes: Arc<Preludes>,
}

impl Prelude {
    /// The stream that HTTP is spoken on, and its client; `None` if the
    /// connection came to nothing, which has been logged and counted.
    pub(super) async fn pass(
        mut self,
        entry: &ConnectionEntry,
    ) -> Option<(Box<dyn Transport>, ClientAddress)> {
        let (router, preludes) = (self.router.clone(), self.preludes.clone());
        let began = Instant::now();
        let named = self.name_client(entry).await;
        let client = self.client.peer;
        let passed = match named {
            Ok(Passed::Through) => self.secure(entry).await,
            Ok(Passed::Closed) => return None,
            Err(refusal) => Err(refusal),
        };
        match passed {
            Ok(passed) => {
                entry.greeted();
                passed
            }
            Err(Refusal { code, detail, host }) => {
                let failure = ConnectionFailure { code, detail, client, host, began };
                preludes.report(router.worker(), failure);
                None
            }
        }
    }

    /// Reads the PROXY header, if the peer is one that sends it.
    async fn name_client(&mut self, entry: &ConnectionEntry) -> Result<Passed, Refusal> {
        let peer = self.client.peer.ip();
        if !self.listener.proxy_protocol_from.iter().any(|network| network.contains(peer)) {
            return Ok(Passed::Through);
        }
        let patience = self.router.pin().settings.timeouts.proxy_protocol;
        let refused = |why: &str| Refusal::new(Code::ProxyProtocolInvalid, why);
        let stream = &mut self.stream;
        let read = async {
            match first_byte(stream, entry).await {
                Passed::Through => origin(stream).await.map(Some),
                Passed::Closed => Ok(None),
            }
        };
        let read = within(patience, read).await;
        match read.ok_or_else(|| refused("the PROXY header did not come in time"))? {
            Ok(None) => Ok(Passed::Closed),
            Ok(Some(Origin::Client { source, destination })) => {
                self.client.peer = source;
                self.client.local = destination;
                Ok(Passed::Through)
            }
            Ok(Some(Origin::Unnamed)) => Ok(Passed::Through),
            // A look whether the port is open, as balancers do.
            Err(HeaderError::Silent) => Ok(Passed::Closed),
            Err(HeaderError::Malformed(why)) => Err(refused(&why.to_string())),
            Err(HeaderError::Closed) => {
                Err(refused("the connection ended within its PROXY header"))
            }
        }
    }

    async fn secure(
        self,
        entry: &ConnectionEntry,
    ) -> Result<Option<(Box<dyn Transport>, ClientAddress)>, Refusal> {
        let Self { mut stream, mut client, listener, index, router, preludes } = self;
        if listener.tls.is_none() {
            return Ok(Some((Box::new(stream), client)));
        }
        let failed = |why: &dyn std::fmt::Display| Refusal::new(Code::TlsHandshakeFailed, why);
        let (context, patience, limit) = {
            let snapshot = router.pin();
            let settings = &snapshot.settings;
            let limit = settings.limits.tls_handshakes / router.worker().shared.workers;
            let context = snapshot.listener_tls(index).cloned();
            (context, settings.timeouts.tls_handshake, limit.max(1))
        };
        let Some(context) = context else {
            return Err(failed(&"the listener has no certificates any more"));
        };
        let mut host = None;
        let arriving = async {
            match first_byte(&mut stream, entry).await {
                Passed::Through => {
                    // Not before: who says nothing keeps nobody out.
                    let Some(_slot) = Slot::take(&preludes.handshakes, limit) else {
                        return Ok(Some(None));
                    };
                    let arrived = arrive(Box::new(stream), index, &context, &mut host).await;
                    arrived.map(|arrived| Some(Some(arrived)))
                }
                Passed::Closed => Ok(None),
            }
        };
        match within(patience, arriving).await {
            Some(Ok(None)) => Ok(None),
            Some(Ok(Some(None))) => {
                Err(failed(&"as many handshakes are under way as limits.tls_handshakes allows"))
            }
            Some(Ok(Some(Some(Arrived::Tls(stream))))) => {
                client.secure = true;
                Ok(Some((stream, client)))
            }
            Some(Ok(Some(Some(Arrived::PlainHttp)))) => {
                Err(failed(&"the client speaks HTTP without TLS"))
            }
            // A look whether the port is open, as balancers do.
            Some(Err(HandshakeError::Silent)) => Ok(None),
            Some(Err(error)) => Err(Refusal { host, ..failed(&error) }),
            None => {
                let code = Code::TlsHandshakeTimeout;
                Err(Refusal { host, ..Refusal::new(code, code.summary()) })
            }
        }
    }
}

impl Preludes {
    /// Says that a connection came to nothing: always in the metrics and the
    /// access log, which are bounded themselves; else as often as may be.
    fn report(&self, worker: &WorkerRouter, failure: ConnectionFailure) {
        let now_ms = worker.shared.now_ms(Instant::now());
        let said = self.log.turn_of(LOG_AT_ONCE, now_ms, LOG_EVERY_MS);
        if let Some(unsaid) = said {
            let ConnectionFailure { code, detail, client, .. } = &failure;
            tracing::info!(%code, %client, unsaid, "a connection came to nothing: {detail}");
        }
        worker.connection_failed(failure, said.is_some());
    }
}

/// One of the handshakes under way.
struct Slot<'a>(&'a AtomicUsize);

impl<'a> Slot<'a> {
    fn take(under_way: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let slot = Self(under_way);
        (under_way.fetch_add(1, Relaxed) < limit).then_some(slot)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

enum HeaderError {
    Malformed(Malformed),
    /// The peer left within it.
    Closed,
    /// The peer left without a byte.
    Silent,
}

/// Reads a PROXY header and not a byte of what follows it.
async fn origin(stream: &mut TcpStream) -> Result<Origin, HeaderError> {
    let mut read = Vec::with_capacity(64);
    loop {
        match proxy_protocol::step(&read).map_err(HeaderError::Malformed)? {
            Step::Done(origin) => return Ok(origin),
            Step::Read(most) => {
                let mut part = (&mut *stream).take(most as u64);
                match part.read_buf(&mut read).await {
                    Ok(0) | Err(_) if read.is_empty() => return Err(HeaderError::Silent),
                    Ok(0) | Err(_) => return Err(HeaderError::Closed),
                    Ok(_) => {}
                }
            }
        }
    }
}

/// Whether a connection of this listener has anything before HTTP.
pub(super) fn has_any(listener: &ListenerSettings) -> bool {
    listener.tls.is_some() || !listener.proxy_protocol_from.is_empty()
}

/// Whether to go on with a connection.
enum Passed {
    Through,
    /// It closes with its listener, or has.
    Closed,
}

/// Waits for the first byte, or for the end of the patience with silent
/// connections: what has begun is let finish, under its own clock.
async fn first_byte(stream: &mut TcpStream, entry: &ConnectionEntry) -> Passed {
    let mut byte = [MaybeUninit::uninit(); 1];
    poll_fn(|cx| match stream.poll_peek(cx, &mut ReadBuf::uninit(&mut byte)) {
        // The end, too: what to say of it is not decided here.
        Poll::Ready(_) => Poll::Ready(Passed::Through),
        // The runtime may not have heard of what the system has taken for us.
        Poll::Pending
            if entry.closes_idle_in().is_some_and(|patience| patience.is_zero())
                && !stream.is_disturbed() =>
        {
            Poll::Ready(Passed::Closed)
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Waits no longer than the router lets it be: a connection that has to make
/// room ends here as it would idle.
pub(super) async fn unless_evicted<T>(
    entry: &ConnectionEntry,
    // On the heap, so that it is gone while requests are served.
    mut passing: Pin<Box<impl Future<Output = Option<T>>>>,
) -> Option<T> {
    poll_fn(|cx| match passing.as_mut().poll(cx) {
        Poll::Pending if entry.is_evicted() => Poll::Ready(None),
        polled => polled,
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::listen::connections::Connections;
    use crate::telemetry::metrics::Metrics;

    /// Longer than anybody is waited for.
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_connection_that_is_new_is_waited_for_a_while_though_the_silent_close() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = listener.accept().unwrap().0;
        accepted.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(accepted).unwrap();
        let connections = Connections::new(Metrics::new(1).worker(0));
        let entry = connections.enter(([127, 0, 0, 1], 40_000).into());
        connections.close_silent();
        let mut first = Box::pin(first_byte(&mut stream, &entry));
        let waits = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
        // On a machine that stood still for all of it, its time is over.
        let is_over = entry.closes_idle_in().is_some_and(|patience| patience.is_zero());
        assert!(waits || is_over);
    }

    #[tokio::test]
    async fn bytes_the_runtime_has_not_heard_of_are_a_beginning() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = listener.accept().unwrap().0;
        accepted.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(accepted).unwrap();
        let connections = Connections::new(Metrics::new(1).worker(0)).aged(LONG);
        let entry = connections.enter(([127, 0, 0, 1], 40_000).into());
        // Its time is over.
        entry.active();
        entry.idle(Instant::now() - LONG);
        let mut first = Box::pin(first_byte(&mut stream, &entry));
        let mut waits =
            async || poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
        assert!(waits().await, "nothing has come, and nobody closes");
        client.write_all(b"\x16").unwrap();
        connections.close_silent();
        assert!(waits().await, "it has begun");
        assert!(matches!(first.await, Passed::Through));
        let mut silent = stream;
        let mut byte = [0];
        silent.read_exact(&mut byte).await.unwrap();
        assert!(matches!(first_byte(&mut silent, &entry).await, Passed::Closed));
    }
}
