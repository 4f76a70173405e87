//! The codes.

/// What went wrong, in one word that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// `bad-request`
    BadRequest,
    /// `uri-too-long`
    UriTooLong,
    /// `method-not-allowed`
    MethodNotAllowed,
    /// `expectation-failed`
    ExpectationFailed,
    /// `version-not-supported`
    VersionNotSupported,
    /// `bad-framing`
    BadFraming,
    /// `ambiguous-host`
    AmbiguousHost,
    /// `ambiguous-path`
    AmbiguousPath,
    /// `request-head-timeout`
    RequestHeadTimeout,
    /// `request-body-timeout`
    RequestBodyTimeout,
    /// `request-head-too-large`
    RequestHeadTooLarge,
    /// `request-body-too-large`
    RequestBodyTooLarge,
    /// `client-closed`
    ClientClosed,
    /// `unauthenticated`
    Unauthenticated,
    /// `forbidden`
    Forbidden,
    /// `rate-limited`
    RateLimited,
    /// `misdirected`
    Misdirected,
    /// `loop-detected`
    LoopDetected,
    /// `no-route`
    NoRoute,
    /// `no-endpoint`
    NoEndpoint,
    /// `endpoints-saturated`
    EndpointsSaturated,
    /// `overloaded`
    Overloaded,
    /// `draining`
    Draining,
    /// `dns-failed`
    DnsFailed,
    /// `dns-timeout`
    DnsTimeout,
    /// `connect-refused`
    ConnectRefused,
    /// `connect-failed`
    ConnectFailed,
    /// `connect-timeout`
    ConnectTimeout,
    /// `tls-failed`
    TlsFailed,
    /// `tls-untrusted`
    TlsUntrusted,
    /// `tls-rejected`
    TlsRejected,
    /// `upstream-reset`
    UpstreamReset,
    /// `upstream-protocol-error`
    UpstreamProtocolError,
    /// `upstream-head-too-large`
    UpstreamHeadTooLarge,
    /// `upstream-head-timeout`
    UpstreamHeadTimeout,
    /// `upstream-write-timeout`
    UpstreamWriteTimeout,
    /// `upstream-truncated`
    UpstreamTruncated,
    /// `upstream-body-timeout`
    UpstreamBodyTimeout,
    /// `client-stalled`
    ClientStalled,
    /// `drain-cut`
    DrainCut,
    /// `tunnel-idle`
    TunnelIdle,
    /// `tls-handshake-failed`
    TlsHandshakeFailed,
    /// `tls-handshake-timeout`
    TlsHandshakeTimeout,
    /// `proxy-protocol-invalid`
    ProxyProtocolInvalid,
    /// `upgrade-failed`
    UpgradeFailed,
    /// `deadline-exceeded`
    DeadlineExceeded,
    /// `retry-budget-exhausted`
    RetryBudgetExhausted,
    /// `internal`
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: &[Self] = &[
        Self::BadRequest,
        Self::UriTooLong,
        Self::MethodNotAllowed,
        Self::ExpectationFailed,
        Self::VersionNotSupported,
        Self::BadFraming,
        Self::AmbiguousHost,
        Self::AmbiguousPath,
        Self::RequestHeadTimeout,
        Self::RequestBodyTimeout,
        Self::RequestHeadTooLarge,
        Self::RequestBodyTooLarge,
        Self::ClientClosed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::RateLimited,
        Self::Misdirected,
        Self::LoopDetected,
        Self::NoRoute,
        Self::NoEndpoint,
        Self::EndpointsSaturated,
        Self::Overloaded,
        Self::Draining,
        Self::DnsFailed,
        Self::DnsTimeout,
        Self::ConnectRefused,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::TlsUntrusted,
        Self::TlsRejected,
        Self::UpstreamReset,
        Self::UpstreamProtocolError,
        Self::UpstreamHeadTooLarge,
        Self::UpstreamHeadTimeout,
        Self::UpstreamWriteTimeout,
        Self::UpstreamTruncated,
        Self::UpstreamBodyTimeout,
        Self::ClientStalled,
        Self::DrainCut,
        Self::TunnelIdle,
        Self::TlsHandshakeFailed,
        Self::TlsHandshakeTimeout,
        Self::ProxyProtocolInvalid,
        Self::UpgradeFailed,
        Self::DeadlineExceeded,
        Self::RetryBudgetExhausted,
        Self::Internal,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::UriTooLong => "uri-too-long",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::ExpectationFailed => "expectation-failed",
            Self::VersionNotSupported => "version-not-supported",
            Self::BadFraming => "bad-framing",
            Self::AmbiguousHost => "ambiguous-host",
            Self::AmbiguousPath => "ambiguous-path",
            Self::RequestHeadTimeout => "request-head-timeout",
            Self::RequestBodyTimeout => "request-body-timeout",
            Self::RequestHeadTooLarge => "request-head-too-large",
            Self::RequestBodyTooLarge => "request-body-too-large",
            Self::ClientClosed => "client-closed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate-limited",
            Self::Misdirected => "misdirected",
            Self::LoopDetected => "loop-detected",
            Self::NoRoute => "no-route",
            Self::NoEndpoint => "no-endpoint",
            Self::EndpointsSaturated => "endpoints-saturated",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::DnsFailed => "dns-failed",
            Self::DnsTimeout => "dns-timeout",
            Self::ConnectRefused => "connect-refused",
            Self::ConnectFailed => "connect-failed",
            Self::ConnectTimeout => "connect-timeout",
            Self::TlsFailed => "tls-failed",
            Self::TlsUntrusted => "tls-untrusted",
            Self::TlsRejected => "tls-rejected",
            Self::UpstreamReset => "upstream-reset",
            Self::UpstreamProtocolError => "upstream-protocol-error",
            Self::UpstreamHeadTooLarge => "upstream-head-too-large",
            Self::UpstreamHeadTimeout => "upstream-head-timeout",
            Self::UpstreamWriteTimeout => "upstream-write-timeout",
            Self::UpstreamTruncated => "upstream-truncated",
            Self::UpstreamBodyTimeout => "upstream-body-timeout",
            Self::ClientStalled => "client-stalled",
            Self::DrainCut => "drain-cut",
            Self::TunnelIdle => "tunnel-idle",
            Self::TlsHandshakeFailed => "tls-handshake-failed",
            Self::TlsHandshakeTimeout => "tls-handshake-timeout",
            Self::ProxyProtocolInvalid => "proxy-protocol-invalid",
            Self::UpgradeFailed => "upgrade-failed",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::RetryBudgetExhausted => "retry-budget-exhausted",
            Self::Internal => "internal",
        }
    }
}
