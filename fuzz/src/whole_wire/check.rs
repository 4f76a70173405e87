//! What must hold for everything the router wrote.

use std::collections::BTreeMap;

use pointsman::fuzzing::{Dial, Heard, Play, Step};

use super::super::strict::{self, End, From, Message};
use super::script::Script;

/// Attempts of one request, by the settings.
const ATTEMPTS: usize = 3;

/// Panics if something is wrong.
pub(super) fn check(script: &Script, heard: &Heard) {
    assert_eq!(heard.panics, 0, "a panic was caught");
    let (requests, _) = strict::requests(&script.sent, From::Client);
    sent_on(script, &requests, heard);
    answered(script, &requests, heard);
}

/// Every request at an endpoint is one of the client's.
fn sent_on(script: &Script, requests: &[Message], heard: &Heard) {
    let mut attempts: BTreeMap<Vec<u8>, Vec<Message>> = BTreeMap::new();
    for (_, bytes) in &heard.endpoints {
        let (mut forwarded, mut end) = strict::requests(bytes, From::Router);
        if let Some(first) = forwarded.first()
            && is_tunnel(script, requests, first, &bytes[first.raw.len()..])
        {
            forwarded.truncate(1);
            end = End::Clean;
        }
        assert!(!matches!(end, End::Broken(_)), "{end:?} in {}", text(bytes));
        for request in forwarded {
            let id = request.one("x-request-id").expect("a request without an id").to_vec();
            assert!(request.one("host").is_some(), "not one Host: {}", text(&request.raw));
            assert!(request.start.ends_with(b" HTTP/1.1"));
            if script.tagged {
                only_its_own(&request, request.one("x-tag").and_then(|tag| tag.first().copied()));
            }
            attempts.entry(id).or_default().push(request);
        }
    }
    assert!(attempts.len() <= requests.len(), "more requests out than in");
    let mut unused: Vec<_> = requests.iter().collect();
    for of_one in attempts.values() {
        let idempotent = [&b"GET"[..], b"HEAD", b"OPTIONS", b"PUT", b"DELETE"];
        let times = if idempotent.contains(&of_one[0].method()) { ATTEMPTS } else { 1 };
        assert!(of_one.len() <= times, "{} attempts of {:?}", of_one.len(), of_one[0]);
        let longest = of_one.iter().max_by_key(|request| (request.whole, request.content.len()));
        let longest = longest.unwrap();
        let at = unused.iter().position(|request| is_of(longest, request));
        unused.remove(at.unwrap_or_else(|| panic!("a request that nobody sent: {longest:?}")));
        for other in of_one {
            assert_eq!(other.start, longest.start, "attempts differ");
            assert_eq!(other.fields, longest.fields, "attempts differ");
            assert!(longest.content.starts_with(&other.content), "attempts differ");
        }
    }
}

/// Whether what an endpoint got behind a request is what the client sent behind
/// it, the endpoint having switched protocols.
fn is_tunnel(script: &Script, requests: &[Message], first: &Message, behind: &[u8]) -> bool {
    if !first.whole || first.one("upgrade").is_none() || behind.is_empty() {
        return false;
    }
    let switches = |play: &Play| {
        let sends = |step: &Step| match step {
            Step::Send(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        };
        let said: Vec<u8> = play.steps.iter().flat_map(sends).collect();
        // A later minor version is read as 1.1: RFC 9110 §2.5.
        said.windows(12).any(|w| w.starts_with(b"HTTP/1.") && w.ends_with(b" 101"))
    };
    let mut plays = script.dials.iter().filter_map(|dial| match dial {
        Dial::Accepted(play) => Some(play),
        _ => None,
    });
    let mut at = 0;
    let mut origins = requests.iter().filter(|request| {
        let rest = &script.sent[at..];
        let raw = &request.raw[..];
        at += rest.windows(raw.len()).position(|w| w == raw).unwrap_or(0) + raw.len();
        is_of(first, request) && asks(request) && script.sent[at..].starts_with(behind)
    });
    plays.any(switches) && origins.next().is_some()
}

/// Whether a client's request asks for another protocol.
fn asks(request: &Message) -> bool {
    let named = request.all("connection").any(|options| {
        options.split(|b| *b == b',').any(|o| o.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    named && request.all("upgrade").next().is_some() && !request.is_http10()
}

/// Whether `forwarded` may be what became of `request`.
fn is_of(forwarded: &Message, request: &Message) -> bool {
    let whole = forwarded.whole && request.whole;
    forwarded.method() == request.method()
        && request.content.starts_with(&forwarded.content)
        && (!whole || forwarded.content == request.content)
        && (!forwarded.whole || request.whole)
}

/// Every answer is well framed and in its place.
fn answered(script: &Script, requests: &[Message], heard: &Heard) {
    let mut methods: Vec<_> = requests.iter().map(Message::method).collect();
    methods.push(strict::seen_method(&script.sent, requests));
    let (answers, end) = strict::answers(&heard.client, &methods);
    assert!(!matches!(end, End::Broken(_)), "{end:?} in {}", text(&heard.client));
    if script.stays && end == End::Partial {
        assert!(heard.client_reset, "cut short without a reset: {}", text(&heard.client));
    }
    assert!(answers.len() <= requests.len() + 1, "more answers than requests");
    let count = answers.len();
    for (at, answer) in answers.iter().enumerate() {
        let request = requests.get(at);
        if request.is_some_and(Message::is_http10) {
            assert_eq!(answer.all("transfer-encoding").count(), 0, "chunks to HTTP/1.0");
        }
        if answer.one("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close")) {
            assert_eq!(at + 1, count, "an answer behind the last one");
        }
        if answer.status() == 101 {
            assert!(request.is_some_and(asks), "a switch that was not asked for");
        }
        let own =
            answer.one("proxy-status").is_some() && answer.one("server") == Some(b"pointsman");
        if script.tagged && !own {
            let tag = request.and_then(|request| request.one("x-tag"));
            only_its_own(answer, tag.and_then(|tag| tag.first().copied()));
        }
    }
}

/// No mark of another exchange stands anywhere in a message.
fn only_its_own(message: &Message, tag: Option<u8>) {
    let marks = message.raw.windows(3).chain(message.content.windows(3));
    for mark in marks.filter(|mark| mark[0] == b'<' && mark[2] == b'>') {
        let foreign = (b'A'..=b'P').contains(&mark[1]) && Some(mark[1]) != tag;
        assert!(!foreign, "{} holds a mark of another", text(&message.raw));
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
