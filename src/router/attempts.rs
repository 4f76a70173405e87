//! Driving the attempts of one request: the planner decides, this does.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderValue, UPGRADE};
use tokio::time::Instant;

use crate::attempt::{
    Action, Body, Event, Failure, GiveUp, Plan, Planner, ReplayBody, derive, is_idempotent, upgrade,
};
use crate::endpoint::{Asked, Choice, Door, EndpointState, Lease};
use crate::error::{AttemptOutcome, Code, RouterError};
use crate::http1::{HeadLimits, ParsedResponse};
use crate::proxy_protocol::Origin;
use crate::request::{ClientInfo, InterimSink, Phase, RequestHead, Scope};
use crate::router::queue::{Queue, Refused, Turn};
use crate::router::verdict::Attended;
use crate::router::{NO_ADDRESS, Route, RouteId, Sender, WorkerRouter, affinity, verdict};
use crate::upstream::{
    Answer, Answered, ConnectError, EndpointConnection, Hints, Hop, Reuse, RoundTripError, Terms,
    TlsFailure, Trip, Tunnel, Wait, Watch, connect,
};

/// Field lines of a response head or trailer section; beside this the bytes
/// are limited.
const RESPONSE_FIELDS: usize = 1_000;

/// The bounds of the one wait when every endpoint refused; see the planner.
const WAIT_MS: (u64, u64) = (20, 60);

/// The attempt that was answered, and what its answer is written with.
pub(super) struct Winner {
    pub(super) head: ParsedResponse,
    /// When its head had come.
    pub(super) at: Instant,
    pub(super) answer: Option<Box<Answer>>,
    /// What is behind a 101.
    pub(super) tunnel: Option<Box<Tunnel>>,
    pub(super) sender: Sender,
    pub(super) deadline: Option<Instant>,
    /// The cookie that keeps the client with the endpoint from here on.
    pub(super) cookie: Option<HeaderValue>,
}

/// Sends the request until an endpoint answers or the planner gives up.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
pub(super) fn run(
    worker: &Arc<WorkerRouter>,
    scope: &Scope,
    id: RouteId,
    head: &RequestHead,
    body: &mut ReplayBody,
    interim: Option<&dyn InterimSink>,
    (deadline, turn): (Option<Instant>, &mut Turn),
) -> impl Future<Output = Result<Box<Winner>, RouterError>> {
    async move {
        let snapshot = scope.snapshot();
        let (settings, route) = (&snapshot.settings, snapshot.route(id));
        let endpoints = route.endpoints(worker.shared.makings());
        if endpoints.is_empty()
            && let Some(error) = route.unresolved(&worker.shared.names)
        {
            return Err(error);
        }
        let shared = &worker.shared;
        // A request that comes here from another table has waited there.
        let comes_anew = !turn.has_waited();
        let begun = if comes_anew { scope.started() } else { Instant::now().into_std() };
        let begun_ms = shared.now_ms(begun);
        let door = endpoints.door().map(|door| let_in(door, worker, begun_ms));
        // Boxed: few routes have one.
        let mut wait = door.transpose()?.map(Box::new);
        let terms = Terms {
            timeouts: &route.timeouts,
            head: HeadLimits {
                bytes: settings.limits.response_head_bytes,
                fields: RESPONSE_FIELDS,
            },
            informational: settings.limits.informational,
            deadline,
            metrics: &worker.metrics,
        };
        let now_ms = || shared.now_ms(std::time::Instant::now());
        let started_ms = shared.now_ms(scope.started());
        if comes_anew {
            shared.budget.count_request(worker.index, started_ms);
        }
        let upgrades = upgrade::asked(head).is_some();
        let plan = Plan {
            attempts: settings.retry.attempts,
            endpoints: endpoints.len(),
            // An upgrade may have begun more than an exchange.
            idempotent: is_idempotent(head.method()) && !upgrades,
            deadline_ms: route.timeouts.request.map(|all| started_ms + all.as_millis() as u64),
            wait_ms: WAIT_MS,
        };
        let mut planner = Planner::resumed(turn.past, plan);
        let take_retry = |now_ms| shared.budget.take_retry(now_ms);
        let mut queue = Queue { worker, route, set: endpoints, deadline, head, turn };
        let mut action = planner.step(Event::Start, begun_ms, take_retry);
        let key = affinity::key(&endpoints.choosing().balance, head, settings);
        let kept_with = endpoints.stay_with(head);
        let stay_with = kept_with.map(|kept| kept.index);
        let (mut last, mut failed) = (None, None::<Box<RouterError>>);
        let mut hints = Hints::new(interim);
        loop {
            let event = match action {
                Action::GiveUp(give_up) => {
                    return Err(with_attempts(given_up(&give_up), scope, last));
                }
                Action::Wait { min_ms, max_ms } => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(min_ms..=max_ms))).await;
                    Event::Waited
                }
                Action::Attempt { number, fresh } => {
                    if number > 1 {
                        body.rewind();
                    }
                    let (mut now, now_ms) = if number == 1 {
                        (begun, begun_ms)
                    } else {
                        let now = Instant::now().into_std();
                        (now, shared.now_ms(now))
                    };
                    let random = fastrand::u64(..);
                    let mut asked = Asked { worker: worker.index, now_ms, random, key, stay_with };
                    let entering = queue.enter(scope, &planner, &asked, now);
                    let (choice, lease) = match entering.await {
                        Ok((choice, lease, entered)) => {
                            // Without a wait it is still the same time.
                            if entered != now {
                                (asked.now_ms, now) = (shared.now_ms(entered), entered);
                            }
                            (choice, lease)
                        }
                        Err(refused) => {
                            // The others are taken out by probes, or were tried.
                            let failed = failed.filter(|_| matches!(refused, Refused::NoneLeft));
                            let error = failed.map_or_else(|| refused.into(), |failed| *failed);
                            return Err(with_attempts(error, scope, last));
                        }
                    };
                    let Choice { index, endpoint, trial } = choice;
                    verdict::begun(worker, trial.as_ref());
                    last = Some(endpoint.address());
                    // A tunnel takes its connection with it; a new one leaves no doubt
                    // whether an old one had died.
                    let fresh = fresh || upgrades;
                    let hop = endpoints.hop(index);
                    let attempt = Attempt {
                        worker,
                        route,
                        head,
                        endpoint,
                        hop,
                        number,
                        fresh,
                        now,
                        terms: &terms,
                    };
                    let watch = Watch::new(wait.as_deref_mut(), trial.as_ref());
                    let mut attended = Attended::new(worker, endpoints, index, watch);
                    let (result, took) =
                        attempt.run(scope, body, &mut hints, attended.watch()).await;
                    attended.end();
                    let outlier = &route.settings.outlier;
                    // A place that a failure frees goes on only when the endpoint is
                    // marked: whoever gets it knows.
                    let ended = (&result, took);
                    verdict::note(worker, (outlier, endpoints), &asked, (index, trial), ended);
                    match result {
                        Ok(answered) => {
                            if let Some(wait) = wait {
                                wait.answered(answered.head.status, answered.at);
                            }
                            let cookie = endpoints.new_cookie(kept_with, index, head);
                            let sender = Sender::new(id, index, endpoints);
                            let body = std::mem::replace(body, ReplayBody::empty());
                            let held = (body, lease);
                            return Ok(winner(*answered, held, worker, (sender, cookie), &terms));
                        }
                        Err(RoundTripError::Attempt(failure)) => {
                            wait.iter_mut().for_each(|wait| wait.failed());
                            let left = if body.can_replay() { Body::Buffered } else { Body::Spent };
                            Event::Failed { failure, endpoint: index, body: left }
                        }
                        Err(error) => return Err(with_attempts(error.into(), scope, last)),
                    }
                }
            };
            let mut reason = None;
            if let Event::Failed { failure, .. } = &event {
                reason = Some(failure.code());
                failed = Some(Box::new(failure.told(failure.code())));
            }
            action = planner.step(event, now_ms(), take_retry);
            if let (Some(reason), Action::Attempt { .. } | Action::Wait { .. }) = (reason, &action)
            {
                worker.metrics.retried(reason);
            }
        }
    }
}

/// Lets a request of a route with an adaptive limit in, or refuses it at once.
fn let_in<'a>(door: &'a Door, worker: &WorkerRouter, now_ms: u64) -> Result<Wait<'a>, RouterError> {
    let Some(permit) = door.enter(now_ms) else {
        let detail = "as many requests of this route wait for an answer as its endpoints can take \
                      without making each other slow";
        return Err(RouterError::new(Code::Overloaded, detail));
    };
    Ok(Wait::new(permit, worker.shared.start))
}

fn given_up(give_up: &GiveUp) -> RouterError {
    let mut error = match &give_up.last {
        Some(failure) => failure.told(give_up.code()),
        None => RouterError::from(give_up.code()),
    };
    error.budget_exhausted = give_up.is_budget_exhausted();
    error
}

fn with_attempts(
    mut error: RouterError,
    scope: &Scope,
    next_hop: Option<SocketAddr>,
) -> RouterError {
    error.attempts = scope.attempts();
    error.next_hop = next_hop;
    error
}

fn winner(
    answered: Answered,
    (body, lease): (ReplayBody, Lease),
    worker: &WorkerRouter,
    (sender, cookie): (Sender, Option<HeaderValue>),
    terms: &Terms<'_>,
) -> Box<Winner> {
    let Answered { head, at, connection, upload } = answered;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        let protocols = head.fields.first(&UPGRADE);
        let websocket = protocols.is_some_and(|name| upgrade::is_websocket(name.as_bytes()));
        let tunnel = Tunnel::new(connection, websocket, lease, terms);
        return Box::new(Winner {
            head,
            at,
            answer: None,
            tunnel: Some(tunnel),
            sender,
            deadline: None,
            cookie,
        });
    }
    let exchange = (connection, upload, body, lease);
    let answer = Answer::follow(&head, at, exchange, worker.pool.clone(), terms);
    let deadline = terms.deadline;
    Box::new(Winner { head, at, answer, tunnel: None, sender, deadline, cookie })
}

/// One attempt on one endpoint.
struct Attempt<'a> {
    worker: &'a WorkerRouter,
    route: Route<'a>,
    head: &'a RequestHead,
    endpoint: &'a Arc<EndpointState>,
    hop: &'a Hop,
    number: u32,
    /// Whether only a new connection will do.
    fresh: bool,
    now: std::time::Instant,
    terms: &'a Terms<'a>,
}

impl Attempt<'_> {
    async fn run(
        &self,
        scope: &Scope,
        body: &mut ReplayBody,
        hints: &mut Hints<'_>,
        watch: &mut Watch<'_, '_>,
    ) -> (Result<Box<Answered>, RoundTripError>, Duration) {
        let begun = Instant::from_std(self.now);
        let endpoint = self.endpoint;
        scope.attempting(self.number, endpoint.address());
        let result = self.round_trip(begun, scope, body, hints, watch).await;
        let (outcome, ended) = match &result {
            Ok(answered) => (AttemptOutcome::Answered, answered.at),
            Err(error) => (AttemptOutcome::Failed(error.code()), Instant::now()),
        };
        let took = ended.saturating_duration_since(begun);
        scope.attempted(outcome, took);
        let metrics = &self.worker.metrics;
        match &result {
            Ok(_) => metrics.attempt_finished(None),
            Err(error) => metrics.attempt_finished(Some(error.code())),
        }
        if let Err(RoundTripError::Attempt(failure)) = &result
            && failure.is_stale_reuse()
        {
            metrics.stale_reuse();
        }
        (result, took)
    }

    async fn round_trip(
        &self,
        now: Instant,
        scope: &Scope,
        body: &mut ReplayBody,
        hints: &mut Hints<'_>,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Box<Answered>, RoundTripError> {
        let address = self.endpoint.address();
        let timeouts = self.terms.timeouts;
        let reuse = if is_idempotent(self.head.method()) { Reuse::Any } else { Reuse::Fresh };
        let hop = self.hop;
        let pooled = if self.fresh || hop.send_proxy {
            None
        } else {
            self.worker.pool.take(
                (address, hop.identity()),
                reuse,
                timeouts.upstream_keep_alive,
                now,
            )
        };
        let (connection, now) = match pooled {
            Some(connection) => (connection, now),
            None => {
                scope.set_phase(Phase::Connecting);
                // Boxed: few requests connect, and each would have the room for it.
                (Box::pin(self.connect(address, hop, now)).await?, Instant::now())
            }
        };
        scope.set_phase(Phase::Waiting);
        let head = derive(self.head, &self.route.request, address, self.number);
        let mut trip = Trip::new((connection, now), head);
        let head = poll_fn(|cx| trip.poll(cx, body, hints, self.terms, watch)).await?;
        Ok(trip.answered(head))
    }

    async fn connect(
        &self,
        address: SocketAddr,
        hop: &Hop,
        now: Instant,
    ) -> Result<Box<EndpointConnection>, RoundTripError> {
        let patience = self.terms.timeouts.connect;
        let left = self.terms.deadline.map(|deadline| deadline.saturating_duration_since(now));
        let patience_left = left.map_or(patience, |left| left.min(patience));
        let worker = self.worker;
        let (connector, own) = (&*worker.shared.connector, (&*worker.pool, worker.metrics.clone()));
        let origin = origin(self.head.client());
        match connect(connector, address, hop, origin, patience_left, own).await {
            Ok(connection) => Ok(connection),
            Err(ConnectError::TimedOut) if left.is_some_and(|left| left <= patience) => {
                Err(RoundTripError::Deadline(None))
            }
            Err(error) => Err(RoundTripError::Attempt(match error {
                ConnectError::Refused => Failure::connect_refused(),
                ConnectError::TimedOut => Failure::connect_timeout(),
                ConnectError::Failed(error) => Failure::connect_failed(error.kind().to_string()),
                ConnectError::Short(_) => Failure::shortage(error.to_string()),
                ConnectError::Tls(TlsFailure::Failed(why)) => Failure::tls_failed(why),
                ConnectError::Tls(TlsFailure::Untrusted { detail, reason }) => {
                    Failure::tls_untrusted(detail, reason)
                }
                ConnectError::Tls(TlsFailure::Rejected(why)) => Failure::tls_rejected(why),
            })),
        }
    }
}

/// Who an endpoint that wants a PROXY header is told of.
fn origin(client: &ClientInfo) -> Origin {
    match client.peer {
        NO_ADDRESS => Origin::Unnamed,
        source => Origin::Client { source, destination: client.local },
    }
}
