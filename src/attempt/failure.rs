//! How an attempt failed, and how far it got.
//!
//! How far it got decides whether another attempt may follow, so it is not left
//! to the caller to say: each cause has its own constructor, which works the
//! class out from what is known for certain, the bytes that went out and came
//! in.

use std::borrow::Cow;

use http::StatusCode;

use crate::error::{Code, RouterError};

/// How far a failed attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Not a byte of the request was handed to the endpoint's connection: any
    /// method may be sent again.
    NothingSent,
    /// The endpoint may have acted on it: idempotent methods only.
    MaybeProcessed,
    /// A whole final response head had come: never.
    ResponseBegun,
}

/// What had passed over the connection when an exchange failed before a whole
/// response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Whether the connection had served an exchange before.
    pub reused: bool,
    /// Bytes of this request that the kernel took.
    pub bytes_sent: u64,
    /// Bytes that came back after it, informational heads included.
    pub bytes_received: u64,
    /// The status of the final response whose head was not whole, or not sound,
    /// if its line could be read.
    pub status: Option<StatusCode>,
}

impl Exchange {
    fn progress(self) -> Progress {
        if self.bytes_sent == 0 { Progress::NothingSent } else { Progress::MaybeProcessed }
    }
}

/// A failed attempt. It holds no part of the attempt's head: it can be cloned,
/// which no head can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    progress: Progress,
    code: Code,
    stale_reuse: bool,
    detail: Cow<'static, str>,
    reason: Option<Box<str>>,
    received_status: Option<StatusCode>,
}

impl Failure {
    /// The endpoint refused the connection.
    pub fn connect_refused() -> Self {
        Self::unsent(Code::ConnectRefused, "the endpoint refused the connection")
    }

    /// The connection could not be made; `detail` is one sentence without
    /// addresses.
    pub fn connect_failed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::unsent(Code::ConnectFailed, detail)
    }

    /// The router itself lacked what a connection needs, such as a file
    /// descriptor; `detail` is one sentence. Nobody is to blame but the router:
    /// the answer is that of one that has too much to do.
    pub fn shortage(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::unsent(Code::Overloaded, detail)
    }

    /// The connection was not made in time.
    pub fn connect_timeout() -> Self {
        Self::unsent(Code::ConnectTimeout, "the endpoint did not take the connection in time")
    }

    /// The connection was closed or reset before a whole response head. On a
    /// reused connection that had not brought a byte, this is stale reuse: the
    /// endpoint closed it idle while the request was under way.
    pub fn reset(exchange: Exchange) -> Self {
        let stale = exchange.reused && exchange.bytes_received == 0;
        let detail = match (stale, exchange.bytes_received) {
            (true, _) => "the endpoint closed a reused connection before answering",
            (false, 0) => "the endpoint closed the connection before answering",
            (false, _) => "the endpoint closed the connection within the response head",
        };
        Self { stale_reuse: stale, ..Self::exchanged(exchange, Code::UpstreamReset, detail) }
    }

    /// No whole response head came in time.
    pub fn head_timeout(exchange: Exchange) -> Self {
        let detail = "the endpoint sent no whole response head in time";
        Self::exchanged(exchange, Code::UpstreamHeadTimeout, detail)
    }

    /// The endpoint took no more of the request in time.
    pub fn write_timeout(exchange: Exchange) -> Self {
        let detail = "the endpoint did not take the request in time";
        Self::exchanged(exchange, Code::UpstreamWriteTimeout, detail)
    }

    /// What came back is not a response head; `detail` is one sentence.
    pub fn protocol_error(exchange: Exchange, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::exchanged(exchange, Code::UpstreamProtocolError, detail)
    }

    /// The response head went past its limit.
    pub fn head_too_large(exchange: Exchange) -> Self {
        let detail = "the endpoint's response head is past the limit";
        Self::exchanged(exchange, Code::UpstreamHeadTooLarge, detail)
    }

    /// The endpoint switched protocols other than asked; `detail` is one
    /// sentence. A 101 is an answer, so nothing is repeated.
    pub fn upgrade_failed(detail: impl Into<Cow<'static, str>>) -> Self {
        let received_status = Some(StatusCode::SWITCHING_PROTOCOLS);
        Self { received_status, ..Self::begun(Code::UpgradeFailed, detail) }
    }

    /// TLS with the endpoint failed; `detail` is one sentence, here and below.
    pub fn tls_failed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::unsent(Code::TlsFailed, detail)
    }

    /// The endpoint is not who it should be; `reason` may say with names and
    /// addresses who it should, for the operator.
    pub fn tls_untrusted(
        detail: impl Into<Cow<'static, str>>,
        reason: impl Into<Box<str>>,
    ) -> Self {
        Self { reason: Some(reason.into()), ..Self::unsent(Code::TlsUntrusted, detail) }
    }

    /// The endpoint did not accept the router's side of the handshake. Even if
    /// it says so after the request was sent, nothing of that was looked at.
    pub fn tls_rejected(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::unsent(Code::TlsRejected, detail)
    }

    /// An alert ended the connection; `of_handshake` if it is one of those that
    /// say who the router is.
    ///
    /// Only the first word on a new connection can still be about the handshake
    /// (RFC 8446 section 4.4.2.4), so that nothing was looked at. On a reused
    /// connection, without an answer before it, an alert counts as a reset.
    pub fn alert(
        exchange: Exchange,
        of_handshake: bool,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        match (exchange.reused, exchange.bytes_received) {
            (false, 0) if of_handshake => Self::tls_rejected(detail),
            (true, 0) => Self::reset(exchange),
            _ => Self::exchanged(exchange, Code::TlsRejected, detail),
        }
    }

    /// How far it got.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The code of the answer, should this be the last attempt.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What happened, in one sentence without addresses.
    pub fn detail(&self) -> &Cow<'static, str> {
        &self.detail
    }

    /// The error of a request that this was the last attempt of, under `code`.
    pub fn told(&self, code: Code) -> RouterError {
        let reason = self.reason.clone();
        let received_status = self.received_status.map(|status| status.as_u16());
        RouterError { reason, received_status, ..RouterError::new(code, self.detail.clone()) }
    }

    /// Whether a reused connection died before the first byte of a response.
    pub fn is_stale_reuse(&self) -> bool {
        self.stale_reuse
    }

    /// Whether the endpoint is to be passed over for it.
    ///
    /// Stale reuse is nobody's fault: an endpoint may close an idle connection
    /// at any time (RFC 9112 section 9.3.1), and to shun a healthy one for 5 s
    /// because its keep-alive ran out would be an outage of our own making. If it
    /// is really down, the next, fresh connection says so. A failed upgrade is a
    /// misunderstanding between client and app; others' requests are well there.
    /// A shortage of the router's is its own.
    pub fn blames_endpoint(&self) -> bool {
        let elsewhere = matches!(self.code, Code::UpgradeFailed | Code::Overloaded);
        !self.stale_reuse && !elsewhere
    }

    fn unsent(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::at(Progress::NothingSent, code, detail.into())
    }

    fn exchanged(exchange: Exchange, code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let received_status = exchange.status;
        Self { received_status, ..Self::at(exchange.progress(), code, detail.into()) }
    }

    fn begun(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::at(Progress::ResponseBegun, code, detail.into())
    }

    fn at(progress: Progress, code: Code, detail: Cow<'static, str>) -> Self {
        Self { progress, code, stale_reuse: false, detail, reason: None, received_status: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Exchange =
        Exchange { reused: false, bytes_sent: 9, bytes_received: 0, status: None };

    #[test]
    fn a_connection_that_was_never_made_took_nothing() {
        for failure in [
            Failure::connect_refused(),
            Failure::connect_failed("no way there"),
            Failure::connect_timeout(),
        ] {
            assert_eq!(failure.progress(), Progress::NothingSent);
            assert!(failure.blames_endpoint());
        }
    }

    #[test]
    fn a_shortage_of_the_router_blames_nobody_else_and_says_what_is_lacking() {
        let failure = Failure::shortage("the router has no file descriptor left");
        assert!(!failure.blames_endpoint());
        assert_eq!((failure.progress(), failure.code()), (Progress::NothingSent, Code::Overloaded));
        assert_eq!(failure.told(failure.code()).detail, "the router has no file descriptor left");
    }

    #[test]
    fn one_byte_out_is_enough_to_have_been_processed() {
        let unsent = Exchange { bytes_sent: 0, ..FRESH };
        for make in [Failure::reset, Failure::head_timeout, Failure::write_timeout] {
            assert_eq!(make(unsent).progress(), Progress::NothingSent);
            assert_eq!(make(FRESH).progress(), Progress::MaybeProcessed);
        }
        assert_eq!(Failure::head_too_large(FRESH).progress(), Progress::MaybeProcessed);
        assert_eq!(Failure::protocol_error(FRESH, "x").progress(), Progress::MaybeProcessed);
    }

    #[test]
    fn an_alert_is_a_refusal_but_on_a_reused_connection_that_brought_nothing_back() {
        let reused = Exchange { reused: true, ..FRESH };
        for of_handshake in [false, true] {
            assert!(Failure::alert(reused, of_handshake, "x").is_stale_reuse());
            for exchange in [FRESH, Exchange { bytes_received: 1, ..reused }] {
                let alert = Failure::alert(exchange, of_handshake, "x");
                assert_eq!((alert.code(), alert.is_stale_reuse()), (Code::TlsRejected, false));
            }
        }
    }

    #[test]
    fn only_a_refusal_that_is_the_first_word_says_that_nothing_was_done() {
        let heard = Exchange { bytes_received: 1, ..FRESH };
        let reused = Exchange { reused: true, ..FRESH };
        for (exchange, of_handshake, progress) in [
            (FRESH, true, Progress::NothingSent),
            (FRESH, false, Progress::MaybeProcessed),
            (heard, true, Progress::MaybeProcessed),
            (reused, true, Progress::MaybeProcessed),
            (Exchange { reused: true, ..heard }, true, Progress::MaybeProcessed),
        ] {
            let alert = Failure::alert(exchange, of_handshake, "x");
            assert_eq!(alert.progress(), progress, "{exchange:?} {of_handshake}");
        }
    }

    #[test]
    fn only_a_reused_connection_that_brought_nothing_back_is_stale() {
        let stale = Failure::reset(Exchange { reused: true, ..FRESH });
        assert!(stale.is_stale_reuse() && !stale.blames_endpoint());
        assert!(!Failure::reset(FRESH).is_stale_reuse());
        let answered = Exchange { reused: true, bytes_received: 1, ..FRESH };
        assert!(!Failure::reset(answered).is_stale_reuse());
        assert!(!Failure::head_timeout(Exchange { reused: true, ..FRESH }).is_stale_reuse());
    }

    #[test]
    fn an_endpoint_that_will_not_switch_is_well_and_whoever_fails_otherwise_is_not() {
        assert!(!Failure::upgrade_failed("not that one").blames_endpoint());
        for failure in [
            Failure::reset(FRESH),
            Failure::head_timeout(FRESH),
            Failure::write_timeout(FRESH),
            Failure::protocol_error(FRESH, "x"),
            Failure::head_too_large(FRESH),
            Failure::tls_failed("x"),
            Failure::tls_untrusted("x", "y"),
            Failure::tls_rejected("x"),
        ] {
            assert!(failure.blames_endpoint(), "{failure:?}");
        }
    }

    #[test]
    fn after_a_whole_head_the_response_has_begun() {
        assert_eq!(Failure::upgrade_failed("x").progress(), Progress::ResponseBegun);
    }

    #[test]
    fn a_status_that_was_read_is_told() {
        let told = |failure: Failure| failure.told(failure.code()).received_status;
        assert_eq!(told(Failure::upgrade_failed("x")), Some(101));
        let begun = Exchange { status: Some(StatusCode::OK), ..FRESH };
        for make in [Failure::reset, Failure::head_timeout, Failure::head_too_large] {
            assert_eq!((told(make(begun)), told(make(FRESH))), (Some(200), None));
        }
        assert_eq!(told(Failure::protocol_error(begun, "x")), Some(200));
        assert_eq!(told(Failure::connect_refused()), None);
    }

    #[test]
    fn what_happened_is_told_in_the_words_of_who_saw_it() {
        let failure = Failure::protocol_error(FRESH, "a bare LF in the status line");
        assert_eq!(failure.detail(), "a bare LF in the status line");
    }
}
