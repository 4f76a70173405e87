use super::*;

const TTL: Duration = Duration::from_secs(120);

fn kind(message: &str) -> &'static str {
    let message = Message::parse(message.as_bytes()).map(|message| message.registrations(TTL));
    match message {
        Ok(Ok(_)) => "fine",
        Ok(Err(error)) | Err(error) => error.kind(),
    }
}

fn registered(message: &str) -> Vec<Registration> {
    let message = Message::parse(message.as_bytes()).unwrap();
    let change = |change| match change {
        Change::Register(registration) => registration,
        other => panic!("{other:?}"),
    };
    message.registrations(TTL).unwrap().into_iter().map(change).collect()
}

#[test]
fn an_emitters_whole_message_is_one_registration_a_route() {
    let text = r#"{"host":"10.0.0.7","port":61001,"tls_port":61002,"uris":["Shop.example.com","*.example.org/api"],
        "app":"a-guid","private_instance_id":"i-guid","private_instance_index":"3",
        "stale_threshold_in_seconds":30,"endpoint_updated_at_ns":1700000000000000001,
        "server_cert_domain_san":"i-guid.internal","isolation_segment":"blue","availability_zone":"z1",
        "protocol":"http2","route_service_url":"","tags":{"component":"route-emitter","space":"dev"},
        "options":{"loadbalancing":"least-connection"},"what_is_this":[{"deep":[1]}]}"#;
    let registrations = registered(text);
    let shown: Vec<_> =
        registrations.iter().map(|r| (r.host.to_string(), r.path.to_string())).collect();
    let expected = [("shop.example.com", "/"), ("*.example.org", "/api")];
    assert_eq!(shown, expected.map(|(host, path)| (host.to_owned(), path.to_owned())));
    let first = &registrations[0];
    assert_eq!(first.endpoint, "10.0.0.7:61002".parse().unwrap());
    assert_eq!(first.ttl, Some(Duration::from_secs(30)));
    assert_eq!(first.balance, Some(Balance::LeastRequests));
    assert_eq!(first.app.as_deref(), Some("a-guid"));
    assert_eq!(first.instance_id.as_deref(), Some("i-guid"));
    assert_eq!(first.instance_index.as_deref(), Some("3"));
    assert_eq!(first.server_cert_domain_san.as_deref(), Some("i-guid.internal"));
    assert_eq!(first.isolation_segment.as_deref(), Some("blue"));
    assert_eq!(first.availability_zone.as_deref(), Some("z1"));
    assert_eq!(first.updated_at_ns, Some(1_700_000_000_000_000_001));
    assert_eq!(first.tags.get("space").map(|value| &**value), Some("dev"));
    assert!(first.tls);
}

#[test]
fn what_emitters_leave_open_says_nothing() {
    let text = r#"{"host":"10.0.0.7","port":"8080","tls_port":0,"uris":["a.test"],"app":null,"tags":null,
        "private_instance_id":"","private_instance_index":2,"stale_threshold_in_seconds":0,
        "endpoint_updated_at_ns":0,"options":null,"route_service_url":null}"#;
    let expected = Registration {
        ttl: Some(TTL),
        instance_index: Some("2".into()),
        ..Registration::new(
            "a.test".parse().unwrap(),
            PathPrefix::ROOT,
            ([10, 0, 0, 7], 8080).into(),
        )
    };
    assert_eq!(registered(text), [expected]);
    assert_eq!(registered(r#"{"host":"::1","port":1,"uris":null}"#), []);
}

#[test]
fn unregistering_names_the_endpoint_and_the_instance() {
    let text = r#"{"host":"[::1]","port":80,"uris":["a.test/b/"],"private_instance_id":"i"}"#;
    let changes = Message::parse_unregister(text.as_bytes()).unwrap().unregistrations().unwrap();
    let expected = Change::Unregister {
        host: "a.test".parse().unwrap(),
        path: "/b".parse().unwrap(),
        endpoint: "[::1]:80".parse().unwrap(),
        instance_id: Some("i".into()),
        updated_at_ns: None,
    };
    assert_eq!(changes, [expected]);
}

#[test]
fn a_route_service_keeps_nobody_from_leaving() {
    let text = r#"{"host":"10.0.0.7","port":80,"uris":["a.test"],"route_service_url":"https://auth.test"}"#;
    assert_eq!(kind(text), "route-service");
    let leaving = Message::parse_unregister(text.as_bytes()).unwrap();
    assert_eq!(leaving.unregistrations().unwrap().len(), 1);
}

#[test]
fn texts_are_borrowed_and_escapes_are_read() {
    let text = r#"{"host":"10.0.0.7","port":80,"uris":["a.test"],"app":"\u00e4","tags":{"a":"1","a":"2","b":null}}"#;
    let message = Message::parse(text.as_bytes()).unwrap();
    let host = message.uris().next().unwrap().host;
    assert!(text.as_bytes().as_ptr_range().contains(&host.as_ptr()));
    assert_eq!(message.heard(TTL).app, Some("ä"));
    assert_eq!(message.tags().collect::<Vec<_>>(), [("a", "2")]);
}

#[test]
fn what_is_wrong_has_a_kind() {
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    let uris = vec!["\"a.test\""; MAX_URIS + 1].join(",");
    let tags = |count: usize| -> String {
        (0..count).map(|at| format!("\"t{at}\":\"\"")).collect::<Vec<_>>().join(",")
    };
    let with = |more: &str| format!(r#"{{"host":"10.0.0.7","port":80,"uris":["a.test"],{more}}}"#);
    for (message, expected) in [
        (r#"{"host":"10.0.0.7","port":80,"uris":["a.test"]}"#.to_owned(), "fine"),
        (String::new(), "json"),
        ("[\"10.0.0.7\",80]".into(), "json"),
        ("{\"host\":\"10.0.0.7\"".into(), "json"),
        (format!("{} {{}}", with("\"app\":\"a\"")), "json"),
        (with("\"app\":{}"), "field"),
        (with("\"port\":81"), "field"),
        (with("\"stale_threshold_in_seconds\":\"soon\""), "field"),
        (with("\"stale_threshold_in_seconds\":1.5"), "field"),
        (r#"{"host":"10.0.0.7","port":80,"uris":"a.test"}"#.into(), "field"),
        (with(&format!("\"app\":\"{long}\"")), "too-large"),
        (with(&format!("\"tags\":{{\"a\":\"{long}\"}}")), "too-large"),
        (format!(r#"{{"host":"10.0.0.7","port":80,"uris":[{uris}]}}"#), "too-large"),
        (with(&format!("\"tags\":{{{}}}", tags(MAX_TAGS))), "fine"),
        (with(&format!("\"tags\":{{{}}}", tags(MAX_TAGS + 1))), "too-large"),
        (with(&format!("\"unknown\":\"{}\"", "x".repeat(MAX_MESSAGE_BYTES))), "too-large"),
        (r#"{"port":80,"uris":["a.test"]}"#.into(), "no-host"),
        (r#"{"host":"app.internal","port":80,"uris":["a.test"]}"#.into(), "host"),
        (r#"{"host":"0.0.0.0","port":80,"uris":["a.test"]}"#.into(), "host"),
        (r#"{"host":"224.0.0.1","port":80,"uris":["a.test"]}"#.into(), "host"),
        (r#"{"host":"10.0.0.7","uris":["a.test"]}"#.into(), "no-port"),
        (r#"{"host":"10.0.0.7","port":0,"uris":["a.test"]}"#.into(), "no-port"),
        (r#"{"host":"10.0.0.7","port":65536,"uris":["a.test"]}"#.into(), "port"),
        (r#"{"host":"10.0.0.7","port":-1,"uris":["a.test"]}"#.into(), "port"),
        (r#"{"host":"10.0.0.7","tls_port":443,"uris":["a.test"]}"#.into(), "fine"),
        (r#"{"host":"10.0.0.7","port":80,"uris":["a.test","a..test"]}"#.into(), "uri"),
        (r#"{"host":"10.0.0.7","port":80,"uris":["a.test/../b"]}"#.into(), "uri"),
        (r#"{"host":"10.0.0.7","port":80,"uris":[""]}"#.into(), "uri"),
        (with("\"route_service_url\":\"https://auth.test\""), "route-service"),
    ] {
        assert_eq!(kind(&message), expected, "{}", message.chars().take(200).collect::<String>());
    }
}

#[test]
fn every_kind_is_listed_once() {
    let kinds: std::collections::BTreeSet<_> = MessageError::KINDS.into();
    assert_eq!(kinds.len(), MessageError::KINDS.len());
}

/// What a message is refused for, in words.
fn refusal(message: &str) -> String {
    let refused = Message::parse(message.as_bytes()).and_then(|message| message.registrations(TTL));
    refused.expect_err(message).to_string()
}

#[test]
fn what_was_expected_instead_is_said() {
    for (field, expected) in [
        ("\"app\":{}", "a text"),
        ("\"stale_threshold_in_seconds\":{}", "a whole number"),
        ("\"uris\":{}", "an array of hosts, with or without paths"),
        ("\"tags\":[]", "an object of texts"),
    ] {
        let text = refusal(&format!("{{\"host\":\"10.0.0.7\",\"port\":80,{field}}}"));
        assert!(text.contains(&format!("expected {expected}")), "{text}");
    }
}

#[test]
fn a_url_is_told_from_a_host_with_a_path() {
    let refused =
        |uri: &str| refusal(&format!("{{\"host\":\"10.0.0.7\",\"port\":80,\"uris\":[\"{uri}\"]}}"));
    let said = "it is a URL";
    assert!(refused("http://a.test/").contains(said));
    // What is wrong with these is something else.
    assert!(!refused("a.test:").contains(said) && !refused("a..test//b").contains(said));
}

#[test]
fn as_much_as_there_may_be_is_taken() {
    let with =
        |more: &str| format!("{{\"host\":\"10.0.0.7\",\"port\":80,\"uris\":[\"a.test\"],{more}}}");
    let longest = "x".repeat(MAX_TEXT_BYTES);
    assert_eq!(kind(&with(&format!("\"app\":\"{longest}\""))), "fine");
    let padding = MAX_MESSAGE_BYTES - with("\"unknown\":\"\"").len();
    let filled = with(&format!("\"unknown\":\"{}\"", "x".repeat(padding)));
    assert_eq!((filled.len(), kind(&filled)), (MAX_MESSAGE_BYTES, "fine"));
    let more = with(&format!("\"unknown\":\"{}\"", "x".repeat(padding + 1)));
    assert_eq!(kind(&more), "too-large");
}

#[test]
fn texts_may_be_numbers_and_truths_and_numbers_may_have_a_point() {
    let one = |more: &str| {
        registered(&format!("{{\"host\":\"10.0.0.7\",\"port\":80,\"uris\":[\"a.test\"],{more}}}"))
            .remove(0)
    };
    for (said, text) in
        [("true", "true"), ("false", "false"), ("-7", "-7"), ("7", "7"), ("1.5", "1.5")]
    {
        assert_eq!(one(&format!("\"app\":{said}")).app.as_deref(), Some(text));
    }
    // As far as every whole number is one exactly.
    let at = |ns: &str| one(&format!("\"endpoint_updated_at_ns\":{ns}")).updated_at_ns;
    assert_eq!(at("9007199254740992.0"), Some(9_007_199_254_740_992));
    assert_eq!(at("30.0"), Some(30));
    let beyond = "{\"host\":\"10.0.0.7\",\"port\":80,\"uris\":[\"a.test\"],\"endpoint_updated_at_ns\":9007199254740994.0}";
    assert_eq!(kind(beyond), "field");
}

#[test]
fn what_is_not_followed_is_told() {
    let text =
        r#"{"host":"10.0.0.7","port":80,"uris":["a.test"],"options":{"loadbalancing":"by-mood"}}"#;
    let ignored = |text: &str| Message::parse(text.as_bytes()).unwrap().ignored();
    assert_eq!(ignored(text), Some(Ignored::LoadBalancing));
    assert_eq!(ignored(&text.replace("by-mood", "round-robin")), None);
}

#[test]
fn a_long_text_is_told_as_far_as_it_is_needed() {
    let whole = "ä".repeat(100);
    assert_eq!(error::shortened("short"), "short");
    assert_eq!(error::shortened(&whole), whole);
    assert_eq!(error::shortened(&format!("{whole}b")), format!("{whole}…"));
}
