//! What goes wrong between the router and an endpoint.

use http::StatusCode;

use super::{Answer, Blame, Code, Entry, RetryClass, Stage};

/// An endpoint that could not be reached: nothing was sent.
const UNREACHED: Entry = Entry {
    code: Code::ConnectRefused,
    answer: Answer::Status(StatusCode::BAD_GATEWAY),
    proxy_error_type: Some("connection_refused"),
    retry_after_s: None,
    stage: Stage::Connect,
    blame: Blame::Endpoint,
    retry_class: Some(RetryClass::NothingSent),
    title: "App refused the connection",
    cause: "Nothing listens at the endpoint's address and port: the app crashed, has not started, \
            listens elsewhere, or its backlog is full and the system refuses. Every endpoint that \
            was tried failed.",
    advice: "Check that the app runs and listens on the registered address, not only on its own \
             loopback.",
};

/// An endpoint whose name has no address yet: there is no attempt to repeat, and
/// the name is asked for beside the requests.
const UNRESOLVED: Entry = Entry { retry_class: None, ..UNREACHED };

/// An endpoint that was reached and gave no usable response head.
const NO_HEAD: Entry = Entry {
    code: Code::UpstreamReset,
    proxy_error_type: Some("connection_terminated"),
    stage: Stage::ResponseHead,
    retry_class: Some(RetryClass::MaybeProcessed),
    title: "App closed the connection",
    cause: "The app crashed or restarted while it worked on the request, closes idle connections \
            sooner than the router does, or something between cut the connection.",
    advice: "Look into the app's log at this time. If it closes idle connections, set its \
             keep-alive time above timeouts.upstream_keep_alive. The request may have had its \
             effect: check before repeating it by hand.",
    ..UNREACHED
};

/// A response that broke off; the client has its beginning.
const BROKEN_OFF: Entry = Entry {
    code: Code::UpstreamTruncated,
    answer: Answer::MidBody,
    proxy_error_type: Some("http_response_incomplete"),
    stage: Stage::ResponseBody,
    retry_class: Some(RetryClass::ResponseBegun),
    title: "App's response broke off",
    cause: "The app closed the connection before the length it announced, or before the last \
            chunk. The client's connection is reset, so that it can tell that bytes are missing.",
    advice: "Look into the app's log: it most likely failed while it wrote the response.",
    ..UNREACHED
};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::DnsFailed,
        proxy_error_type: Some("dns_error"),
        blame: Blame::Operator,
        title: "App's name was not found",
        cause: "The name servers say that the endpoint's name does not exist or has no address, or \
                they fail; it has no address from before.",
        advice: "Check the endpoint's spelling in the route, and its DNS record. /routes shows what \
                 is wrong, and when the name is asked for again.",
        ..UNRESOLVED
    },
    Entry {
        code: Code::DnsTimeout,
        answer: Answer::Status(StatusCode::GATEWAY_TIMEOUT),
        proxy_error_type: Some("dns_timeout"),
        blame: Blame::Network,
        title: "App's name was not found in time",
        cause: "No name server answered for the endpoint's name within dns.timeout, asked \
                dns.attempts times, and it has no address from before.",
        advice: "Check that the name servers run and can be reached from the router.",
        ..UNRESOLVED
    },
    UNREACHED,
    Entry {
        code: Code::ConnectFailed,
        proxy_error_type: Some("destination_ip_unroutable"),
        blame: Blame::Network,
        title: "App could not be reached",
        cause: "The system has no way to the endpoint's address (no route, network or host \
                unreachable, forbidden by a firewall).",
        advice: "Check addresses, routing and firewall between the router and the endpoint.",
        ..UNREACHED
    },
    Entry {
        code: Code::ConnectTimeout,
        answer: Answer::Status(StatusCode::GATEWAY_TIMEOUT),
        proxy_error_type: Some("connection_timeout"),
        blame: Blame::Network,
        title: "App did not take the connection",
        cause: "TCP or TLS was not set up within timeouts.connect: the host is down, a firewall \
                drops packets, or the app is too busy to accept.",
        advice: "Check that the endpoint's host is up and that packets get through; then how busy \
                 the app is.",
        ..UNREACHED
    },
    Entry {
        code: Code::TlsFailed,
        proxy_error_type: Some("tls_protocol_error"),
        title: "TLS with the app failed",
        cause: "The endpoint speaks no TLS on this port, or no version or cipher suite that the \
                router does.",
        advice: "Check that the endpoint's port speaks TLS 1.2 or 1.3.",
        ..UNREACHED
    },
    Entry {
        code: Code::TlsUntrusted,
        proxy_error_type: Some("tls_certificate_error"),
        blame: Blame::Operator,
        title: "App's certificate is not trusted",
        cause: "The certificate is expired, is for another name, or is not signed by an authority \
                that the router trusts for this route.",
        advice: "Renew the certificate, or give the router the authority that signed it.",
        ..UNREACHED
    },
    Entry {
        code: Code::TlsRejected,
        proxy_error_type: Some("tls_alert_received"),
        blame: Blame::Operator,
        title: "App refused TLS with the router",
        cause: "The endpoint ended the handshake with an alert; most often it wants a client \
                certificate, or another one, or takes no version or cipher suite that the router \
                has.",
        advice: "Check the client certificate set for this route against what the app trusts, and \
                 that the app speaks TLS 1.2 or 1.3.",
        ..UNREACHED
    },
    NO_HEAD,
    Entry {
        code: Code::UpstreamProtocolError,
        proxy_error_type: Some("http_protocol_error"),
        title: "App's answer is not valid HTTP",
        cause: "The endpoint speaks another protocol on this port, or its response head has \
                malformed lines, contradictory lengths or forbidden bytes. Such a response is not \
                passed on, since clients could read it in different ways.",
        advice: "Check that the port is the app's HTTP port; then look at the response itself, \
                 sent by the app without the router.",
        ..NO_HEAD
    },
    Entry {
        code: Code::UpstreamHeadTooLarge,
        proxy_error_type: Some("http_response_header_section_size"),
        title: "App's response head is too large",
        cause: "The response head is over limits.response_head_bytes, most often by cookies.",
        advice: "Have the app send less in its head, or raise limits.response_head_bytes.",
        ..NO_HEAD
    },
    Entry {
        code: Code::UpstreamHeadTimeout,
        answer: Answer::Status(StatusCode::GATEWAY_TIMEOUT),
        proxy_error_type: Some("http_response_timeout"),
        title: "App did not answer in time",
        cause: "The whole request was sent, and no response head came for timeouts.attempt_head: \
                the app is slow, stuck or overloaded.",
        advice: "Find out what the app waits for. If such requests are meant to take this long, \
                 raise timeouts.attempt_head for their route.",
        ..NO_HEAD
    },
    Entry {
        code: Code::UpstreamWriteTimeout,
        answer: Answer::Status(StatusCode::GATEWAY_TIMEOUT),
        proxy_error_type: Some("connection_write_timeout"),
        stage: Stage::RequestWrite,
        title: "App stopped taking the request",
        cause: "The endpoint took no byte of the request for timeouts.request_write_idle: the app \
                does not read the body, or its host hangs.",
        advice: "Look at what the app does with request bodies.",
        ..NO_HEAD
    },
    BROKEN_OFF,
    Entry {
        code: Code::UpstreamBodyTimeout,
        proxy_error_type: Some("connection_read_timeout"),
        title: "App's response stopped",
        cause: "The endpoint sent nothing for timeouts.response_body_idle in the middle of a \
                response.",
        advice: "For event streams, send a comment line now and then, or set \
                 timeouts.response_body_idle of the route to \"off\".",
        ..BROKEN_OFF
    },
    Entry {
        code: Code::UpgradeFailed,
        proxy_error_type: Some("http_upgrade_failed"),
        retry_class: None,
        title: "Upgrade failed",
        cause: "The endpoint answered 101 with a protocol that was not asked for, or without one.",
        advice: "Check that the app speaks the protocol named in the request's Upgrade field.",
        ..NO_HEAD
    },
];
