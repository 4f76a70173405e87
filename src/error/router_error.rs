//! One occurrence of a failure.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use super::{Answer, Code};

/// Why a request was not answered by an app.
///
/// Owned data without borrow or lock: it can cross threads and outlive the
/// attempt that failed. With a static sentence and no attempts, making one
/// allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}: {detail}")]
pub struct RouterError {
    /// What went wrong.
    pub code: Code,
    /// What was wrong this time: one sentence, with no addresses in it, since
    /// it is shown to the client. May quote what the client sent.
    pub detail: Cow<'static, str>,
    /// The same with the names and addresses that belong to it, if there are
    /// any: for logs, and for clients only where `errors.expose_endpoints`
    /// allows it.
    pub reason: Option<Box<str>>,
    /// The endpoint the request was last sent to; shown only where
    /// `errors.expose_endpoints` allows it.
    pub next_hop: Option<SocketAddr>,
    /// The status the endpoint answered with, where one was read.
    pub received_status: Option<u16>,
    /// Whether another attempt was forgone because the retry budget was spent.
    pub budget_exhausted: bool,
    /// The attempts made, in order; as many as `retry.attempts` at most.
    pub attempts: Vec<AttemptRecord>,
}

impl RouterError {
    /// A failure with its one sentence, before any attempt.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            reason: None,
            next_hop: None,
            received_status: None,
            budget_exhausted: false,
            attempts: Vec::new(),
        }
    }

    /// The status to answer with. A code that has none of its own takes the
    /// last failed attempt's; with no such attempt it should not have been
    /// answered, and the answer is 500.
    pub fn status(&self) -> StatusCode {
        self.deciding_code().status().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The RFC 9209 type to answer with, by the same rule as
    /// [`RouterError::status`].
    pub fn proxy_error_type(&self) -> &'static str {
        self.deciding_code().proxy_error_type().unwrap_or("proxy_internal_error")
    }

    /// Seconds for `Retry-After`, by the same rule.
    pub fn retry_after_s(&self) -> Option<u32> {
        self.deciding_code().retry_after_s()
    }

    /// The code whose status and type the answer has.
    fn deciding_code(&self) -> Code {
        if self.code.answer() != Answer::LastAttempt {
            return self.code;
        }
        let failed = |record: &AttemptRecord| match record.outcome {
            AttemptOutcome::Failed(code) => Some(code),
            AttemptOutcome::Answered => None,
        };
        self.attempts.iter().rev().find_map(failed).unwrap_or(self.code)
    }
}

impl From<Code> for RouterError {
    /// A failure about which there is no more to say than its code does.
    fn from(code: Code) -> Self {
        Self::new(code, code.summary())
    }
}

/// One attempt of a request, after the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Where the request was sent.
    pub endpoint: SocketAddr,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// From the choice of the endpoint to the outcome.
    pub elapsed: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// With a whole final response head, whatever its status.
    Answered,
    /// With this failure.
    Failed(Code),
}

impl AttemptOutcome {
    /// `answered`, or the code of the failure.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed(code) => code.as_str(),
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: AttemptOutcome) -> AttemptRecord {
        AttemptRecord { endpoint: ([10, 0, 0, 1], 80).into(), outcome, elapsed: Duration::ZERO }
    }

    #[test]
    fn it_crosses_threads_and_is_small_enough_to_return() {
        fn crosses_threads<T: Send + Sync + 'static>() {}
        crosses_threads::<RouterError>();
        // clippy's `result_large_err` begins at 128 bytes.
        assert!(size_of::<RouterError>() < 128);
    }

    #[test]
    fn a_spent_budget_is_answered_as_the_last_failed_attempt() {
        let mut error = RouterError::from(Code::RetryBudgetExhausted);
        error.attempts = vec![
            attempt(AttemptOutcome::Failed(Code::UpstreamHeadTimeout)),
            attempt(AttemptOutcome::Failed(Code::ConnectTimeout)),
            attempt(AttemptOutcome::Answered),
        ];
        assert_eq!(error.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(error.proxy_error_type(), "connection_timeout");
    }

    #[test]
    fn what_cannot_be_answered_would_be_a_500() {
        for code in [Code::RetryBudgetExhausted, Code::TlsHandshakeFailed] {
            let error = RouterError::from(code);
            assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(error.proxy_error_type(), "proxy_internal_error");
        }
    }

    #[test]
    fn other_codes_decide_for_themselves() {
        let mut error = RouterError::from(Code::NoEndpoint);
        error.attempts = vec![attempt(AttemptOutcome::Failed(Code::ConnectTimeout))];
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error.retry_after_s(), Code::NoEndpoint.retry_after_s());
    }

    #[test]
    fn it_prints_its_code_and_sentence() {
        let error = RouterError::new(Code::BadRequest, "A NUL stands in the target.");
        assert_eq!(error.to_string(), "bad-request: A NUL stands in the target.");
    }
}
