//! The head attempt *n* carries is a pure function of (request, route, endpoint,
//! n), whatever failed before it.

#![allow(clippy::unwrap_used, reason = "clippy sees no test in the helpers of an integration test")]

use std::net::SocketAddr;

use http::header::{HeaderName, HeaderValue};
use pointsman::attempt::{
    Action, AttemptHead, Body, Event, Exchange, Failure, Forwarded, HeadPolicy, HeaderEdits, Plan,
    Planner, Via, derive,
};
use pointsman::http1::{FieldLines, Framing, Version};
use pointsman::request::{ClientInfo, RequestHead, RequestHeadParts, RequestHost};
use proptest::collection::vec;
use proptest::prelude::*;

/// Names that meet every rule of the derivation, some of them often.
const NAMES: &[&str] = &[
    "accept",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-a",
    "x-b",
    "x_b",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x_forwarded_for",
    "x_request_id",
    "content_length",
];

const OWN: &[&str] = &[
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "via",
    "te",
    "connection",
];

/// What stands in place of the client's own values: a value no client sends here.
const FORGED: &str = "forged";

fn field() -> impl Strategy<Value = (&'static str, String)> {
    let options = vec(prop::sample::select(NAMES), 0..4).prop_map(|names| names.join(", "));
    prop::sample::select(NAMES).prop_flat_map(move |name| {
        let value = match name {
            "connection" => options.clone().boxed(),
            "te" => prop::sample::select(&["trailers", "gzip", "gzip, trailers"][..])
                .prop_map(str::to_owned)
                .boxed(),
            _ => Just(FORGED.to_owned()).boxed(),
        };
        (Just(name), value)
    })
}

fn received() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    vec(field(), 0..16).prop_map(|mut fields| {
        // Numbered, so that order shows.
        for (at, (name, value)) in fields.iter_mut().enumerate() {
            if !matches!(*name, "connection" | "te") {
                value.push_str(&at.to_string());
            }
        }
        fields
    })
}

fn request(received: &[(&str, String)], trusted: bool) -> RequestHead {
    let fields: FieldLines = received
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::try_from(value).unwrap()))
        .collect();
    RequestHead::new(RequestHeadParts {
        method: http::Method::PUT,
        target: "/a?b".into(),
        path: "/a".into(),
        host: RequestHost::from_authority(b"shop.example").unwrap(),
        authority: HeaderValue::from_static("shop.example"),
        version: Version::Http11,
        fields,
        framing: Framing::Chunked,
        client: ClientInfo {
            peer: SocketAddr::from(([192, 0, 2, 7], 4000)),
            local: SocketAddr::from(([192, 0, 2, 1], 80)),
            trusted,
            secure: false,
        },
        request_id: HeaderValue::from_static("id-1"),
    })
}

fn policy(forwarded: Forwarded) -> HeadPolicy {
    let edits = HeaderEdits {
        set: vec![(HeaderName::from_static("x-b"), HeaderValue::from_static("set"))],
        remove: vec![HeaderName::from_static("cookie")],
    };
    let id = HeaderName::from_static("x-request-id");
    HeadPolicy::new(forwarded, id, Via::new("pointsman", "n1"), edits).unwrap()
}

fn endpoint(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 100], u16::try_from(index).unwrap()))
}

/// Writes a head, which consumes it, as the round trip does.
fn written(head: AttemptHead) -> Vec<u8> {
    let to = head.endpoint();
    let parts = head.into_parts();
    let mut out = format!("{to} {} ", parts.method).into_bytes();
    out.extend_from_slice(&parts.target);
    out.extend_from_slice(format!(" {:?}\r\n", parts.framing).as_bytes());
    for (name, value) in &parts.fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn failure() -> impl Strategy<Value = Failure> {
    (0u8..8, any::<bool>(), 0u64..3, 0u64..3).prop_map(|(cause, reused, sent, received)| {
        let exchange =
            Exchange { reused, bytes_sent: sent, bytes_received: received, status: None };
        match cause {
            0 => Failure::connect_refused(),
            1 => Failure::connect_timeout(),
            2 => Failure::reset(exchange),
            3 => Failure::head_timeout(exchange),
            4 => Failure::protocol_error(exchange, "garbage"),
            5 => Failure::head_too_large(exchange),
            6 => Failure::write_timeout(exchange),
            _ => Failure::upgrade_failed("x"),
        }
    })
}

proptest! {
    #[test]
    fn what_failed_before_does_not_show_in_an_attempts_head(
        received in received(),
        trusted in any::<bool>(),
        failures in vec(failure(), 0..8),
        endpoints in 1usize..4,
        late in any::<bool>(),
    ) {
        let head = request(&received, trusted);
        let policy = policy(Forwarded::Append);
        let mut planner = Planner::new(Plan {
            attempts: 6,
            endpoints,
            idempotent: true,
            deadline_ms: None,
            wait_ms: (1, 2),
        });
        let mut failures = failures.into_iter();
        let mut event = Event::Start;
        let mut attempts = 0;
        loop {
            let number = match planner.step(event, 0, |_| true) {
                Action::GiveUp(_) => break,
                Action::Wait { .. } => {
                    event = Event::Waited;
                    continue;
                }
                Action::Attempt { number, .. } => number,
            };
            attempts += 1;
            prop_assert_eq!(number, attempts);
            let index = (0..endpoints).find(|index| !planner.tried().contains(*index)).unwrap();
            let carried = derive(&head, &policy, endpoint(index), number);
            // The reference: the same request, anew, to which nothing ever happened.
            let untouched = derive(&request(&received, trusted), &self::policy(Forwarded::Append),
                endpoint(index), number);
            prop_assert_eq!(written(carried), written(untouched));
            let Some(failure) = failures.next() else { break };
            if late {
                // A head derived and dropped unwritten leaves nothing behind either.
                drop(derive(&head, &policy, endpoint(index), number));
            }
            event = Event::Failed { failure, endpoint: index, body: Body::Buffered };
        }
        prop_assert!((1..=6).contains(&attempts));
    }

    #[test]
    fn attempts_end_and_every_retry_is_within_the_rules(
        failures in vec(failure(), 40),
        endpoints in 0usize..5,
        attempts in 1u32..7,
        idempotent in any::<bool>(),
        retries_left in 0u32..4,
    ) {
        let mut planner =
            Planner::new(Plan { attempts, endpoints, idempotent, deadline_ms: None, wait_ms: (1, 2) });
        let (mut begun, mut waits, mut budget) = (0, 0, retries_left);
        let mut last: Option<Failure> = None;
        let mut failures = failures.into_iter();
        let mut event = Event::Start;
        loop {
            let action = planner.step(event, 0, |_| { let ok = budget > 0; budget -= u32::from(ok); ok });
            match action {
                Action::GiveUp(end) => { prop_assert_eq!(end.last, last); break; }
                Action::Wait { .. } => { waits += 1; event = Event::Waited; }
                Action::Attempt { .. } => {
                    begun += 1;
                    if let Some(failure) = &last {
                        use pointsman::attempt::Progress::{MaybeProcessed, ResponseBegun};
                        prop_assert!(failure.progress() != ResponseBegun);
                        prop_assert!(failure.progress() != MaybeProcessed || idempotent);
                    }
                    let index = (0..endpoints).find(|index| !planner.tried().contains(*index));
                    let failure = failures.next().unwrap();
                    last = Some(failure.clone());
                    event = Event::Failed { failure, endpoint: index.unwrap(), body: Body::Untouched };
                }
            }
        }
        prop_assert!(begun <= attempts && waits <= 1);
    }

    #[test]
    fn nothing_that_connection_names_passes_but_what_is_the_routers(
        received in received(),
        trusted in any::<bool>(),
    ) {
        let policy = policy(Forwarded::Append);
        let fields = derive(&request(&received, trusted), &policy, endpoint(0), 1).into_parts().fields;
        let named: Vec<_> = received
            .iter()
            .filter(|(name, _)| *name == "connection")
            .flat_map(|(_, options)| options.split(", "))
            .collect();
        for (name, value) in &fields {
            let routes_own = name == "x-b" && value == "set";
            // Named it must be, and is asked for anew.
            let upgrade = name == "upgrade";
            let own = policy.protects(name) || routes_own || upgrade;
            prop_assert!(own || !named.contains(&name.as_str()), "{} passed", name);
        }
    }

    #[test]
    fn what_passes_keeps_its_order_and_repeated_lines_stay_apart(
        received in received(),
        trusted in any::<bool>(),
    ) {
        let policy = policy(Forwarded::Append);
        let fields = derive(&request(&received, trusted), &policy, endpoint(0), 1).into_parts().fields;
        let mut remaining = received.iter();
        for (name, value) in &fields {
            let made_anew = name == "x-forwarded-for" || name == "upgrade";
            if !value.as_bytes().starts_with(FORGED.as_bytes()) || made_anew {
                continue;
            }
            let found = remaining.any(|(n, v)| name == n && value == v.as_str());
            prop_assert!(found, "{} is out of order", name);
        }
    }

    #[test]
    fn an_upgrade_is_asked_for_in_one_line_that_connection_names_or_not_at_all(
        received in received(),
    ) {
        let policy = policy(Forwarded::Append);
        let fields = derive(&request(&received, false), &policy, endpoint(0), 1).into_parts().fields;
        let asks = received.iter().any(|(name, _)| *name == "upgrade")
            && received.iter().any(|(name, options)| {
                *name == "connection" && options.split(", ").any(|option| option == "upgrade")
            });
        let options = fields.first(&http::header::CONNECTION).map_or(&b""[..], |v| v.as_bytes());
        prop_assert_eq!(options.ends_with(b"upgrade"), asks);
        prop_assert_eq!(fields.all(&http::header::UPGRADE).count(), usize::from(asks));
    }

    #[test]
    fn an_untrusted_client_cannot_speak_for_the_router(
        received in received(),
        replace in any::<bool>(),
    ) {
        let forwarded = if replace { Forwarded::Replace } else { Forwarded::Append };
        let fields = derive(&request(&received, false), &policy(forwarded), endpoint(0), 1)
            .into_parts()
            .fields;
        for own in OWN {
            let name = HeaderName::from_static(own);
            let forged = fields.all(&name).any(|v| v.as_bytes().starts_with(FORGED.as_bytes()));
            // Via is a trace: what earlier hops wrote stays, and ours stands behind it.
            prop_assert!(!forged || *own == "via", "{} is the client's", own);
        }
        prop_assert_eq!(fields.all(&http::header::VIA).last().unwrap(), "1.1 pointsman-n1");
        let (first, value) = fields.iter().next().unwrap();
        prop_assert!(*first == http::header::HOST && value == "shop.example");
        for single in ["host", "x-forwarded-for", "x-request-id"] {
            prop_assert_eq!(fields.all(&HeaderName::from_static(single)).count(), 1);
        }
        for (name, _) in &fields {
            let folded = name.as_str().replace('_', "-");
            let spoof = folded != name.as_str() && OWN.contains(&folded.as_str());
            prop_assert!(!spoof, "{} passed", name);
            prop_assert!(folded != "content-length" && folded != "transfer-encoding");
        }
    }
}
