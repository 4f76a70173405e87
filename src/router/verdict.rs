//! What the end of an attempt says about its endpoint.

use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::config::OutlierSettings;
use crate::endpoint::{Asked, Change, EndpointSet, Reason, Trial};
use crate::http1::ParsedResponse;
use crate::router::WorkerRouter;
use crate::upstream::{Answered, RoundTripError};

/// Notes how an attempt on endpoint `index` of a route ended.
pub(super) fn note(
    worker: &WorkerRouter,
    (outlier, endpoints): (&OutlierSettings, &EndpointSet),
    asked: &Asked,
    (index, trial): (usize, Option<Trial<'_>>),
    result: &Result<Answered, RoundTripError>,
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
    if worked && trial.is_none() {
        // The usual end: when the attempt began is time enough.
        count(endpoints.note(index, None, true, asked));
        return;
    }
    let asked = Asked { now_ms: worker.shared.now_ms(Instant::now()), ..*asked };
    let endpoint = &endpoints.endpoints()[index];
    match result {
        Err(RoundTripError::Attempt(failure)) => {
            count(endpoint.pass_over(asked.now_ms, Reason::Attempt(failure.code())));
        }
        Ok(answered) if outlier.enabled => {
            if let Some(asked_for) = retry_after(&answered.head, SystemTime::now()) {
                let for_ms = asked_for.min(outlier.retry_after_max).as_millis() as u64;
                if for_ms > 0 {
                    count(endpoint.pass_over_for(asked.now_ms, for_ms, Reason::RetryAfter));
                }
            }
        }
        _ => {}
    }
    count(endpoints.note(index, trial, worked, &asked));
}

/// For how long an answer asks to be left alone.
fn retry_after(head: &ParsedResponse, now: SystemTime) -> Option<Duration> {
    if head.status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    patience(head.fields.first(&RETRY_AFTER)?.to_str()?, now)
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
    use super::*;

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
