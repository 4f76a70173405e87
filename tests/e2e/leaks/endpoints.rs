//! What endpoints do, by the target they are asked for.

use crate::harness::{Script, Step, Visit, script};

/// Where a request is sent: host and target.
pub(super) type Target = (&'static str, &'static str);

/// Further keys of the route whose endpoints stall.
pub(super) const IMPATIENT: &str = "attempt_head = \"50ms\"\nresponse_body_idle = \"50ms\"";

/// Further keys of the route whose endpoints are probed.
pub(super) const PROBED: &str =
    "health_check = { path = \"/length\", interval = \"200ms\", timeout = \"20s\" }";

/// Those that answer whole.
pub(super) const WHOLE: &[Target] = &[
    ("a.test", "/length"),
    ("a.test", "/chunks"),
    ("a.test", "/until-close"),
    ("a.test", "/large"),
    ("a.test", "/empty"),
    ("a.test", "/early"),
    ("a.test", "/hints"),
    ("retried.test", "/length"),
    // Two places for 32 clients: some of them stand in line.
    ("limited.test", "/length"),
    ("limited.test", "/large"),
    ("live.test", "/length"),
    ("probed.test", "/length"),
    ("probed.test", "/large"),
];

/// Those that fail, in every way an endpoint can.
pub(super) const FAILING: &[Target] = &[
    ("refused.test", "/"),
    ("a.test", "/closes"),
    ("a.test", "/resets"),
    ("a.test", "/garbage"),
    ("a.test", "/half-head"),
    ("a.test", "/large-head"),
    ("a.test", "/storm"),
    ("a.test", "/truncates"),
    ("a.test", "/resets-within"),
    ("a.test", "/bad-chunk"),
    ("a.test", "/surplus"),
    ("stall.test", "/stalls"),
    ("stall.test", "/stalls-within"),
];

/// Codes that these exchanges come to, besides `client-closed`.
pub(super) const CODES: &[&str] = &[
    "connect-refused",
    "upstream-reset",
    "upstream-protocol-error",
    "upstream-head-too-large",
    "upstream-truncated",
    "upstream-head-timeout",
    "upstream-body-timeout",
];

/// The script of every request.
pub(super) fn behave(_: Visit) -> Script {
    vec![Step::ReadHead, Step::ByTarget(answer)]
}

fn answer(target: &str) -> Script {
    let send = |text: &str| Step::Send(text.into());
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";
    let mut steps = match target {
        "/length" => vec![send(&script::ok("whole"))],
        "/chunks" => vec![
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            Step::SendPattern { bytes: 20_000, chunked: true },
            send("0\r\nx-sum: 1\r\n\r\n"),
        ],
        "/until-close" => vec![
            send("HTTP/1.1 200 OK\r\n\r\n"),
            Step::SendPattern { bytes: 20_000, chunked: false },
            Step::Close,
        ],
        "/large" => vec![
            send("HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n"),
            Step::SendPattern { bytes: 300_000, chunked: false },
        ],
        "/empty" => vec![send("HTTP/1.1 204 No Content\r\n\r\n")],
        // Before the content is read, which is not read at all.
        "/early" => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";
            return vec![send(head), Step::UntilPeerLeaves];
        }
        "/hints" => vec![send(&hint.repeat(3)), send(&script::ok("whole"))],
        "/closes" => vec![Step::Close],
        "/resets" => vec![Step::Reset],
        "/garbage" => vec![send("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Step::Close],
        "/half-head" => vec![send("HTTP/1.1 200 OK\r\nx-half"), Step::Close],
        "/large-head" => {
            vec![Step::Send(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(70_000)).into())]
        }
        "/storm" => vec![send(&hint.repeat(20)), Step::Close],
        "/truncates" => vec![
            send("HTTP/1.1 200 OK\r\ncontent-length: 30000\r\n\r\n"),
            Step::SendPattern { bytes: 20_000, chunked: false },
            Step::Close,
        ],
        "/resets-within" => vec![
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
            Step::Reset,
        ],
        "/bad-chunk" => vec![
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalfzz"),
            Step::UntilPeerLeaves,
        ],
        "/surplus" => vec![send(&(script::ok("whole") + "more than that"))],
        "/stalls" => vec![Step::UntilPeerLeaves],
        "/stalls-within" => {
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf"), Step::UntilPeerLeaves]
        }
        other => panic!("nobody asks for {other}"),
    };
    steps.insert(0, Step::ReadBody);
    steps
}
