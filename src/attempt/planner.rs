//! Whether another attempt follows a failed one: a pure state machine.
//!
//! It is told what happened and when, and says what to do; it reads no clock,
//! draws no lots and knows no head. A request has one planner, for as long as it
//! has no response.
//!
//! ```text
//!            Start                     Failed, may be repeated
//!   ready ─────────▶ attempting ◀──────────────────────────────┐
//!                     │      └─────────────────────────────────┘
//!                     │ Failed, all tried, nothing ever sent
//!                     ├──────────────▶ waiting (once) ──Waited──▶ attempting
//!                     │ Failed, may not
//!                     └──────────────▶ given up
//! ```
//!
//! Two rules are worth their argument. *Stale reuse does not use an endpoint
//! up*: the endpoint is well, its old connection was not, so it stays among
//! those not tried, or a route with a single endpoint would fail every GET that
//! meets an idle timeout; the attempt after it must use a new connection, so it
//! cannot happen twice. It may have been processed all the same, hence only
//! idempotent methods are repeated, and within the budget. *The one wait needs
//! that nothing was ever sent*, on any attempt: then all endpoints are down, most
//! likely in the moment of a restart, and a short pause is worth more than an
//! error.

use http::Method;

use crate::attempt::failure::{Failure, Progress};
use crate::endpoint::Tried;
use crate::error::Code;

/// Whether sending a request twice intends the same as sending it once (RFC 9110
/// section 9.2.2). Methods unknown to that section are not assumed to be.
pub fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE]
        .contains(method)
}

/// Whether the request's body can be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none, or not a byte of it was taken from the client yet.
    Untouched,
    /// The whole of it stands in the replay buffer.
    Buffered,
    /// Some of it is gone, or has yet to come behind what was sent.
    Spent,
}

/// What may be done for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Endpoints of the route, passed-over ones included.
    pub endpoints: usize,
    /// Whether the method is idempotent.
    pub idempotent: bool,
    /// When the whole request must have its response, if ever (milliseconds).
    pub deadline_ms: Option<u64>,
    /// The bounds of the one wait (milliseconds); the driver draws between them.
    pub wait_ms: (u64, u64),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The request has been admitted and routed.
    Start,
    /// The attempt on the endpoint of this index failed.
    Failed {
        /// How.
        failure: Failure,
        /// The endpoint's index in its set.
        endpoint: usize,
        /// What is left of the request's body.
        body: Body,
    },
    /// The wait is over.
    Waited,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Choose an endpoint outside [`Planner::tried`] and send the request there.
    Attempt {
        /// The number of the attempt, from 1.
        number: u32,
        /// Whether the connection must be a new one.
        fresh: bool,
    },
    /// Wait for a time drawn evenly between these bounds (milliseconds), then say
    /// [`Event::Waited`].
    Wait {
        /// The least.
        min_ms: u64,
        /// The most.
        max_ms: u64,
    },
    /// Answer with an error.
    GiveUp(GiveUp),
}

/// The end of the attempts.
#[derive(Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// Why there is no other attempt.
    pub reason: Reason,
    /// The last failure; none if there was no attempt.
    pub last: Option<Failure>,
}

impl GiveUp {
    /// The code of the answer: the last attempt's, unless time or endpoints ran
    /// out otherwise.
    pub fn code(&self) -> Code {
        match (&self.last, self.reason) {
            (_, Reason::Deadline) => Code::DeadlineExceeded,
            (Some(failure), _) => failure.code(),
            (None, _) => Code::NoEndpoint,
        }
    }

    /// Whether `retry-budget-exhausted` is added to the details.
    pub fn is_budget_exhausted(&self) -> bool {
        self.reason == Reason::Budget
    }
}

/// Why there is no other attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The response had begun.
    ResponseBegun,
    /// It may have been processed and the method is not idempotent.
    NotIdempotent,
    /// The body cannot be sent again.
    BodySpent,
    /// The number of attempts is used up.
    Attempts,
    /// No endpoint is left, or there was none.
    NoEndpointLeft,
    /// The retry budget is exhausted.
    Budget,
    /// The request's own deadline has passed.
    Deadline,
}

/// What counts of a request's attempts whatever the endpoints they went to.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// Attempts begun.
    begun: u32,
    fresh: bool,
    nothing_ever_sent: bool,
    waited: bool,
}

impl Past {
    /// Of a request that has only come.
    pub const NONE: Self = Self { begun: 0, fresh: false, nothing_ever_sent: true, waited: false };
}

/// The state of one request's attempts.
#[derive(Debug)]
pub struct Planner {
    plan: Plan,
    past: Past,
    tried: Tried,
    /// The last failure while waiting; a wait happens once.
    waiting: Option<Failure>,
}

impl Planner {
    /// A planner for one request.
    pub fn new(plan: Plan) -> Self {
        Self::resumed(Past::NONE, plan)
    }

    /// A planner for a request that goes on from other endpoints to these.
    pub fn resumed(past: Past, plan: Plan) -> Self {
        Self { plan, past, tried: Tried::new(), waiting: None }
    }

    /// What a planner for other endpoints goes on with if the attempt that was
    /// just asked for is not made.
    pub fn past(&self) -> Past {
        Past { begun: self.past.begun.saturating_sub(1), ..self.past }
    }

    /// The endpoints the next attempt may not go to.
    pub fn tried(&self) -> &Tried {
        &self.tried
    }

    /// Attempts begun so far.
    pub fn attempts(&self) -> u32 {
        self.past.begun
    }

    /// Takes an event at a time and says what to do. `take_retry` is the retry
    /// budget; it is asked only when nothing else stands against the retry and
    /// the failed attempt may have been processed.
    pub fn step(
        &mut self,
        event: Event,
        now_ms: u64,
        take_retry: impl FnOnce(u64) -> bool,
    ) -> Action {
        match event {
            Event::Start if self.plan.endpoints == 0 => give_up(Reason::NoEndpointLeft, None),
            Event::Start => self.attempt(None, now_ms),
            Event::Waited => {
                let last = self.waiting.take();
                self.attempt(last, now_ms)
            }
            Event::Failed { failure, endpoint, body } => {
                self.note(&failure, endpoint);
                self.after(failure, body, now_ms, take_retry)
            }
        }
    }

    fn note(&mut self, failure: &Failure, endpoint: usize) {
        self.past.nothing_ever_sent &= failure.progress() == Progress::NothingSent;
        if failure.is_stale_reuse() {
            self.past.fresh = true;
        } else {
            self.tried.insert(endpoint);
        }
    }

    fn after(
        &mut self,
        failure: Failure,
        body: Body,
        now_ms: u64,
        take_retry: impl FnOnce(u64) -> bool,
    ) -> Action {
        if let Some(reason) = self.forbidden(&failure, body, now_ms) {
            return give_up(reason, Some(failure));
        }
        if self.tried.len() >= self.plan.endpoints {
            return self.wait_or_give_up(failure, now_ms);
        }
        if failure.progress() == Progress::MaybeProcessed && !take_retry(now_ms) {
            return give_up(Reason::Budget, Some(failure));
        }
        self.attempt(Some(failure), now_ms)
    }

    /// What stands against another attempt whatever the endpoints. The order is
    /// that of what one would tell the operator first.
    fn forbidden(&self, failure: &Failure, body: Body, now_ms: u64) -> Option<Reason> {
        match failure.progress() {
            Progress::ResponseBegun => return Some(Reason::ResponseBegun),
            Progress::MaybeProcessed if !self.plan.idempotent => {
                return Some(Reason::NotIdempotent);
            }
            Progress::MaybeProcessed | Progress::NothingSent => {}
        }
        if self.plan.deadline_ms.is_some_and(|deadline| now_ms >= deadline) {
            Some(Reason::Deadline)
        } else if body == Body::Spent {
            Some(Reason::BodySpent)
        } else if self.past.begun >= self.plan.attempts {
            Some(Reason::Attempts)
        } else {
            None
        }
    }

    /// Every endpoint has been tried: the one wait, if it may be and there is
    /// time for it.
    fn wait_or_give_up(&mut self, failure: Failure, now_ms: u64) -> Action {
        let (min_ms, max_ms) = self.plan.wait_ms;
        let in_time = self.plan.deadline_ms.is_none_or(|deadline| now_ms + max_ms < deadline);
        if self.past.waited || !self.past.nothing_ever_sent || !in_time {
            return give_up(Reason::NoEndpointLeft, Some(failure));
        }
        self.past.waited = true;
        self.waiting = Some(failure);
        self.tried.clear();
        Action::Wait { min_ms, max_ms }
    }

    fn attempt(&mut self, last: Option<Failure>, now_ms: u64) -> Action {
        if self.plan.deadline_ms.is_some_and(|deadline| now_ms >= deadline) {
            return give_up(Reason::Deadline, last);
        }
        self.past.begun += 1;
        Action::Attempt { number: self.past.begun, fresh: self.past.fresh }
    }
}

fn give_up(reason: Reason, last: Option<Failure>) -> Action {
    Action::GiveUp(GiveUp { reason, last })
}

#[cfg(test)]
mod tests;
