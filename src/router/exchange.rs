//! The way of one request, from its arrival to a decided reply.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{HeaderValue, SET_COOKIE, UPGRADE};
use tokio::time::Instant;

use crate::attempt::{ReplayBody, request_trailers, upgrade};
use crate::error::{Code, RouterError};
use crate::http1::Framing;
use crate::listen::tls::TlsFacts;
use crate::request::admission::{Admitted, Rules, admit};
use crate::request::{Arrival, ClientAddress, ClientInfo, RequestBody, RequestHead};
use crate::request::{Scope, Subject, id};
use crate::respond::fields::response_fields;
use crate::respond::{Reply, ReplyBody};
use crate::route::Pinned;
use crate::router::attempts::{self, Winner};
use crate::router::queue::Turn;
use crate::router::{NO_ADDRESS, Route, Router, Snapshot, client_certificate, own, probe};

/// What a request came to.
enum Outcome {
    /// An endpoint answered.
    Answered(Box<Winner>),
    /// The router answers for itself, and not with an error.
    Own(own::OwnAnswer),
}

impl Router {
    /// Serves one request. Dropping the future ends the request wherever it is.
    pub(crate) async fn serve(&self, arrival: Arrival) -> Box<Reply> {
        self.serve_by(self.pin(), arrival).await
    }

    /// The same with what the caller has pinned.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
    pub(crate) fn serve_by(
        &self,
        snapshot: Pinned<Snapshot>,
        arrival: Arrival,
    ) -> impl Future<Output = Box<Reply>> {
        async move {
            let worker = self.worker();
            let trusted = self.trusts(&snapshot.settings, &arrival.client);
            let name = &snapshot.settings.headers.request_id;
            let known = if trusted {
                arrival.request.fields.first(name).and_then(id::adopted)
            } else {
                None
            };
            let request_id = known.unwrap_or_else(fresh_id);
            let client = arrival.client;
            let scope =
                Scope::open(worker.clone(), snapshot, client, request_id, Subject::Nothing, None);
            scope.set_tls(arrival.tls.clone());
            let outcome = {
                let mut exchange = pin!(self.exchange(&scope, arrival, trusted));
                poll_fn(|cx| {
                    // A panic ends this request, not its neighbours on the worker.
                    let polled = catch_unwind(AssertUnwindSafe(|| exchange.as_mut().poll(cx)));
                    match polled {
                        Ok(Poll::Pending) if worker.is_cut() => {
                            Poll::Ready(Err(RouterError::from(Code::Draining)))
                        }
                        Ok(Poll::Pending) => Poll::Pending,
                        Ok(Poll::Ready(outcome)) => Poll::Ready(outcome),
                        Err(_) => {
                            worker.metrics.panicked();
                            let detail = "a bug in the router ended this request";
                            Poll::Ready(Err(RouterError::new(Code::Internal, detail)))
                        }
                    }
                })
                .await
            };
            match outcome {
                Ok(Outcome::Answered(winner)) => answered(scope, winner),
                Ok(Outcome::Own(answer)) => answer.into_reply(scope),
                Err(error) => own::error_reply(scope, error),
            }
        }
    }

    #[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
    fn exchange(
        &self,
        scope: &Scope,
        arrival: Arrival,
        trusted: bool,
    ) -> impl Future<Output = Result<Outcome, RouterError>> {
        async move {
            let Arrival { mut request, client, tls, body, interim } = arrival;
            let snapshot = scope.snapshot();
            let settings = &*snapshot.settings;
            if probe::asks_for_health(&request, &settings.health, |host| snapshot.has_host(host)) {
                scope.set_subject(Subject::Parsed(request));
                return Ok(Outcome::Own(own::health(&self.worker().shared.health)));
            }
            let mode = settings.headers.forwarded_client_cert;
            client_certificate::settle(&mut request.fields, mode, tls.as_deref());
            let info = ClientInfo {
                peer: client.peer,
                local: client.local,
                trusted,
                secure: client.secure,
            };
            let rules = Rules {
                body_limit_bytes: settings.limits.request_body_bytes,
                via: snapshot.via.as_ref(),
            };
            let now_ms = self.worker().shared.now_ms(scope.started());
            let limit = settings.limits.requests_in_flight as u64;
            let crowded = self.worker().in_flight(now_ms) > limit;
            let head = match admit(*request, info, scope.request_id().clone(), rules) {
                Err(refused) => {
                    let (error, request) = *refused;
                    scope.set_subject(Subject::Parsed(Box::new(request)));
                    return Err(error);
                }
                Ok(Admitted::AboutRouter(head)) => {
                    scope.set_subject(Subject::Head(Arc::new(head)));
                    return Ok(Outcome::Own(own::options()));
                }
                Ok(Admitted::Request(head)) => Arc::new(head),
            };
            scope.set_subject(Subject::Head(head.clone()));
            takes(snapshot, tls.as_deref(), &head)?;
            if crowded {
                let detail = "as many requests are in flight as the router takes";
                return Err(RouterError::new(Code::Overloaded, detail));
            }
            let id = snapshot
                .lookup(head.host(), head.path())
                .ok_or_else(|| no_route(snapshot, &head))?;
            scope.set_route(id);
            let route = snapshot.route(id);
            let mut body = replayable(snapshot, &head, route, scope.counted(body));
            let deadline =
                route.timeouts.request.map(|all| Instant::from_std(scope.started()) + all);
            let interim = interim.as_deref();
            let (mut id, mut turn) = (id, Turn::new(route.timeouts.queue));
            loop {
                let due = (deadline, &mut turn);
                let ended = attempts::run(self.worker(), scope, id, &head, &mut body, interim, due);
                let ended = ended.await;
                // While it waited, the route was given others to choose from.
                let Some((table, route)) = turn.moves_to.take().map(|to| *to) else {
                    return ended.map(Outcome::Answered);
                };
                takes(&table, tls.as_deref(), &head)?;
                if !scope.move_to(table, route) {
                    return ended.map(Outcome::Answered);
                }
                id = route;
                hold_trailers(&mut body, &head, scope.snapshot().route(id));
            }
        }
    }

    /// Whether the client is one of `headers.trusted_proxies`.
    fn trusts(&self, settings: &crate::config::Settings, client: &ClientAddress) -> bool {
        let proxies = &settings.headers.trusted_proxies;
        // A client without an address is in no network, not even in 0.0.0.0/0.
        client.peer != NO_ADDRESS
            && proxies.iter().any(|network| network.contains(client.peer.ip()))
    }
}

/// Whether a request for this host may come on its client's connection, by this
/// table.
fn takes(
    snapshot: &Snapshot,
    tls: Option<&TlsFacts>,
    head: &RequestHead,
) -> Result<(), RouterError> {
    if tls.is_some_and(|tls| !snapshot.takes(tls, head.host())) {
        let detail = "the connection was made for another host; make one for this";
        return Err(RouterError::new(Code::Misdirected, detail));
    }
    Ok(())
}

/// Wraps the request's content so that it can be sent again; trailers are held
/// to the same hygiene as the head.
fn replayable(
    snapshot: &Snapshot,
    head: &Arc<RequestHead>,
    route: Route<'_>,
    mut body: RequestBody,
) -> ReplayBody {
    let settings = &snapshot.settings;
    body.set_pace(route.timeouts.request_body_idle, route.timeouts.request_body_min_rate);
    // With one attempt there is nothing to keep a copy for.
    let keep_bytes =
        if settings.retry.attempts > 1 { settings.limits.replay_body_bytes } else { 0 };
    let mut replay = ReplayBody::new(body, keep_bytes);
    hold_trailers(&mut replay, head, route);
    replay
}

/// Holds the trailers of a request to the hygiene of this route.
fn hold_trailers(body: &mut ReplayBody, head: &Arc<RequestHead>, route: Route<'_>) {
    if head.framing() == Framing::Chunked {
        let head = head.clone();
        let policy = route.request.clone();
        body.clean_trailers(Box::new(move |fields| request_trailers(&head, &policy, fields)));
    }
}

/// Whether it is the host that is not known, or the path under it.
fn no_route(snapshot: &Snapshot, head: &RequestHead) -> RouterError {
    let host = head.host();
    let detail = if snapshot.has_host(host) {
        format!("no route for {host} is for this path; those there are have other path prefixes")
    } else {
        format!("no route is registered for {host}")
    };
    RouterError::new(Code::NoRoute, detail)
}

/// The reply that carries an endpoint's answer.
fn answered(scope: Scope, winner: Box<Winner>) -> Box<Reply> {
    let Winner { head, at, answer, tunnel, sender, deadline, cookie } = *winner;
    scope.answered_at(head.status.as_u16(), at.into_std());
    let route = scope.snapshot().route(sender.route);
    let write_idle = route.timeouts.response_write_idle;
    let length = match (&answer, head.framing) {
        (None, _) => Some(0),
        (Some(_), Framing::Length(length)) => Some(length),
        (Some(_), _) => None,
    };
    let switched = tunnel.as_ref().and_then(|_| head.fields.first(&UPGRADE));
    let switched = switched.map(|protocols| protocols.to_value());
    let mut fields = response_fields(
        head.fields,
        head.status,
        head.framing,
        &route.response,
        scope.request_id(),
    );
    if let Some(cookie) = cookie {
        // A line of its own, behind the app's.
        fields.append(SET_COOKIE, cookie);
    }
    if let Some(protocols) = switched {
        scope.switched(protocols.clone());
        upgrade::append(&mut fields, protocols);
    }
    let canonical = head.status.canonical_reason().map(str::as_bytes);
    Box::new(Reply {
        status: head.status,
        reason: (canonical != Some(&*head.reason)).then_some(head.reason),
        fields,
        length,
        close: false,
        write_idle,
        deadline,
        body: match (answer, tunnel) {
            (_, Some(tunnel)) => ReplyBody::tunnel(tunnel, scope),
            (Some(answer), None) => ReplyBody::answer(answer, sender, scope),
            (None, None) => ReplyBody::empty(scope),
        },
    })
}

/// A new request id.
pub(super) fn fresh_id() -> HeaderValue {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let unix_ms = now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    id::fresh(unix_ms, fastrand::u128(..))
}
