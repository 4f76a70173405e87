//! Unknown keys, and the file as a whole.

use super::{refuse, refuse_in_route, refuse_whole};

#[test]
fn unknown_keys_name_the_nearest_or_their_place() {
    refuse(&[
        (
            r#"[timeouts]
conect = "3s""#,
            r#"p:3:1: timeouts.conect: unknown key; did you mean "connect"?"#,
        ),
        (
            r#"[timeouts]
request-head = "3s""#,
            r#"p:3:1: timeouts.request-head: unknown key; did you mean "request_head"?"#,
        ),
        (
            r#"[timeoutz]
connect = "3s""#,
            r#"p:2:2: timeoutz: unknown key; did you mean "timeouts"?"#,
        ),
        (
            "registry.nats = {}",
            "p:2:17: registry.nats: urls is missing; write urls = [\"nats://127.0.0.1:4222\"]",
        ),
        (
            r#"[retry]
connect = "3s""#,
            "p:3:1: retry.connect: unknown key; it belongs in [timeouts] or [[route]]",
        ),
        (
            "[limits]\ntrusted_proxies = []",
            "p:3:1: limits.trusted_proxies: unknown key; it belongs in [headers]",
        ),
        (
            r#"[admin]
path = "/""#,
            "p:3:1: admin.path: unknown key; it belongs in [health] or [access_log] or [[route]]",
        ),
        (
            "[admin]\nbanana = 1",
            "p:3:1: admin.banana: unknown key; [admin] can have: address, token_file",
        ),
        (r#"connect = "3s""#, "p:2:1: connect: unknown key; it belongs in [timeouts] or [[route]]"),
        (
            r#""a b" = 1"#,
            r#"p:2:1: "a b": unknown key; at the top can have: listener, admin, workers, timeouts, limits, retry, dns, headers, errors, health, access_log, outlier, adaptive_concurrency, zone, registry, route"#,
        ),
        (
            r#""\u001b[2J" = 1"#,
            r#"p:2:1: "\u{1b}[2J": unknown key; at the top can have: listener, admin, workers, timeouts, limits, retry, dns, headers, errors, health, access_log, outlier, adaptive_concurrency, zone, registry, route"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [{ address = "10.0.0.1:80", wieght = 2 }]"#,
            r#"p:4:41: route[0].endpoints[0].wieght: unknown key; did you mean "weight"?"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [{ address = "10.0.0.1:80", max_request = 1 }]"#,
            r#"p:4:41: route[0].endpoints[0].max_request: unknown key; did you mean "max_requests"?"#,
        ),
        ("[workers]\nthread = 1", r#"p:3:1: workers.thread: unknown key; did you mean "threads"?"#),
    ]);
    refuse_in_route(&[
        (r#"conect = "3s""#, r#"p:5:1: route[0].conect: unknown key; did you mean "connect"?"#),
        (
            r#"drain = "3s""#,
            "p:5:1: route[0].drain: this clock is global only; set it in [timeouts]",
        ),
        (
            r#"timeouts = { drain = "3s" }"#,
            "p:5:14: route[0].timeouts.drain: this clock is global only; set it in [timeouts]",
        ),
        (
            "health_check = { pth = \"/\" }",
            "p:5:18: route[0].health_check.pth: unknown key; did you mean \"path\"?",
        ),
        (
            "banana = 1",
            "p:5:1: route[0].banana: unknown key; [[route]] can have: host, path, endpoints, balance, slow_start, sticky, outlier, adaptive_concurrency, max_requests, queue_requests, metrics, request_headers, response_headers, timeouts, request_body_idle, request_body_min_rate, queue, connect, request_write_idle, attempt_head, response_body_idle, request, tunnel_idle, health_check",
        ),
        ("weight = 3", "p:5:1: route[0].weight: unknown key; it belongs in an endpoint"),
        (
            "request_headers = { sett = {} }",
            r#"p:5:21: route[0].request_headers.sett: unknown key; did you mean "set"?"#,
        ),
    ]);
}

#[test]
fn the_file_as_a_whole_is_checked() {
    refuse_whole(&[
        (
            "",
            r#"p:1:1: listener: at least one is needed; write [[listener]] and below it address = "127.0.0.1:8080""#,
        ),
        (
            "# nothing\n",
            r#"p:1:1: listener: at least one is needed; write [[listener]] and below it address = "127.0.0.1:8080""#,
        ),
        (
            "listener = []",
            r#"p:1:12: listener: at least one is needed; write [[listener]] and below it address = "127.0.0.1:8080""#,
        ),
        (
            r#"[listener]
address = "127.0.0.1:80""#,
            "p:1:1: listener: must be an array of tables, not a table; write [[listener]]",
        ),
        (
            "[[listener]]\nport = 80",
            r#"p:1:1: listener[0]: address is missing; write [[listener]] and below it address = "127.0.0.1:8080"
p:2:1: listener[0].port: unknown key; [[listener]] can have: address, client_half_close, tls, proxy_protocol"#,
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:80\"\nclient_half_close = \"open\"",
            r#"p:3:21: listener[0].client_half_close: "open" is not one of "close", "allow""#,
        ),
        (
            "[[listener]]\naddress = 8080",
            "p:2:11: listener[0].address: must be a string, not an integer; write it in quotes",
        ),
        (
            r#"[[listener]]
address = "8080""#,
            r#"p:2:11: listener[0].address: the IP address is missing in "8080"; write "127.0.0.1:8080", for example"#,
        ),
        (
            r#"[[listener]]
address = "127.0.0.1:80"
http2 = true"#,
            "p:3:1: listener[0].http2: not supported by this version",
        ),
        (
            r#"[[listener]]
address = "127.0.0.1:80"
[[listener]]
address = "127.0.0.1:80""#,
            "p:4:11: listener[1].address: 127.0.0.1:80 is listened on twice: first on line 2",
        ),
        (
            r#"[[listener]]
address = "127.0.0.1:9901""#,
            "p:1:1: admin.address: a listener has its default, 127.0.0.1:9901; give one of them another address",
        ),
        (
            r#"[[listener]]
address = "[::1:80""#,
            r#"p:2:11: listener[0].address: "[::1" is not an IP address"#,
        ),
        ("[[listener]\n", "p:1:12: not TOML: unclosed array table, expected `]`"),
        // Two mistakes for the parser, one for the reader.
        ("ä = ü\n", "p:1:1: not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`"),
        ("a = ", "p:1:5: not TOML: string values must be quoted, expected literal string"),
        (
            r#"a = "x
"#,
            r#"p:1:7: not TOML: invalid basic string, expected `"`"#,
        ),
        (
            r#"[[listener]]
address = "127.0.0.1:80"
address = "127.0.0.1:80""#,
            "p:3:1: not TOML: duplicate key",
        ),
        (
            "über = 1\n",
            "p:1:1: not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`",
        ),
        (r#"x = "ü" b"#, "p:1:9: not TOML: unexpected key or value, expected newline, `#`"),
        (
            "a = 1\n\n[b\nc = 2\nd = [\n",
            "p:3:3: not TOML: unclosed table, expected `]`\np:5:6: not TOML: unclosed array, expected `]`",
        ),
    ]);
}
