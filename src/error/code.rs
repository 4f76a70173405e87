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
