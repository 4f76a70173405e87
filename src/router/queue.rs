//! Getting an attempt to an endpoint: at once where there is room, else in the
//! route's line until there is, `timeouts.queue` has passed, or the request's
//! own time is up.
//!
//! The place in the line is part of this future: a client that leaves drops
//! it, at whatever point.

use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Instant as TokioInstant;

use crate::attempt::{Past, Planner};
use crate::clock::Clock;
use crate::endpoint::{Asked, Choice, EndpointSet, Entrance, LOOK_AGAIN_MS, Lease, Queued, Ticket};
use crate::error::{Code, RouterError};
use crate::guard::{self, Guard};
use crate::request::{RequestHead, Scope};
use crate::route::Pinned;
use crate::router::newer::Newer;
use crate::router::{Route, RouteId, Snapshot, WorkerRouter};

/// What a request's attempts need to find an endpoint each.
pub(super) struct Queue<'a> {
    pub(super) worker: &'a WorkerRouter,
    pub(super) route: Route<'a>,
    pub(super) set: &'a EndpointSet,
    /// When the whole request must be over.
    pub(super) deadline: Option<TokioInstant>,
    /// As found by lookup.
    pub(super) head: &'a RequestHead,
    pub(super) turn: &'a mut Turn,
}

/// What a request keeps of its wait, from attempt to attempt and from table to
/// table.
pub(super) struct Turn {
    /// How much of `timeouts.queue` is left; all attempts share it.
    patience: Duration,
    /// Its turn, from its first wait on.
    ticket: Option<Ticket>,
    /// Where it is to go on instead, after [`Refused::Moved`].
    pub(super) moves_to: Option<Box<(Pinned<Snapshot>, RouteId)>>,
    /// What counts there of its attempts up to here.
    pub(super) past: Past,
}

impl Turn {
    /// It has not waited yet, and may for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, ticket: None, moves_to: None, past: Past::NONE }
    }

    /// Whether it has waited, at this table or at one before.
    pub(super) fn has_waited(&self) -> bool {
        self.ticket.is_some()
    }
}

/// Why an attempt comes to no endpoint.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There is more to choose from in a newer table.
    #[error("the route has other endpoints by now")]
    Moved,
    /// Nothing to go to, nor to wait for.
    #[error("every endpoint of the route has been tried, or taken out")]
    NoneLeft,
    /// The line is full.
    #[error("every endpoint of the route has as many requests as it takes, and as many wait")]
    LineFull,
    /// `timeouts.queue` ran out.
    #[error("no endpoint of the route had room for another request in time")]
    TooLong,
    /// `timeouts.request` ran out.
    #[error("the request's own time ran out in line")]
    Deadline,
}

impl<'a> Queue<'a> {
    /// An endpoint for the next attempt, a place there, and the time it is by
    /// then.
    pub(super) async fn enter(
        &mut self,
        scope: &Scope,
        planner: &Planner,
        asked: &Asked,
        now: Instant,
    ) -> Result<(Choice<'a>, Lease, Instant), Refused> {
        match self.set.enter(asked, planner.tried()) {
            Entrance::In(choice, lease) => Ok((choice, lease, now)),
            Entrance::NoneLeft => Err(Refused::NoneLeft),
            Entrance::Full => match self.wait(scope, planner, asked, now).await {
                Err(Refused::LineFull) if asked.stay_with.is_some() => {
                    self.move_on(planner, asked, now)
                }
                waited => waited,
            },
        }
    }

    /// One that would stay with an endpoint and cannot wait for it goes to
    /// another, if there is room anywhere: better without its session than not
    /// at all.
    fn move_on(
        &self,
        planner: &Planner,
        asked: &Asked,
        now: Instant,
    ) -> Result<(Choice<'a>, Lease, Instant), Refused> {
        let asked = Asked { stay_with: None, ..*asked };
        match self.set.enter(&asked, planner.tried()) {
            Entrance::In(choice, lease) => Ok((choice, lease, now)),
            _ => Err(Refused::LineFull),
        }
    }

    /// Waits; how long is on record whatever comes of it.
    async fn wait(
        &mut self,
        scope: &Scope,
        planner: &Planner,
        asked: &Asked,
        now: Instant,
    ) -> Result<(Choice<'a>, Lease, Instant), Refused> {
        let Ok(queued) = Queued::join(self.set, self.worker.index, self.turn.ticket) else {
            return Err(Refused::LineFull);
        };
        self.turn.ticket = Some(queued.ticket());
        let mut place = InLine(Some(queued));
        let begun = TokioInstant::from_std(now);
        scope.enter_queue(now);
        let _gauge = self.worker.metrics.queued();
        let over = begun + self.turn.patience;
        let due = self.deadline.map_or(over, |deadline| deadline.min(over));
        let mut clock = Clock::default();
        let look_again = Duration::from_millis(LOOK_AGAIN_MS);
        let shared = &self.worker.shared;
        let mut newer = Newer::of(self, scope, planner);
        let entrance = poll_fn(|cx| {
            loop {
                let now = TokioInstant::now();
                let asked = Asked { now_ms: shared.now_ms(now.into_std()), ..*asked };
                newer.look(self, scope, planner);
                let is_gone = |index| newer.is_gone(index);
                let queued = place.0.as_mut().expect("it is left below, and only there");
                let polled = queued.poll(cx.waker(), planner.tried(), is_gone, &asked);
                if let Poll::Ready(Entrance::In(choice, lease)) = polled {
                    return Poll::Ready(Ok((choice, lease)));
                }
                if let Some(moves_to) = newer.moves_to() {
                    self.turn.moves_to = Some(Box::new(moves_to));
                    self.turn.past = planner.past();
                    return Poll::Ready(Err(Refused::Moved));
                }
                if polled.is_ready() {
                    return Poll::Ready(Err(Refused::NoneLeft));
                }
                // Places that were given back in time are handed on before it is
                // believed that there are none.
                if now >= due && clock.poll_until_from(cx, now, due).is_ready() {
                    let own = due < over;
                    return Poll::Ready(Err(if own {
                        Refused::Deadline
                    } else {
                        Refused::TooLong
                    }));
                }
                ready!(clock.poll_until_from(cx, now, (now + look_again).min(due)));
            }
        })
        .await;
        drop(place.0.take());
        let now = TokioInstant::now();
        self.turn.patience = over.saturating_duration_since(now);
        scope.leave_queue(now.into_std());
        let (choice, lease) = entrance?;
        Ok((choice, lease, now.into_std()))
    }
}

/// A request in line, which leaves it when its client leaves: unless a test has
/// that guard taken out.
struct InLine<'a>(Option<Queued<'a>>);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if !guard::is_on(Guard::Place) {
            std::mem::forget(self.0.take());
        }
    }
}

impl From<Refused> for RouterError {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::NoneLeft | Refused::Moved => Code::NoEndpoint,
            Refused::LineFull | Refused::TooLong => Code::EndpointsSaturated,
            Refused::Deadline => return Self::from(Code::DeadlineExceeded),
        };
        Self::new(code, refused.to_string())
    }
}
