//! HTTP/1 client connections: one task each, one request at a time.

mod connection;
mod linger;
mod reply;
mod tunnel;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use crate::config::Settings;
use crate::guard::{self, Guard};
use crate::http1::{Framing, HeadLimits, HeadReader, ParsedRequest, Refusal, SeenHead, Version};
use crate::listen::connections::ConnectionEntry;
use crate::listen::tls::TlsFacts;
use crate::request::{Arrival, ClientAddress, InterimSink, RequestBody};
use crate::respond::Reply;
use crate::respond::commit::Fresh;
use crate::route::Pinned;
use crate::router::{Router, Snapshot};
use crate::sync::Mutex;
use crate::transport::Transport;

use connection::{BodyTerms, ClientBody, ClientConnection};
use reply::{ReplyTerms, write_reply};

/// A connection as one task's parts share it; see [`connection`].
type SharedConnection = Arc<Mutex<ClientConnection>>;

/// What a client's connection brought next.
enum Next {
    Request(Box<ParsedRequest>),
    /// Refused, and since when the head had been coming, if not all at once.
    Refused(Refusal, Option<Instant>),
    /// The head stopped coming; so much of it had come since then.
    HeadTimeout(Option<Box<SeenHead>>, Instant),
    /// Nothing: the client left, was silent for too long, or has to make room.
    Closed,
}

/// A connection just accepted, to be served or refused.
pub(crate) fn open(
    stream: Box<dyn Transport>,
    half_close_allowed: bool,
    router: &Router,
) -> SharedConnection {
    let seats = router.worker().seats.clone();
    Arc::new(Mutex::new(ClientConnection::new(stream, half_close_allowed, seats)))
}

/// Serves one connection until either side ends it.
pub(crate) async fn serve(
    connection: &SharedConnection,
    client: &ClientAddress,
    router: &Router,
    entry: &ConnectionEntry,
) {
    let mut just_now = None;
    loop {
        // Not pinned while waiting: an idle connection must not keep old routes.
        let terms = || router.look(|snapshot| HeadTerms::of(&snapshot.settings));
        let next = {
            let mut wait = HeadWait::new(terms(), just_now);
            poll_fn(|cx| wait.poll(cx, &mut connection.lock(), entry, &terms)).await
        };
        // Not kept here, but by the request: a tunnel may last for days.
        let snapshot = router.pin();
        let settings = &*snapshot.settings;
        let (linger, linger_bytes) = (settings.timeouts.linger, settings.limits.linger_bytes);
        let (mut reply, terms, fresh) = match next {
            Next::Closed => return,
            Next::Request(request) if entry.is_turned_away() => {
                // Boxed, so that who is served has no room for it.
                let refusing = refuse_crowded(connection, client, router, entry, Some(request));
                Box::pin(refusing).await;
                return;
            }
            Next::HeadTimeout(seen, began) => {
                entry.active();
                let (fresh, tls) = begin_refusal(connection);
                let terms = ReplyTerms::refusing(settings, seen.as_deref());
                (router.time_out_head(seen, began.into_std(), client, tls), terms, fresh)
            }
            Next::Refused(refusal, began) => {
                entry.active();
                let (fresh, tls) = begin_refusal(connection);
                let terms = ReplyTerms::refusing(settings, refusal.seen.as_deref());
                (router.refuse(refusal, began.map(Instant::into_std), client, tls), terms, fresh)
            }
            Next::Request(request) => {
                entry.active();
                let terms = ReplyTerms {
                    version: request.version,
                    head_only: request.method == Method::HEAD,
                    keep_alive: request.keep_alive,
                    discard_bytes: settings.limits.linger_bytes,
                };
                let serving = exchange(connection, request, client, router, snapshot);
                let Some((reply, fresh)) = serving.await else { return };
                (reply, terms, fresh)
            }
        };
        if reply.body.is_tunnel() {
            return tunnel::run(connection, fresh, reply, entry).await;
        }
        let stays = !reply.close && !entry.is_draining() && !entry.is_evicted();
        let terms = ReplyTerms {
            keep_alive: terms.keep_alive && stays && is_read(connection, &reply),
            ..terms
        };
        match write_reply(connection, fresh, &mut reply, &terms).await {
            Ok(true) => {}
            Ok(false) => {
                drop(reply);
                // Who has the whole answer is the first to make room.
                entry.idle(std::time::Instant::now());
                linger::close(connection, linger, linger_bytes, entry).await;
                return;
            }
            Err(code) => {
                reply.body.fail(code);
                return;
            }
        }
        drop(reply);
        let now = Instant::now();
        entry.idle(now.into_std());
        just_now = Some(now);
    }
}

/// Nothing that was read is a request; what is known of the connection is for
/// the log.
fn begin_refusal(connection: &Mutex<ClientConnection>) -> (Fresh, Option<Arc<TlsFacts>>) {
    let mut connection = connection.lock();
    (connection.begin_refusal(), connection.stream.tls().cloned())
}

/// Whether the request's content is out of the way: what is still coming would
/// be taken for the next request. An endpoint that answers early may still
/// want the rest, which then must not be thrown away.
fn is_read(connection: &Mutex<ClientConnection>, reply: &Reply) -> bool {
    let mut connection = connection.lock();
    if !reply.body.takes_upload() {
        connection.skip_body();
    }
    connection.body_is_read()
}

/// Answers `overloaded` on a connection there is no room for, without waiting
/// for its request if that has not come.
pub(crate) async fn refuse_crowded(
    connection: &SharedConnection,
    client: &ClientAddress,
    router: &Router,
    entry: &ConnectionEntry,
    request: Option<Box<ParsedRequest>>,
) {
    entry.active();
    let snapshot = router.pin();
    let settings = &*snapshot.settings;
    let (fresh, tls) = begin_refusal(connection);
    let terms = ReplyTerms::closing(settings, request.as_ref().map(|request| &request.method));
    let mut reply = router.refuse_crowded(request, client, tls);
    if write_reply(connection, fresh, &mut reply, &terms).await.is_ok() {
        drop(reply);
        let limits = &settings.limits;
        let patience = settings.timeouts.linger;
        linger::close(connection, patience, limits.linger_bytes, entry).await;
    }
}

/// Serves one request up to its reply, which is still to be committed; `None`
/// if the client left meanwhile.
async fn exchange(
    connection: &SharedConnection,
    request: Box<ParsedRequest>,
    client: &ClientAddress,
    router: &Router,
    snapshot: Pinned<Snapshot>,
) -> Option<(Box<Reply>, Fresh)> {
    let (fresh, tls) = {
        let settings = &*snapshot.settings;
        let terms = BodyTerms {
            framing: request.framing,
            trailers: HeadLimits {
                bytes: settings.limits.request_head_bytes,
                fields: settings.limits.request_headers,
            },
            limit_bytes: settings.limits.request_body_bytes,
            idle: settings.timeouts.request_body_idle,
            min_rate: settings.timeouts.request_body_min_rate,
            awaits_continue: request.expect_continue,
        };
        let mut connection = connection.lock();
        let fresh = connection.begin_exchange(&terms, request.version);
        (fresh, connection.stream.tls().cloned())
    };
    let body = match request.framing {
        Framing::None => RequestBody::Empty,
        _ => RequestBody::Source(Box::new(ClientBody(connection.clone()))),
    };
    let interim: Option<Arc<dyn InterimSink>> = Some(connection.clone());
    let arrival = Arrival { request, client: *client, tls, body, interim };
    let mut serving = pin!(router.serve_by(snapshot, arrival));
    let reply = poll_fn(|cx| match serving.as_mut().poll(cx) {
        // Who left within the request would not read the reply.
        Poll::Ready(reply) => Poll::Ready((!connection.lock().client_left()).then_some(reply)),
        Poll::Pending => connection.lock().poll_waiting(cx).map(|()| None),
    });
    Some((reply.await?, fresh))
}

/// What the wait for a head keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadTerms {
    limits: HeadLimits,
    keep_alive: Duration,
    request_head: Duration,
}

impl HeadTerms {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            limits: HeadLimits {
                bytes: settings.limits.request_head_bytes,
                fields: settings.limits.request_headers,
            },
            keep_alive: settings.timeouts.keep_alive,
            request_head: settings.timeouts.request_head,
        }
    }
}

/// The wait for the next head under the connection's clocks.
struct HeadWait {
    reader: HeadReader,
    terms: HeadTerms,
    /// What time it was a moment ago, until the first wait.
    just_now: Option<Instant>,
    idle_since: Option<Instant>,
    /// When the head's first byte was seen.
    begun: Option<Instant>,
    /// Whether it was asked to make room, and looked whether it has to.
    looked_once_more: bool,
}

impl HeadWait {
    fn new(terms: HeadTerms, just_now: Option<Instant>) -> Self {
        let reader = HeadReader::new();
        Self { reader, terms, just_now, idle_since: None, begun: None, looked_once_more: false }
    }

    /// `terms` are those in force when asked for.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut ClientConnection,
        entry: &ConnectionEntry,
        terms: &impl Fn() -> HeadTerms,
    ) -> Poll<Next> {
        loop {
            if !connection.inbox.bytes.is_empty() {
                match self.reader.request(&mut connection.inbox.bytes, &self.terms.limits) {
                    Ok(Some(request)) => return Poll::Ready(Next::Request(Box::new(request))),
                    Ok(None) => {}
                    Err(refusal) => return Poll::Ready(Next::Refused(refusal, self.begun)),
                }
            } else {
                connection.rest();
            }
            match connection.inbox.poll_fill(&mut *connection.stream, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::Closed),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending if entry.is_evicted() => {
                    if self.looked_once_more {
                        return Poll::Ready(Next::Closed);
                    }
                    // Its request may lie in the system, and the runtime not
                    // have heard of it yet: it asks before the next turn.
                    self.looked_once_more = true;
                    let asks = pin!(tokio::task::yield_now()).poll(cx);
                    debug_assert!(asks.is_pending());
                    return Poll::Pending;
                }
                Poll::Pending => {
                    let closes_in = entry.closes_idle_in();
                    // A request the system has taken for us is served: the
                    // runtime may not have heard of it yet.
                    if closes_in.is_some_and(|patience| patience.is_zero())
                        && connection.inbox.bytes.is_empty()
                        && !connection.stream.is_disturbed()
                    {
                        return Poll::Ready(Next::Closed);
                    }
                    let closes_in = closes_in.filter(|patience| !patience.is_zero());
                    return self.poll_clocks(cx, connection, closes_in, terms);
                }
            }
        }
    }

    fn poll_clocks(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut ClientConnection,
        closes_in: Option<Duration>,
        terms: &impl Fn() -> HeadTerms,
    ) -> Poll<Next> {
        let now = self.just_now.take().unwrap_or_else(Instant::now);
        let clock = &mut connection.clock;
        if connection.inbox.bytes.is_empty() && !connection.stream.holds_part() {
            if !guard::is_on(Guard::KeepAlive) {
                return Poll::Pending;
            }
            let since = match self.idle_since {
                // Woken for nothing that came: a reload wakes it to look.
                Some(since) => {
                    self.terms = terms();
                    since
                }
                None => *self.idle_since.insert(now),
            };
            let due = since + self.terms.keep_alive;
            let due = closes_in.map_or(due, |patience| due.min(now + patience));
            return clock.poll_until_from(cx, now, due).map(|()| Next::Closed);
        }
        let begun = *self.begun.get_or_insert(now);
        let due = begun + self.terms.request_head;
        ready!(clock.poll_until_from(cx, now, due));
        let seen = SeenHead::of_unfinished(&connection.inbox.bytes, &self.terms.limits);
        Poll::Ready(Next::HeadTimeout(seen.map(Box::new), begun))
    }
}

impl ReplyTerms {
    /// For a reply to a head of which so much could be read.
    fn refusing(settings: &Settings, seen: Option<&SeenHead>) -> Self {
        Self::closing(settings, seen.and_then(|seen| seen.method.as_ref()))
    }

    /// For the last reply, to a request with this method if one has come.
    fn closing(settings: &Settings, method: Option<&Method>) -> Self {
        Self {
            version: Version::Http11,
            head_only: method == Some(&Method::HEAD),
            keep_alive: false,
            discard_bytes: settings.limits.linger_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
