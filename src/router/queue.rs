//! Getting an attempt to an endpoint: at once where there is room, else in the
//! route's line until there is, `timeouts.queue` has passed, or the request's
//! own time is up.
//!
//! The place in the line is part of this future: a client that leaves drops
//! it, at whatever point.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Instant as TokioInstant;

use crate::attempt::Planner;
use crate::clock::Clock;
use crate::endpoint::{
    Asked, Choice, EndpointSet, EndpointState, Entrance, LOOK_AGAIN_MS, Lease, Queued, Ticket,
};
use crate::error::{Code, RouterError};
use crate::guard::{self, Guard};
use crate::request::Scope;
use crate::route::Pinned;
use crate::router::{Route, Snapshot, WorkerRouter};

/// What a request's attempts need to find an endpoint each.
pub(super) struct Queue<'a> {
    pub(super) worker: &'a WorkerRouter,
    pub(super) route: Route<'a>,
    pub(super) set: &'a EndpointSet,
    /// When the whole request must be over.
    pub(super) deadline: Option<TokioInstant>,
    /// How much of `timeouts.queue` is left; all attempts share it.
    pub(super) patience: Duration,
    /// Its turn, from its first wait on.
    pub(super) ticket: Option<Ticket>,
}

/// Why an attempt comes to no endpoint.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Refused {
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
        let Ok(queued) = Queued::join(self.set, self.worker.index, self.ticket) else {
            return Err(Refused::LineFull);
        };
        self.ticket = Some(queued.ticket());
        let mut place = InLine(Some(queued));
        let begun = TokioInstant::from_std(now);
        scope.enter_queue(now);
        let _gauge = self.worker.metrics.queued();
        let over = begun + self.patience;
        let due = self.deadline.map_or(over, |deadline| deadline.min(over));
        let mut clock = Clock::default();
        let look_again = Duration::from_millis(LOOK_AGAIN_MS);
        let shared = &self.worker.shared;
        let mut left = Left::of(self);
        let entrance = poll_fn(|cx| {
            loop {
                let now = TokioInstant::now();
                let asked = Asked { now_ms: shared.now_ms(now.into_std()), ..*asked };
                left.look(self);
                let is_gone = |index| left.is_gone(index);
                let queued = place.0.as_mut().expect("it is left below, and only there");
                let polled = queued.poll(cx.waker(), planner.tried(), is_gone, &asked);
                if let Poll::Ready(at) = polled {
                    return Poll::Ready(Some(at));
                }
                if now >= due {
                    return Poll::Ready(None);
                }
                ready!(clock.poll_until_from(cx, now, (now + look_again).min(due)));
            }
        })
        .await;
        drop(place.0.take());
        let now = TokioInstant::now();
        self.patience = over.saturating_duration_since(now);
        scope.leave_queue(now.into_std());
        match entrance {
            Some(Entrance::In(choice, lease)) => Ok((choice, lease, now.into_std())),
            Some(_) => Err(Refused::NoneLeft),
            None if due < over => Err(Refused::Deadline),
            None => Err(Refused::TooLong),
        }
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

/// What a newer table has left of the endpoints that a request waits for. It
/// works on the table it began with, but waits for nobody who is gone.
struct Left {
    seen: Pinned<Snapshot>,
    /// By index; empty while nobody is.
    gone: Vec<bool>,
}

impl Left {
    fn of(queue: &Queue<'_>) -> Self {
        let mut left = Self { seen: queue.worker.snapshots.pin(), gone: Vec::new() };
        left.compare(queue);
        left
    }

    /// Looks whether there is another table.
    fn look(&mut self, queue: &Queue<'_>) {
        let current = queue.worker.snapshots.pin();
        if !std::ptr::eq(&*current, &*self.seen) {
            self.seen = current;
            self.compare(queue);
        }
    }

    fn compare(&mut self, queue: &Queue<'_>) {
        let own = queue.route.entry();
        let (host, path) = own.host_and_path();
        let now = self.seen.entries().get_text(host, path);
        if now.is_some_and(|now| std::ptr::eq(&**now, own)) {
            self.gone.clear();
            return;
        }
        let addresses =
            now.iter().flat_map(|now| &now.endpoints).map(|endpoint| endpoint.address());
        let addresses: HashSet<_> = addresses.collect();
        let gone = |state: &Arc<EndpointState>| !addresses.contains(&state.address());
        self.gone = queue.set.endpoints().iter().map(gone).collect();
    }

    fn is_gone(&self, index: usize) -> bool {
        self.gone.get(index).is_some_and(|gone| *gone)
    }
}

impl From<Refused> for RouterError {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::NoneLeft => Code::NoEndpoint,
            Refused::LineFull | Refused::TooLong => Code::EndpointsSaturated,
            Refused::Deadline => return Self::from(Code::DeadlineExceeded),
        };
        Self::new(code, refused.to_string())
    }
}
