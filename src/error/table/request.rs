//! What is wrong with the request as it arrives.

use http::StatusCode;

use super::{Answer, Blame, Code, Entry, Stage};

/// A request the router cannot take as it is; most rows differ little from it.
const REFUSED: Entry = Entry {
    code: Code::BadRequest,
    answer: Answer::Status(StatusCode::BAD_REQUEST),
    proxy_error_type: Some("http_request_error"),
    retry_after_s: None,
    stage: Stage::RequestHead,
    blame: Blame::Client,
    retry_class: None,
    title: "Bad request",
    cause: "A byte that is forbidden where it stands, a malformed request line or field line, an \
            unknown form of method or target, or another protocol altogether, such as TLS sent to \
            a plain port.",
    advice: "Look at the bytes the client sends. If the port should speak TLS, use https.",
};

pub(super) const ROWS: &[Entry] = &[
    REFUSED,
    Entry {
        code: Code::UriTooLong,
        answer: Answer::Status(StatusCode::URI_TOO_LONG),
        title: "Request target too long",
        cause: "The path and query alone are longer than limits.request_head_bytes lets a whole \
                head be.",
        advice: "Send large parameters in a body. If such targets are meant, raise \
                 limits.request_head_bytes.",
        ..REFUSED
    },
    Entry {
        code: Code::MethodNotAllowed,
        answer: Answer::Status(StatusCode::METHOD_NOT_ALLOWED),
        stage: Stage::Admission,
        title: "Method not allowed",
        cause: "CONNECT would make an open relay of the router, and TRACE would show internal \
                fields to whoever asks; both are refused for every route.",
        advice: "Use one of the methods listed in Allow. For a tunnel, use a forward proxy.",
        ..REFUSED
    },
    Entry {
        code: Code::ExpectationFailed,
        answer: Answer::Status(StatusCode::EXPECTATION_FAILED),
        stage: Stage::Admission,
        title: "Expectation failed",
        cause: "The Expect field asks for something other than 100-continue, the only expectation \
                HTTP defines.",
        advice: "Leave Expect out, or send 100-continue.",
        ..REFUSED
    },
    Entry {
        code: Code::VersionNotSupported,
        answer: Answer::Status(StatusCode::HTTP_VERSION_NOT_SUPPORTED),
        title: "HTTP version not supported",
        cause: "The request line names a version other than HTTP/1.0 and HTTP/1.1.",
        advice: "Have the client speak HTTP/1.1.",
        ..REFUSED
    },
    Entry {
        code: Code::BadFraming,
        title: "Request framing is ambiguous",
        cause: "Content-Length beside Transfer-Encoding, a second or malformed Content-Length, a \
                coding other than a single chunked, Transfer-Encoding in HTTP/1.0, a broken \
                chunk, a bare CR or LF, a folded line, or a space before a colon. Servers that \
                read such a request differently can be made to take a part of one request for \
                another (request smuggling), so it is not forwarded, and the connection is closed.",
        advice: "Mend the client or the proxy before this one. If neither sends such a thing on \
                 purpose, look where the request came from: it may be an attack.",
        ..REFUSED
    },
    Entry {
        code: Code::AmbiguousHost,
        stage: Stage::Admission,
        title: "Host is missing or ambiguous",
        cause: "No Host field, several, a malformed one, or one that differs from the host in the \
                request target.",
        advice: "Send exactly one Host field, with the host of the URL.",
        ..REFUSED
    },
    Entry {
        code: Code::AmbiguousPath,
        stage: Stage::Admission,
        title: "Path is ambiguous",
        cause: "Dot segments that climb above the root, or that hide behind percent-encoding. The \
                router and the app could take such a path for two different resources, and a \
                rule for one would not hold for the other.",
        advice: "Send the path in normal form: no .. above the root, and no %2e.",
        ..REFUSED
    },
    Entry {
        code: Code::RequestHeadTimeout,
        answer: Answer::Status(StatusCode::REQUEST_TIMEOUT),
        title: "Request head came too slowly",
        cause: "The end of the head had not come timeouts.request_head after its first byte: a \
                slow or broken network, a client that stopped, or one that holds connections open \
                on purpose.",
        advice: "Try again. If honest clients are this slow, raise timeouts.request_head.",
        ..REFUSED
    },
    Entry {
        code: Code::RequestBodyTimeout,
        answer: Answer::Status(StatusCode::REQUEST_TIMEOUT),
        stage: Stage::RequestBody,
        title: "Request body came too slowly",
        cause: "Nothing came for timeouts.request_body_idle, or less than \
                timeouts.request_body_min_rate over 30 s.",
        advice: "Try again. If honest uploads are this slow, raise the one or lower the other, \
                 for their route alone if possible.",
        ..REFUSED
    },
    Entry {
        code: Code::RequestHeadTooLarge,
        answer: Answer::Status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        title: "Request head too large",
        cause: "The head is over limits.request_head_bytes, or has more field lines than \
                limits.request_headers. Cookies that pile up are the usual reason.",
        advice: "Delete the cookies of this site. If such heads are meant, raise the limits, and \
                 those of the apps too.",
        ..REFUSED
    },
    Entry {
        code: Code::RequestBodyTooLarge,
        answer: Answer::Status(StatusCode::PAYLOAD_TOO_LARGE),
        stage: Stage::RequestBody,
        title: "Request body too large",
        cause: "The body is over limits.request_body_bytes, by its Content-Length or as counted \
                on the way.",
        advice: "Send less at once. If such bodies are meant, raise limits.request_body_bytes.",
        ..REFUSED
    },
    Entry {
        code: Code::ClientClosed,
        answer: Answer::LogOnly(Some(499)),
        proxy_error_type: Some("connection_terminated"),
        stage: Stage::Anywhere,
        title: "Client closed the connection",
        cause: "The person navigated away, the program lost patience, or the network between \
                broke. The attempt at the endpoint was dropped at that moment.",
        advice: "A few are normal. Many point to answers slower than clients wait: look at \
                 duration_ms of these lines in the access log.",
        ..REFUSED
    },
];
