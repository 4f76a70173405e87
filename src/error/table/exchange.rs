//! What ends an exchange or a connection as a whole.

use http::StatusCode;

use super::{Answer, Blame, Code, Entry, Stage};

/// A response cut on the client's side of the router.
const CUT: Entry = Entry {
    code: Code::DrainCut,
    answer: Answer::MidBody,
    proxy_error_type: Some("connection_terminated"),
    retry_after_s: None,
    stage: Stage::Anywhere,
    blame: Blame::Operator,
    retry_class: None,
    title: "Cut at the end of a drain",
    cause: "The router was told to stop and waited for timeouts.drain; this exchange was not done \
            by then. Long downloads and open streams are the usual ones.",
    advice: "Clients of long streams should reconnect. If exchanges of this length are normal, \
             raise timeouts.drain.",
};

/// A connection that ended before it carried a request.
const NO_REQUEST: Entry = Entry {
    code: Code::TlsHandshakeFailed,
    answer: Answer::LogOnly(None),
    proxy_error_type: None,
    retry_after_s: None,
    stage: Stage::ClientConnect,
    blame: Blame::Client,
    retry_class: None,
    title: "TLS handshake failed",
    cause: "The client speaks no TLS, or no version or cipher suite that the router does, or does \
            not accept the router's certificate. Scanners cause many of these.",
    advice: "If honest clients fail, check the certificate for the name they ask for, and that \
             they speak TLS 1.2 or 1.3.",
};

/// A failure of the exchange as a whole, answered if nothing was sent yet.
const FAILED: Entry = Entry {
    code: Code::Internal,
    answer: Answer::Status(StatusCode::INTERNAL_SERVER_ERROR),
    proxy_error_type: Some("proxy_internal_error"),
    retry_after_s: None,
    stage: Stage::Anywhere,
    blame: Blame::Router,
    retry_class: None,
    title: "Internal error of the router",
    cause: "The router's code broke one of its own assumptions while it worked on this request. \
            Only this request is affected; its connection is closed.",
    advice: "Report it, with the request id and the lines of the router's log at this time.",
};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::ClientStalled,
        proxy_error_type: Some("connection_write_timeout"),
        stage: Stage::ClientWrite,
        blame: Blame::Client,
        title: "Client stopped reading",
        cause: "The client took no byte of the response for timeouts.response_write_idle: it was \
                suspended, lost its network, or holds connections open on purpose.",
        advice: "If honest clients pause this long, raise timeouts.response_write_idle, \
                 which holds for all routes.",
        ..CUT
    },
    CUT,
    Entry {
        code: Code::TunnelIdle,
        stage: Stage::Tunnel,
        blame: Blame::Client,
        title: "Upgraded connection was idle",
        cause: "Neither side sent a byte for timeouts.tunnel_idle; or one had ended, and the other \
                sent nothing for its body's clock (response_body_idle or request_body_idle).",
        advice: "Have the client or the app send pings, or raise timeouts.tunnel_idle for the \
                 route.",
        ..CUT
    },
    NO_REQUEST,
    Entry {
        code: Code::TlsHandshakeTimeout,
        title: "TLS handshake took too long",
        cause: "The handshake was not done within timeouts.tls_handshake: a slow network, a \
                health check that only opens the port, or a client that holds connections open on \
                purpose.",
        advice: "If it is the load balancer's health check, have it ask for /health instead.",
        ..NO_REQUEST
    },
    Entry {
        code: Code::ProxyProtocolInvalid,
        blame: Blame::Operator,
        title: "PROXY header missing or invalid",
        cause: "The listener expects a PROXY protocol header from the load balancer, and the \
                connection began with something else, or came from elsewhere.",
        advice: "Switch the PROXY protocol on at both ends or at neither.",
        ..NO_REQUEST
    },
    Entry {
        code: Code::DeadlineExceeded,
        answer: Answer::Status(StatusCode::GATEWAY_TIMEOUT),
        proxy_error_type: Some("http_response_timeout"),
        blame: Blame::Endpoint,
        title: "Request took too long",
        cause: "Waiting, attempts and bodies together took longer than timeouts.request.",
        advice: "See in the access log which part was slow: queue_ms, head_ms, or the body. If \
                 such requests are meant to take this long, raise timeouts.request for their \
                 route.",
        ..FAILED
    },
    Entry {
        code: Code::RetryBudgetExhausted,
        answer: Answer::LastAttempt,
        proxy_error_type: None,
        blame: Blame::Endpoint,
        title: "Retry budget is spent",
        cause: "The last attempt failed in a way that would have been retried, but retries were \
                already at retry.budget_percent of recent requests. When most attempts fail, \
                retrying them all would only add to the load.",
        advice: "Mend what makes attempts fail; the code beside this one says what that is. It is \
                 rarely right to raise the budget.",
        ..FAILED
    },
    FAILED,
];
