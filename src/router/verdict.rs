//! What the end of an attempt, and that of its answer's content, says about its
//! endpoint.

use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::config::OutlierSettings;
use crate::endpoint::{Asked, Balance, Change, EndpointSet, Reason, Trial};
use crate::http1::ParsedResponse;
use crate::request::Scope;
use crate::router::{RouteId, WorkerRouter};
use crate::upstream::{Answered, RoundTripError, Watch};

/// Counts that an endpoint is tried again.
pub(super) fn begun(worker: &WorkerRouter, trial: Option<&Trial<'_>>) {
    if let Some(change) = trial.and_then(Trial::change) {
        worker.shared.metrics.endpoint_changed(change);
    }
}

/// An attempt on an endpoint while it lasts. Dropped before its end, its client
/// has left, and how long the endpoint had said nothing by then is noted.
pub(super) struct Attended<'a, 'd> {
    worker: &'a WorkerRouter,
    endpoints: &'a EndpointSet,
    index: usize,
    watch: Watch<'a, 'd>,
    ended: bool,
}

impl<'a, 'd> Attended<'a, 'd> {
    pub(super) fn new(
        worker: &'a WorkerRouter,
        endpoints: &'a EndpointSet,
        index: usize,
        watch: Watch<'a, 'd>,
    ) -> Self {
        Self { worker, endpoints, index, watch, ended: false }
    }

    pub(super) fn watch(&mut self) -> &mut Watch<'a, 'd> {
        &mut self.watch
    }

    /// It came to an end of its own.
    pub(super) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Attended<'_, '_> {
    fn drop(&mut self) {
        // At the end of a drain it is the router that leaves.
        let Some(since) = self.watch.silent_since().filter(|_| !self.ended) else { return };
        let (shared, now) = (&self.worker.shared, tokio::time::Instant::now());
        if self.worker.is_cut() {
            return;
        }
        let waited_ms = now.saturating_duration_since(since).as_millis() as u64;
        let now_ms = shared.now_ms(now.into_std());
        if let Some(change) = self.endpoints.note_left(self.index, waited_ms, now_ms) {
            shared.metrics.endpoint_changed(change);
        }
    }
}

/// Notes how an attempt on endpoint `index` of a route ended.
pub(super) fn note(
    worker: &WorkerRouter,
    (outlier, endpoints): (&OutlierSettings, &EndpointSet),
    asked: &Asked,
    (index, trial): (usize, Option<Trial<'_>>),
    (result, took): (&Result<Box<Answered>, RoundTripError>, Duration),
) {
    let count = |change: Option<Change>| {
        change.into_iter().for_each(|change| worker.shared.metrics.endpoint_changed(change));
    };
    let worked = match result {
        Ok(answered) => !outlier.statuses.contains(&answered.head.status.as_u16()),
        Err(RoundTripError::Attempt(failure)) if failure.blames_endpoint() => false,
        // Nobody's fault, or the client's: it says nothing, and a trial of it
        // ends without a verdict.
        Err(_) => return,
    };
    let patience = match result {
        Ok(answered) if outlier.enabled => retry_after(&answered.head, SystemTime::now),
        _ => None,
    };
    if worked && endpoints.choosing().balance == Balance::LeastRequests {
        let now_ms = asked.now_ms + took.as_millis() as u64;
        endpoints.endpoints()[index].answered(worker.index, now_ms, took.as_micros() as u64);
    }
    if worked && trial.is_none() && patience.is_none() {
        // The usual end: when the attempt began is time enough.
        count(endpoints.note(index, None, true, asked));
        return;
    }
    let asked = Asked { now_ms: worker.shared.now_ms(Instant::now()), ..*asked };
    let endpoint = &endpoints.endpoints()[index];
    if let Err(RoundTripError::Attempt(failure)) = result {
        count(endpoint.pass_over(asked.now_ms, Reason::Attempt(failure.code())));
    }
    let for_ms = patience.unwrap_or_default().min(outlier.retry_after_max).as_millis() as u64;
    if for_ms > 0 {
        count(endpoint.pass_over_for(asked.now_ms, for_ms, Reason::RetryAfter));
    }
    count(endpoints.note(index, trial, worked, &asked));
}

/// Which endpoint sends an answer's content: whose fault it is if that does not
/// come whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(super) route: RouteId,
    index: u32,
    /// Whether its last answers broke off, so that one that does not is news.
    suspect: bool,
}

impl Sender {
    pub(super) fn new(route: RouteId, index: usize, endpoints: &EndpointSet) -> Self {
        let suspect = endpoints.endpoints().get(index).is_some_and(|e| e.breaks_off());
        // A set of more endpoints is not to be had; this would be none of it.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { route, index, suspect }
    }

    /// Its content did not come whole, and that is its own fault.
    pub(crate) fn broke_off(&self, scope: &Scope) {
        let (worker, set) = (scope.worker(), self.set(scope));
        let now_ms = worker.shared.now_ms(Instant::now());
        let random = fastrand::u64(..);
        let asked = Asked { worker: worker.index, now_ms, random, ..Asked::default() };
        if let Some(change) = set.note_broken_off(self.index as usize, &asked) {
            worker.shared.metrics.endpoint_changed(change);
        }
    }

    /// Its content came whole.
    pub(crate) fn delivered(&self, scope: &Scope) {
        if self.suspect
            && let Some(endpoint) = self.set(scope).endpoints().get(self.index as usize)
        {
            endpoint.delivered();
        }
    }

    fn set<'s>(&self, scope: &'s Scope) -> &'s EndpointSet {
        scope.snapshot().route(self.route).endpoints(scope.worker().shared.makings())
    }
}

/// For how long an answer asks to be left alone.
fn retry_after(head: &ParsedResponse, now: fn() -> SystemTime) -> Option<Duration> {
    if head.status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    patience(head.fields.first(&RETRY_AFTER)?.to_str()?, now())
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn patience(value: &str, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time all the same.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX / 1_000)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::http1::{HeadLimits, HeadReader};

    #[test]
    fn only_who_is_unavailable_asks_an_endpoint_to_be_left_alone() {
        // Of a 429 it is the client who is to wait, of a 301 too (RFC 9110
        // section 10.2.3).
        let limits = HeadLimits { bytes: 1 << 10, fields: 8 };
        for (status, asked) in [(503, Some(7)), (429, None), (301, None), (200, None)] {
            let head = format!("HTTP/1.1 {status} x\r\nretry-after: 7\r\n\r\n");
            let head = &mut BytesMut::from(head.as_str());
            let head = HeadReader::new().response(head, &limits, &http::Method::GET);
            let patience = retry_after(&head.unwrap().unwrap(), SystemTime::now);
            assert_eq!(patience.map(|patience| patience.as_secs()), asked, "{status}");
        }
    }

    #[test]
    fn patience_is_asked_for_in_seconds_or_by_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let seconds = |value| patience(value, now).map(|patience| patience.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds("99999999999999999999999"), Some(u64::MAX / 1_000));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0), "gone by");
        assert_eq!(["", "-1", "1.5", "soon", "+1"].map(seconds), [None; 5]);
    }
}
