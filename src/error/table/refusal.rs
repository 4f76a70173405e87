//! What the router declines by rule, by lack of a way, or by lack of room.

use http::StatusCode;

use super::{Answer, Blame, Code, Entry, Stage};

/// A request denied for who sent it; the rows below differ from it.
const DENIED: Entry = Entry {
    code: Code::Forbidden,
    answer: Answer::Status(StatusCode::FORBIDDEN),
    proxy_error_type: Some("http_request_denied"),
    retry_after_s: None,
    stage: Stage::Admission,
    blame: Blame::Client,
    retry_class: None,
    title: "Forbidden",
    cause: "The sender is known, and a rule of this route does not let it in.",
    advice: "Ask whoever runs the app for access. Trying again changes nothing.",
};

/// A request there is no room for now.
const NO_ROOM: Entry = Entry {
    code: Code::Overloaded,
    answer: Answer::Status(StatusCode::SERVICE_UNAVAILABLE),
    proxy_error_type: Some("proxy_internal_response"),
    retry_after_s: Some(1),
    stage: Stage::Admission,
    blame: Blame::Operator,
    retry_class: None,
    title: "Router is overloaded",
    cause: "As many requests as limits.requests_in_flight are under way, or every connection \
            that limits.connections or file descriptors allow is busy, or as many requests of a \
            route with adaptive_concurrency wait for an answer as its endpoints can work on; or \
            the system has no file descriptor, memory or port left for a connection to an \
            endpoint, which the details then say. The router says so at once instead of queueing.",
    advice: "Try again shortly. If it lasts, look for slow endpoints first, since they keep \
             requests in flight; then add endpoints where it is one route's limit (/routes shows \
             it), else routers, or raise the limit if memory allows; for descriptors that is \
             LimitNOFILE or ulimit -n.",
};

pub(super) const ROWS: &[Entry] = &[
    DENIED,
    Entry {
        code: Code::Unauthenticated,
        answer: Answer::Status(StatusCode::UNAUTHORIZED),
        title: "Not authenticated",
        cause: "The route asks for credentials, and they are missing, malformed, expired or not \
                signed by a trusted issuer.",
        advice: "Sign in again, or send a fresh token.",
        ..DENIED
    },
    Entry {
        code: Code::RateLimited,
        answer: Answer::Status(StatusCode::TOO_MANY_REQUESTS),
        retry_after_s: Some(1),
        title: "Too many requests",
        cause: "A rate limit of this route was reached for this sender.",
        advice: "Wait as long as Retry-After says, then go on more slowly.",
        ..DENIED
    },
    Entry {
        code: Code::Misdirected,
        answer: Answer::Status(StatusCode::MISDIRECTED_REQUEST),
        proxy_error_type: Some("http_request_error"),
        title: "Misdirected request",
        cause: "The host of the request is not one that the connection's TLS server name covers: \
                a client shared a connection between hosts that may not share one.",
        advice: "Open a new connection for this host; browsers do so by themselves.",
        ..DENIED
    },
    Entry {
        code: Code::LoopDetected,
        answer: Answer::Status(StatusCode::LOOP_DETECTED),
        proxy_error_type: Some("proxy_loop_detected"),
        blame: Blame::Operator,
        title: "Request loop",
        cause: "The router found its own name in the Via field: an endpoint of the route leads, \
                directly or through another proxy, back to this router.",
        advice: "Look at the endpoints of the route. If two routers share a node_id, give each \
                 its own.",
        ..DENIED
    },
    Entry {
        code: Code::NoRoute,
        answer: Answer::Status(StatusCode::NOT_FOUND),
        proxy_error_type: Some("destination_not_found"),
        stage: Stage::Routing,
        title: "No such route",
        cause: "The host or path is mistyped, or the app that should answer is not registered \
                here, or not yet, or no longer.",
        advice: "Check the address. As an operator, look for the host in `pointsman routes`.",
        ..DENIED
    },
    Entry {
        code: Code::NoEndpoint,
        proxy_error_type: Some("destination_unavailable"),
        retry_after_s: Some(5),
        stage: Stage::EndpointChoice,
        title: "App is not available",
        cause: "The route is there and has no endpoints, or none left that may be used: the app \
                is stopped, starting, or was taken out.",
        advice: "Try again shortly. As an operator, look at the route in `pointsman routes` and \
                 at whether the app runs.",
        ..NO_ROOM
    },
    Entry {
        code: Code::EndpointsSaturated,
        proxy_error_type: Some("connection_limit_reached"),
        stage: Stage::EndpointChoice,
        title: "App is at its limit",
        cause: "All endpoints of the route have as many requests as they are allowed, and the \
                queue for a free place is full, or the request waited in it for timeouts.queue.",
        advice: "Try again shortly. If it lasts, make the app faster, give it more endpoints, or \
                 raise their limit.",
        ..NO_ROOM
    },
    NO_ROOM,
    Entry {
        code: Code::Draining,
        title: "Router is shutting down",
        cause: "The router was told to stop, and finishes what it has begun. A load balancer that \
                still sends here has not looked at /health yet.",
        advice: "Try again; another router will answer. If deployments cause this, set \
                 timeouts.drain_delay to at least the balancer's health interval.",
        ..NO_ROOM
    },
];
