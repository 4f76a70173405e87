//! What `[registry]` and `[registry.nats]` refuse: where, why, and what would
//! be right.

use super::{accept, refuse};

/// Cases below one line of a table.
#[track_caller]
fn refuse_in(table: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        refuse(&[(&format!("{table}\n{text}"), expected)]);
    }
}

#[test]
fn times_and_numbers_of_the_registry_are_checked() {
    let duration = r#"must be a duration such as "250ms", "5s" or "15m", not an integer"#;
    refuse_in(
        "[registry]",
        &[
            ("endpoint = 3", r#"p:3:1: registry.endpoint: unknown key; did you mean "endpoints"?"#),
            ("grace = 5", &format!(r#"p:3:9: registry.grace: {duration}; did you mean "5s"?"#)),
            (
                "tombstone_ttl = 300",
                &format!(r#"p:3:17: registry.tombstone_ttl: {duration}; did you mean "300s"?"#),
            ),
            (
                "endpoints = -1",
                "p:3:13: registry.endpoints: must be between 0 and 100000000, not -1",
            ),
            (
                "tombstones = 10000001",
                "p:3:14: registry.tombstones: must be between 0 and 10000000, not 10000001",
            ),
            (
                "max_requests = \"3\"",
                "p:3:16: registry.max_requests: must be a whole number, not a string; write 3 without quotes",
            ),
            (
                "ttl = \"90500ms\"",
                "p:3:7: registry.ttl: must be whole seconds, since emitters are told in seconds; write \"1s\" or more",
            ),
            (
                "ttl = \"30s\"",
                "p:3:7: registry.ttl: a registration would expire after 30s, and is repeated every 20s; make ttl at least twice register_interval",
            ),
            (
                "register_interval = \"1500ms\"",
                "p:3:21: registry.register_interval: must be whole seconds, since emitters are told in seconds; write \"1s\" or more",
            ),
            (
                "register_interval = \"100s\"",
                "p:3:21: registry.register_interval: a registration would expire after 2m, and is repeated every 1m40s; make ttl at least twice register_interval",
            ),
            (
                "snapshot = 3",
                "p:3:12: registry.snapshot: must be a string, not an integer; write it in quotes",
            ),
            (r#"snapshot = "a\u0000b""#, "p:3:12: registry.snapshot: not the name of a file"),
            (
                "tls = { verify_san = \"a.test\" }",
                "p:3:22: registry.tls.verify_san: the endpoints register their own names; server_cert_domain_san says it",
            ),
            (
                "tls = { server_name = \"a.test\" }",
                "p:3:23: registry.tls.server_name: the endpoints register their own names; server_cert_domain_san says it",
            ),
            (
                "tls = { client_cert = \"a.pem\" }",
                "p:3:23: registry.tls.client_cert: client_cert and client_key belong together",
            ),
        ],
    );
    refuse(&[
        ("registry = 3", "p:2:12: registry: must be a table, not an integer; write [registry]"),
        (
            "[[registry]]\ngrace = \"5s\"",
            "p:2:1: registry: must be a table, not an array; there is one: write [registry]",
        ),
    ]);
}

#[test]
fn the_bus_needs_servers_and_their_urls_are_checked_without_being_shown() {
    let one = r#"write urls = ["nats://127.0.0.1:4222"]"#;
    let many = ["\"nats://a.test\""; 65].join(", ");
    refuse(&[(
        "[registry.nats]\nqueue = 16",
        &format!("p:2:1: registry.nats: urls is missing; {one}"),
    )]);
    let at = |reason: &str| format!("p:3:9: registry.nats.urls[0]: {reason}");
    let (form, host) = ("write \"nats://127.0.0.1:4222\", for example", "write nats://HOST:PORT");
    refuse_in(
        "[registry.nats]",
        &[
            (
                "urls = []",
                &format!("p:3:8: registry.nats.urls: must be between 1 and 64 servers; {one}"),
            ),
            (
                &format!("urls = [{many}]"),
                &format!("p:3:8: registry.nats.urls: must be between 1 and 64 servers; {one}"),
            ),
            (
                "urls = \"nats://a.test\"",
                "p:3:8: registry.nats.urls: must be an array, not a string; write [\"nats://a.test\"]",
            ),
            (
                "urls = [\"a.test:4222\"]",
                &at(&format!("the URL of a server begins with nats:// or tls://; {form}")),
            ),
            (
                "urls = [\"ws://u:secret@a.test\"]",
                &at(
                    "\"ws\" is not one of \"nats\", \"tls\"; write nats://HOST:PORT, or tls://HOST:PORT",
                ),
            ),
            ("urls = [\"nats://u:secret@\"]", &at(&format!("the URL names no host; {host}"))),
            (
                "urls = [\"nats://u:secret@a.test:0\"]",
                &at(
                    "the port in the URL is not a number from 1 to 65535; write nats://HOST:4222, or no port at all",
                ),
            ),
            (
                "urls = [\"nats://u:secret@a.test/x\"]",
                &at(&format!("the URL of a server ends with its host and port; {host}")),
            ),
            (
                "urls = [\"nats://::1:4222\"]",
                &at(
                    "an IPv6 address in a URL stands in brackets; write nats://[::1]:4222, for example",
                ),
            ),
        ],
    );
    let urls = r#"["nats://[::1]:4222", "tls://u:p%40@a.test", "nats://u:p@ss@b.test"]"#;
    let all = accept(&format!("[registry.nats]\nurls = {urls}"));
    let shown: Vec<_> = all.registry.nats.expect("it is there").masked_urls().collect();
    assert_eq!(shown, ["nats://[::1]:4222", "tls://***@a.test", "nats://***@b.test"]);
}

#[test]
fn what_else_the_bus_has_is_checked() {
    let no_subject = |text: &str| {
        format!(
            "p:4:18: registry.nats.subject_prefix: {text:?} is not a subject of letters, digits, - and _; write \"router\" for router.register"
        )
    };
    let pair = "p:4:7: registry.nats.tls: a client certificate needs both cert and key";
    refuse_in(
        "[registry.nats]\nurls = [\"nats://a.test\"]",
        &[
            ("queue = 15", "p:4:9: registry.nats.queue: must be between 16 and 10000000, not 15"),
            ("subject_prefix = \"router.*\"", &no_subject("router.*")),
            ("subject_prefix = \"\"", &no_subject("")),
            ("credentials = \"\"", "p:4:15: registry.nats.credentials: not the name of a file"),
            ("tls = { cert = \"a.pem\" }", pair),
            ("tls = { key = \"a.pem\" }", pair),
            (
                "tls = { cafile = \"a.pem\" }",
                "p:4:9: registry.nats.tls.cafile: unknown key; tls of [registry.nats] can have: ca, cert, key",
            ),
            (
                "prefix = \"x\"",
                "p:4:1: registry.nats.prefix: unknown key; [registry.nats] can have: urls, credentials, tls, subject_prefix, queue",
            ),
        ],
    );
}
