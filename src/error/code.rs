//! The codes, and what each stands for.

use std::fmt;
use std::str::FromStr;

use http::StatusCode;

use super::nearest::UnknownCode;
use super::table::{self, Entry};
use super::{Blame, RetryClass, Stage};

/// Writes the enum, its list and its names from one list, so that a code
/// cannot be in one and missing from another.
macro_rules! codes {
    ($($variant:ident, $name:literal, $summary:literal;)+) => {
        /// What went wrong, in one word that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: ", $summary)] $variant,)+
        }

        impl Code {
            /// Every code, in the order of a request's way.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it stands in answers, logs, labels and traces.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What happened, in one sentence.
            pub const fn summary(self) -> &'static str {
                match self {
                    $(Self::$variant => $summary,)+
                }
            }
        }
    };
}

codes! {
    BadRequest, "bad-request", "The request cannot be read as HTTP/1.1.";
    UriTooLong, "uri-too-long", "The request target is longer than the router takes.";
    MethodNotAllowed, "method-not-allowed", "The router does not forward this method.";
    ExpectationFailed, "expectation-failed", "The request expects something the router cannot promise.";
    VersionNotSupported, "version-not-supported", "The request is in an HTTP version the router does not speak.";
    BadFraming, "bad-framing", "Where the request ends can be read in more than one way.";
    AmbiguousHost, "ambiguous-host", "The request does not name exactly one host.";
    AmbiguousPath, "ambiguous-path", "The path can be read in more than one way.";
    RequestHeadTimeout, "request-head-timeout", "The request head did not arrive in time.";
    RequestBodyTimeout, "request-body-timeout", "The request body came too slowly, or stopped coming.";
    RequestHeadTooLarge, "request-head-too-large", "The request head is larger than the router takes.";
    RequestBodyTooLarge, "request-body-too-large", "The request body is larger than the router takes.";
    ClientClosed, "client-closed", "The client left before it had its whole answer.";
    Unauthenticated, "unauthenticated", "The request does not prove who sent it.";
    Forbidden, "forbidden", "The sender is not allowed to do this.";
    RateLimited, "rate-limited", "The sender has made too many requests in a short time.";
    Misdirected, "misdirected", "The connection was not opened for this host.";
    LoopDetected, "loop-detected", "The request has been through this router before.";
    NoRoute, "no-route", "No route matches this host and path.";
    NoEndpoint, "no-endpoint", "The route has no endpoint to send the request to.";
    EndpointsSaturated, "endpoints-saturated", "Every endpoint of the route is at its limit.";
    Overloaded, "overloaded", "The router is at its limit of requests or connections.";
    Draining, "draining", "The router is shutting down and takes no new requests.";
    DnsFailed, "dns-failed", "The endpoint's name could not be resolved.";
    DnsTimeout, "dns-timeout", "Resolving the endpoint's name took too long.";
    ConnectRefused, "connect-refused", "The endpoint refused the connection.";
    ConnectFailed, "connect-failed", "The endpoint could not be reached.";
    ConnectTimeout, "connect-timeout", "The endpoint did not take the connection in time.";
    TlsFailed, "tls-failed", "The TLS handshake with the endpoint failed.";
    TlsUntrusted, "tls-untrusted", "The endpoint's certificate is not trusted.";
    TlsRejected, "tls-rejected", "The endpoint refused the router's side of TLS.";
    UpstreamReset, "upstream-reset", "The endpoint closed the connection before a whole response head.";
    UpstreamProtocolError, "upstream-protocol-error", "The endpoint's answer is not valid HTTP.";
    UpstreamHeadTooLarge, "upstream-head-too-large", "The endpoint's response head is larger than the router takes.";
    UpstreamHeadTimeout, "upstream-head-timeout", "The endpoint did not begin to answer in time.";
    UpstreamWriteTimeout, "upstream-write-timeout", "The endpoint stopped taking the request.";
    UpstreamTruncated, "upstream-truncated", "The endpoint's response ended before it was whole.";
    UpstreamBodyTimeout, "upstream-body-timeout", "The endpoint stopped in the middle of its response.";
    ClientStalled, "client-stalled", "The client stopped taking the response.";
    DrainCut, "drain-cut", "The exchange was still going on when the drain deadline came.";
    TunnelIdle, "tunnel-idle", "Nothing went through the upgraded connection for too long.";
    TlsHandshakeFailed, "tls-handshake-failed", "The TLS handshake with the client failed.";
    TlsHandshakeTimeout, "tls-handshake-timeout", "The client did not finish its TLS handshake in time.";
    ProxyProtocolInvalid, "proxy-protocol-invalid", "The connection did not begin with a valid PROXY header.";
    UpgradeFailed, "upgrade-failed", "The endpoint did not complete the upgrade.";
    DeadlineExceeded, "deadline-exceeded", "The request took longer than it may in all.";
    RetryBudgetExhausted, "retry-budget-exhausted", "Too many requests were being retried for one more.";
    Internal, "internal", "The router met a bug of its own.";
}

/// How a failure shows to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An answer of the router's own, with this status.
    Status(StatusCode),
    /// None: a response had begun. The connection or stream is reset.
    MidBody,
    /// None: there is nobody to answer. The access log has this status, if
    /// there was a request to log.
    LogOnly(Option<u16>),
    /// Status and type are those of the last attempt; this code is added.
    LastAttempt,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            Self::MidBody => f.write_str("mid-body"),
            Self::LogOnly(Some(status)) => write!(f, "{status}, log only"),
            Self::LogOnly(None) => f.write_str("log only"),
            Self::LastAttempt => f.write_str("as the last attempt's"),
        }
    }
}

/// A code in words, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, in one sentence.
    pub summary: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

impl Code {
    /// How the failure shows to the client.
    pub fn answer(self) -> Answer {
        self.entry().answer
    }

    /// The status of the router's own answer; `None` where there is none of
    /// its own (in mid-body, in the log only, or as the last attempt's).
    pub fn status(self) -> Option<StatusCode> {
        match self.answer() {
            Answer::Status(status) => Some(status),
            Answer::MidBody | Answer::LogOnly(_) | Answer::LastAttempt => None,
        }
    }

    /// The status for the access log: the answer's, 499 for a client that
    /// left, and 0 where the code sets none: in mid-body the log has the
    /// status already sent, before a request there is no line.
    pub fn log_status(self) -> u16 {
        match self.answer() {
            Answer::Status(status) => status.as_u16(),
            Answer::LogOnly(status) => status.unwrap_or(0),
            Answer::MidBody | Answer::LastAttempt => 0,
        }
    }

    /// The proxy error type registered by RFC 9209 section 2.3; `None` before
    /// there is a request, and where it is the last attempt's.
    pub fn proxy_error_type(self) -> Option<&'static str> {
        self.entry().proxy_error_type
    }

    /// Seconds for `Retry-After` (RFC 9110 section 10.2.3); `None` where the
    /// same request would fare no better later, or nobody can say when.
    pub fn retry_after_s(self) -> Option<u32> {
        self.entry().retry_after_s
    }

    /// Where on its way the request failed.
    pub fn stage(self) -> Stage {
        self.entry().stage
    }

    /// Who can do something about it.
    pub fn blame(self) -> Blame {
        self.entry().blame
    }

    /// How far a failed attempt can have got; `None` for what is not the
    /// failure of an attempt.
    pub fn retry_class(self) -> Option<RetryClass> {
        self.entry().retry_class
    }

    /// A short title for people, the `title` of RFC 9457 section 3.1.4.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// What it means, how it comes about, what to do.
    pub fn explanation(self) -> Explanation {
        let entry = self.entry();
        Explanation { summary: self.summary(), cause: entry.cause, advice: entry.advice }
    }

    fn entry(self) -> &'static Entry {
        table::entry(self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// Reads a code exactly as [`Code::as_str`] writes it.
    fn from_str(asked: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == asked)
            .ok_or_else(|| UnknownCode::of(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_name() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
    }

    #[test]
    fn every_code_has_its_own_row_of_the_table() {
        for code in Code::ALL {
            assert_eq!(code.entry().code, *code);
        }
    }

    #[test]
    fn names_are_kebab_case_and_differ() {
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        }
    }

    #[test]
    fn blame_and_retry_class_print_as_one_word() {
        let words = [Code::ConnectTimeout.blame().to_string(), Code::NoRoute.blame().to_string()];
        assert_eq!(words, ["network", "client"]);
        assert_eq!(RetryClass::MaybeProcessed.to_string(), "maybe-processed");
    }

    #[test]
    fn only_the_failure_of_an_attempt_says_how_far_it_got() {
        assert_eq!(Code::ConnectRefused.retry_class(), Some(RetryClass::NothingSent));
        assert_eq!(Code::UpstreamTruncated.retry_class(), Some(RetryClass::ResponseBegun));
        assert_eq!(Code::NoRoute.retry_class(), None);
    }

    #[test]
    fn a_status_of_the_4xx_class_blames_the_client() {
        for code in Code::ALL {
            if code.status().is_some_and(|status| status.is_client_error()) {
                assert_eq!(code.blame(), Blame::Client, "{code}");
            }
        }
    }

    #[test]
    fn waiting_is_only_advised_for_429_and_503() {
        for code in Code::ALL {
            let waiting = [429, 503].contains(&code.log_status());
            assert_eq!(code.retry_after_s().is_some(), waiting, "{code}");
        }
    }

    #[test]
    fn a_client_that_left_is_logged_as_499_and_not_answered() {
        assert_eq!(Code::ClientClosed.log_status(), 499);
        assert_eq!(Code::ClientClosed.status(), None);
        assert_eq!(Code::DrainCut.log_status(), 0);
        assert_eq!(Code::UpstreamReset.log_status(), 502);
    }

    #[test]
    fn every_code_is_explained_in_whole_sentences() {
        for code in Code::ALL {
            let words = code.explanation();
            for sentence in [words.summary, words.cause, words.advice] {
                assert!(sentence.ends_with('.') && sentence.len() > 20, "{code}: {sentence}");
                assert!(!sentence.contains("  ") && !sentence.contains('\n'), "{code}: {sentence}");
            }
            assert!(code.summary().len() <= 72, "{code}: fits a line of a terminal");
            assert!(code.title().len() <= 40 && !code.title().ends_with('.'), "{code}");
        }
    }
}
