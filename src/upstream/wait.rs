//! What the adaptive limit of a route hears of one request.
//!
//! The endpoint is waited for from the moment it has the whole request to its
//! final response head. Before that it is the client's content that is waited
//! for, and a connection; neither says how busy the endpoint is.

use std::time::Instant;

use http::StatusCode;

use crate::endpoint::Permit;

/// One request that was let in, until it is answered. Dropping it, wherever the
/// request is by then, ends it: if the endpoint was being waited for, it had at
/// least so long.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    permit: Option<Permit<'a>>,
    /// When the time of all cores began.
    start: Instant,
    /// Since when the endpoint is waited for.
    since: Option<Instant>,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(permit: Permit<'a>, start: Instant) -> Self {
        Self { permit: Some(permit), start, since: None }
    }

    /// The endpoint has the whole request.
    pub(crate) fn for_endpoint(&mut self, now: Instant) {
        if self.since.is_none() {
            self.since = Some(now);
            self.permit.iter_mut().for_each(Permit::step_in);
        }
    }

    /// There is content to come, and the client has sent none for now.
    pub(crate) fn for_client(&mut self) {
        self.since = None;
        self.permit.iter_mut().for_each(Permit::stand_aside);
    }

    /// The attempt has failed; another may follow.
    pub(crate) fn failed(&mut self) {
        let (Some(permit), Some(since)) = (&self.permit, self.since.take()) else { return };
        let now = now();
        permit.failed(us(since, now), self.ms(now));
    }

    /// There is a final response head, since `at`.
    pub(crate) fn answered(mut self, status: StatusCode, at: tokio::time::Instant) {
        // An answer before the endpoint had the whole request says nothing.
        let (Some(permit), Some(since)) = (&self.permit, self.since.take()) else { return };
        let now = at.into_std();
        let (took_us, now_ms) = (us(since, now), self.ms(now));
        // An endpoint that says no is quick at it; that is not how it works.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            permit.failed(took_us, now_ms);
        } else {
            permit.worked(took_us, now_ms);
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.failed();
        if let Some(permit) = self.permit.take() {
            permit.leave(self.ms(now()));
        }
    }
}

/// The clock that every other of the request is on.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn us(since: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{AdaptiveTerms, Door};

    const TERMS: AdaptiveTerms = AdaptiveTerms {
        min_limit: 1,
        max_limit: 10,
        initial_limit: 1,
        tolerance_percent: 25,
        window_ms: 100,
        measure_every_ms: 30_000,
    };

    /// Whether answers of this status say how long an answer takes.
    fn teaches(status: u16) -> bool {
        let (door, start) = (Door::new(TERMS), Instant::now());
        for _ in 0..1_000 {
            let Some(permit) = door.enter(0) else { break };
            let mut wait = Wait::new(permit, start);
            wait.for_endpoint(start);
            let at = start + std::time::Duration::from_millis(1);
            wait.answered(StatusCode::from_u16(status).unwrap(), at.into());
        }
        door.seen().base_us.is_some()
    }

    #[tokio::test]
    async fn an_answer_that_only_says_no_is_not_how_long_an_answer_takes() {
        for status in [200, 204, 304, 404] {
            assert!(teaches(status), "{status}");
        }
        for status in [429, 500, 502, 503, 599] {
            assert!(!teaches(status), "{status}");
        }
    }
}
