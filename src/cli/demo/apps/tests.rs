use super::*;
use crate::http1::{BodyDecoder, Decoded, HeadLimits, HeadReader, ParsedResponse, RefusalKind};

const LIMITS: HeadLimits = HeadLimits { bytes: 4096, fields: 32 };

fn request(line: &str) -> ParsedRequest {
    let mut head = BytesMut::from(format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
    HeadReader::new().request(&mut head, &LIMITS).unwrap().unwrap()
}

fn ask(app: App, line: &str) -> Turn {
    app.answer(&request(line), &Content::default(), &Flaked::default())
}

/// The head of what was sent; what follows it stays in `turn`.
fn head(turn: &mut Turn) -> Result<Option<ParsedResponse>, RefusalKind> {
    let read = HeadReader::new().response(&mut turn.bytes, &LIMITS, &Method::GET);
    read.map_err(|refusal| refusal.kind)
}

#[test]
fn the_greeter_says_which_endpoint_answered() {
    for (app, name) in [(App::Hello1, "hello-1"), (App::Hello2, "hello-2")] {
        let mut turn = ask(app, "GET /");
        let fields = head(&mut turn).unwrap().unwrap().fields;
        assert_eq!(fields.first(&"x-app".parse().unwrap()).unwrap(), name);
        assert_eq!(turn.bytes, format!("hello from {name}\n"));
    }
}

#[test]
fn a_flaky_request_is_reset_once_whichever_endpoint_it_comes_to() {
    let flaked = Flaked::default();
    let ask = |app: App, id: &'static str| {
        let mut request = request("GET /flaky?a=b");
        request.fields.append(REQUEST_ID, HeaderValue::from_static(id));
        app.answer(&request, &Content::default(), &flaked).then
    };
    assert_eq!(ask(App::Hello2, "1"), Then::Reset);
    assert_eq!(ask(App::Hello1, "2"), Then::Reset);
    assert_eq!(ask(App::Hello1, "1"), Then::Keep);
    assert_eq!(ask(App::Hello2, "2"), Then::Keep);
}

#[test]
fn flaky_requests_are_not_remembered_without_bound() {
    let flaked = Flaked::default();
    for id in 0..=REMEMBERED as u64 {
        assert!(flaked.is_first(Some(&HeaderValue::from(id))));
    }
    assert_eq!(flaked.0.lock().len(), REMEMBERED);
    assert!(flaked.is_first(Some(&HeaderValue::from(0))), "the oldest was forgotten");
}

#[test]
fn the_echo_shows_lines_and_content_and_counts_what_it_did_not_keep() {
    let content = Content { start: b"abc".to_vec(), length: 10 };
    let turn = App::Echo.answer(&request("PUT /a?b"), &content, &Flaked::default());
    let text = String::from_utf8(turn.bytes.to_vec()).unwrap();
    assert!(text.ends_with("PUT /a?b HTTP/1.1\nhost: a\n\nabc\n(7 more bytes)\n"), "{text}");
}

#[test]
fn a_status_that_is_asked_for_is_given_with_the_framing_it_allows() {
    for (status, framing) in
        [(200, Framing::Length(7)), (503, Framing::Length(24)), (204, Framing::None)]
    {
        let mut turn = ask(App::Moody, &format!("GET /status/{status}"));
        let response = head(&mut turn).unwrap().unwrap();
        assert_eq!((response.status.as_u16(), response.framing), (status, framing));
        assert_eq!(framing == Framing::None, turn.bytes.is_empty());
    }
    for wrong in ["101", "199", "600", "65736", "x", ""] {
        let mut turn = ask(App::Moody, &format!("GET /status/{wrong}"));
        assert_eq!(head(&mut turn).unwrap().unwrap().status, 400, "{wrong}");
    }
}

#[test]
fn slowness_is_bounded() {
    let wait = |line| ask(App::Moody, line).wait.as_secs();
    assert_eq!(wait("GET /slow?s=5"), 5);
    assert_eq!(wait("GET /slow?s=99999999999"), LONGEST_S);
    assert_eq!(wait("GET /slow"), 1);
}

#[test]
fn what_should_be_no_response_is_none() {
    for silent in ["GET /reset", "GET /close"] {
        assert!(ask(App::Moody, silent).bytes.is_empty(), "{silent}");
    }
    assert!(head(&mut ask(App::Moody, "GET /garbage")).is_err());
    assert_eq!(head(&mut ask(App::Moody, "GET /half")), Ok(None));
}

#[test]
fn what_should_go_wrong_after_its_head_has_a_good_head() {
    for (line, sent) in [("GET /truncate", 500), ("GET /stray", 10)] {
        let mut turn = ask(App::Moody, line);
        let mut decoder = BodyDecoder::new(head(&mut turn).unwrap().unwrap().framing, LIMITS);
        let mut bytes = 0;
        let ended = loop {
            match decoder.decode(&mut turn.bytes) {
                Ok(Decoded::Data(data)) => bytes += data.len(),
                Ok(Decoded::NeedMore) => break decoder.eof(),
                Ok(_) => break Ok(()),
                Err(refusal) => break Err(refusal),
            }
        };
        assert!(ended.is_err(), "{line}");
        assert_eq!(bytes, sent, "{line}");
    }
}

#[test]
fn hints_come_before_the_answer() {
    let mut turn = ask(App::Moody, "GET /hints");
    assert_eq!(head(&mut turn).unwrap().unwrap().status, 103);
    assert_eq!(head(&mut turn).unwrap().unwrap().status, 200);
}

#[test]
fn head_is_told_the_length_and_sent_nothing() {
    let mut turn = ask(App::Hello1, "HEAD /");
    let response = head(&mut turn).unwrap().unwrap();
    assert_eq!(response.framing, Framing::Length(19));
    assert!(turn.bytes.is_empty());
}

#[test]
fn every_mood_that_is_listed_is_there() {
    for line in MOODS.lines() {
        let path = line.split([' ', '?']).next().unwrap().replace("NNN", "200");
        let mut turn = ask(App::Moody, &format!("GET {path}"));
        if let Ok(Some(response)) = head(&mut turn) {
            assert_ne!(response.status, 404, "{path}");
        }
    }
}
