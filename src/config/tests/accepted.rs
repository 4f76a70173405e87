//! What a good file means.

use std::net::IpAddr;
use std::time::Duration;

use super::{ROUTE, accept};
use crate::config::{
    AccessLogFormat, AccessLogSettings, AccessLogTarget, AdminSettings, Balance, ErrorSettings,
    Forwarded, ForwardedClientCert, HeaderSettings, HealthSettings, Limits, NatsSettings, NatsTls,
    Network, RegistrySettings, RetrySettings, Timeouts, WorkerSettings, parse,
};
use crate::endpoint::HealthCheck;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_listener_alone_gives_every_default_of_the_design() {
    let settings = accept("");
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:8080");
    let admin = "127.0.0.1:9901".parse().unwrap();
    assert_eq!(settings.admin, AdminSettings { address: admin, token_file: None });
    assert_eq!(settings.workers, WorkerSettings { threads: 0 });
    assert_eq!(settings.errors, ErrorSettings { expose_endpoints: false });
    let health = HealthSettings { path: "/health".into(), user_agents: vec![] };
    assert_eq!(settings.health, health);
    let (target, format) = (AccessLogTarget::Stdout, AccessLogFormat::Json);
    assert_eq!(settings.access_log, AccessLogSettings { target, format });
    assert_eq!(settings.retry, RetrySettings { attempts: 3, budget_percent: 20, budget_min: 100 });
    assert_eq!(settings.routes, []);
    let headers = HeaderSettings {
        forwarded: Forwarded::Append,
        trusted_proxies: vec![],
        forwarded_client_cert: ForwardedClientCert::Strip,
        request_id: "x-request-id".parse().unwrap(),
        via: Some("pointsman".into()),
        node_id: None,
    };
    assert_eq!(settings.headers, headers);
}

#[test]
fn the_default_clocks_are_those_of_the_design() {
    let expected = Timeouts {
        tls_handshake: 5 * SECOND,
        proxy_protocol: 5 * SECOND,
        request_head: 10 * SECOND,
        keep_alive: 75 * SECOND,
        request_body_idle: Some(30 * SECOND),
        request_body_min_rate: Some(240),
        response_write_idle: Some(30 * SECOND),
        queue: 2 * SECOND,
        connect: 3 * SECOND,
        request_write_idle: Some(30 * SECOND),
        attempt_head: 30 * SECOND,
        response_body_idle: Some(60 * SECOND),
        request: Some(15 * MINUTE),
        tunnel_idle: 60 * MINUTE,
        upstream_keep_alive: 60 * SECOND,
        linger: 2 * SECOND,
        drain: 30 * SECOND,
        drain_delay: Duration::ZERO,
    };
    assert_eq!(accept("").timeouts, expected);
}

#[test]
fn the_default_limits_are_those_of_the_design() {
    let expected = Limits {
        connections: 0,
        request_head_bytes: 65_536,
        request_headers: 128,
        response_head_bytes: 65_536,
        request_body_bytes: 0,
        requests_in_flight: 100_000,
        replay_body_bytes: 65_536,
        linger_bytes: 1_048_576,
        informational: 8,
        tls_handshakes: 10_000,
        queue_requests: 1_000,
    };
    assert_eq!(accept("").limits, expected);
}

#[test]
fn the_shipped_example_is_valid_and_shows_the_defaults() {
    let text = include_str!("../../../deploy/pointsman.toml");
    let example = parse(text, "pointsman.toml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let mut bare = accept("");
    bare.listeners = example.listeners.clone();
    bare.routes = example.routes.clone();
    assert_eq!(example, bare);
    assert_eq!(example.routes.len(), 3);
}

#[test]
fn every_clock_is_set_by_its_own_key() {
    let keys = [
        "tls_handshake",
        "request_head",
        "keep_alive",
        "request_body_idle",
        "response_write_idle",
        "queue",
        "connect",
        "request_write_idle",
        "attempt_head",
        "response_body_idle",
        "request",
        "tunnel_idle",
        "upstream_keep_alive",
        "linger",
        "drain",
        "drain_delay",
        "proxy_protocol",
    ];
    let lines = keys.iter().zip(1_u64..).map(|(key, n)| format!("{key} = \"{n}ms\"\n"));
    let text =
        format!("[timeouts]\nrequest_body_min_rate = \"17B/s\"\n{}", lines.collect::<String>());
    let ms = Duration::from_millis;
    let expected = Timeouts {
        tls_handshake: ms(1),
        request_head: ms(2),
        keep_alive: ms(3),
        request_body_idle: Some(ms(4)),
        request_body_min_rate: Some(17),
        response_write_idle: Some(ms(5)),
        queue: ms(6),
        connect: ms(7),
        request_write_idle: Some(ms(8)),
        attempt_head: ms(9),
        response_body_idle: Some(ms(10)),
        request: Some(ms(11)),
        tunnel_idle: ms(12),
        upstream_keep_alive: ms(13),
        linger: ms(14),
        drain: ms(15),
        drain_delay: ms(16),
        proxy_protocol: ms(17),
    };
    assert_eq!(accept(&text).timeouts, expected);
}

#[test]
fn every_limit_is_set_by_its_own_key() {
    let settings = accept(
        "[limits]\nconnections = 1\nrequest_head_bytes = 2048\nrequest_headers = 3\n\
         response_head_bytes = \"4KiB\"\nrequest_body_bytes = \"5MB\"\nrequests_in_flight = 6\n\
         replay_body_bytes = 7\nlinger_bytes = \"8B\"\ninformational = 9\ntls_handshakes = 14\n\
         queue_requests = 10\n\
         [retry]\nattempts = 10\nbudget_percent = 11\nbudget_min = 12\n[workers]\nthreads = 13\n\
         [registry]\ngrace = \"14s\"\nendpoints = 15\ntombstones = 19\n\
         tombstone_ttl = \"20s\"\nmax_requests = 21\nsnapshot = \"s\"\nttl = \"40s\"\nregister_interval = \"17s\"\n\
         slow_start = \"19s\"\nhealth_check = { path = \"/up\" }\n\
         [registry.nats]\nurls = [\"tls://u:p@a.test:1\"]\ncredentials = \"c\"\nqueue = 18\n\
         subject_prefix = \"a.b\"\ntls = { ca = \"d\", cert = \"e\", key = \"f\" }",
    );
    let expected = Limits {
        connections: 1,
        request_head_bytes: 2048,
        request_headers: 3,
        response_head_bytes: 4096,
        request_body_bytes: 5_000_000,
        requests_in_flight: 6,
        replay_body_bytes: 7,
        linger_bytes: 8,
        informational: 9,
        tls_handshakes: 14,
        queue_requests: 10,
    };
    assert_eq!(settings.limits, expected);
    assert_eq!(settings.retry, RetrySettings { attempts: 10, budget_percent: 11, budget_min: 12 });
    assert_eq!(settings.workers.threads, 13);
    assert_eq!(
        settings.registry,
        RegistrySettings {
            grace: Duration::from_secs(14),
            endpoints: 15,
            tls: None,
            ttl: Duration::from_secs(40),
            register_interval: Duration::from_secs(17),
            slow_start: Duration::from_secs(19),
            health_check: Some(HealthCheck { path: "/up".into(), ..HealthCheck::default() }),
            tombstones: 19,
            tombstone_ttl: Duration::from_secs(20),
            max_requests: Some(21),
            nats: Some(NatsSettings {
                urls: vec!["tls://u:p@a.test:1".into()],
                credentials: Some("c".into()),
                tls: Some(NatsTls {
                    ca: Some("d".into()),
                    cert: Some("e".into()),
                    key: Some("f".into())
                }),
                subject_prefix: "a.b".into(),
                queue: 18,
            }),
            snapshot: Some("s".into()),
        }
    );
}

#[test]
fn lingering_and_the_drain_delay_may_be_zero() {
    let timeouts = accept("[timeouts]\nlinger = \"0s\"\ndrain_delay = \"0ms\"").timeouts;
    assert_eq!((timeouts.linger, timeouts.drain_delay), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn a_route_has_its_own_clocks_over_the_global_ones() {
    let own = "connect = \"9s\"\nrequest = \"off\"\nrequest_body_min_rate = \"1KiB/s\"\n\
               timeouts = { queue = \"1s\", response_body_idle = \"off\" }\n";
    let settings = accept(&format!("[timeouts]\nattempt_head = \"7s\"\n{ROUTE}{own}"));
    let expected = Timeouts {
        attempt_head: 7 * SECOND,
        connect: 9 * SECOND,
        queue: SECOND,
        request: None,
        request_body_min_rate: Some(1024),
        response_body_idle: None,
        ..Timeouts::default()
    };
    assert_eq!(settings.routes[0].timeouts, expected);
    let global = Timeouts { attempt_head: 7 * SECOND, ..Timeouts::default() };
    assert_eq!(settings.timeouts, global);
}

#[test]
fn the_body_idle_clocks_the_rate_and_the_request_may_be_off_in_a_route() {
    for place in ["{}", "timeouts = { {} }"] {
        for (key, off) in [
            ("request_body_idle", Timeouts { request_body_idle: None, ..Timeouts::default() }),
            ("response_body_idle", Timeouts { response_body_idle: None, ..Timeouts::default() }),
            ("request", Timeouts { request: None, ..Timeouts::default() }),
            (
                "request_body_min_rate",
                Timeouts { request_body_min_rate: None, ..Timeouts::default() },
            ),
        ] {
            let line = place.replace("{}", &format!("{key} = \"off\""));
            assert_eq!(accept(&format!("{ROUTE}{line}")).routes[0].timeouts, off, "{line}");
        }
    }
}

#[test]
fn a_host_is_brought_to_the_form_of_lookups() {
    for (written, host) in [
        ("Shop.Example.COM.", "shop.example.com"),
        ("*.Example.com", "*.example.com"),
        ("*", "*"),
        ("10.0.0.1", "10.0.0.1"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("my_app", "my_app"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
    ] {
        let text = format!("[[route]]\nhost = \"{written}\"\nendpoints = []");
        assert_eq!(accept(&text).routes[0].host, host);
    }
}

#[test]
fn a_path_is_brought_to_the_form_of_lookups() {
    for (written, path) in [
        ("/", "/"),
        ("/api/", "/api"),
        ("/api", "/api"),
        ("/%61p%69/v1", "/api/v1"),
        ("/a%2Fb%2fc;d/e", "/a%2Fb%2Fc;d/e"),
        ("/...", "/..."),
    ] {
        assert_eq!(accept(&format!("{ROUTE}path = \"{written}\"")).routes[0].path, path);
    }
}

#[test]
fn a_route_has_endpoints_balance_edits_and_metrics() {
    let text = "[[route]]\nhost = \"*\"\nmetrics = true\nbalance = \"least-requests\"\n\
        endpoints = [\"10.0.0.1:80\", { address = \"[::1]:81\", weight = 256 }]\n\
        request_headers = { set = { x-b = \"2\", x-a = \"1 2\" }, remove = [\"X-Debug\"] }\n\
        response_headers = { remove = [\"server\"] }";
    let route = accept(text).routes.remove(0);
    let endpoints: Vec<_> =
        route.endpoints.iter().map(|e| (e.address.to_string(), e.weight)).collect();
    assert_eq!(endpoints, [("10.0.0.1:80".to_owned(), 1), ("[::1]:81".to_owned(), 256)]);
    assert_eq!((route.balance, route.metrics), (Balance::LeastRequests, true));
    let set: Vec<_> =
        route.request_headers.set.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    assert_eq!(set, [("x-b", &b"2"[..]), ("x-a", b"1 2")]);
    assert_eq!(route.request_headers.remove, ["x-debug"]);
    assert_eq!(route.response_headers.remove, ["server"]);
}

#[test]
fn the_same_path_under_two_hosts_and_the_same_host_with_two_paths_are_fine() {
    let other = ROUTE.replace("a.example", "b.example");
    assert_eq!(accept(&format!("{ROUTE}{other}{ROUTE}path = \"/api\"")).routes.len(), 3);
}

#[test]
fn two_listeners_may_both_leave_the_port_to_the_system() {
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
                [admin]\naddress = \"127.0.0.1:0\"";
    assert_eq!(parse(text, "p").unwrap().listeners.len(), 2);
}

#[test]
fn a_half_close_counts_as_leaving_unless_the_listener_allows_it() {
    let allowed = |line: &str| {
        let text = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{line}");
        parse(&text, "p").unwrap().listeners[0].half_close_allowed
    };
    assert!(!allowed(""));
    assert!(!allowed("client_half_close = \"close\""));
    assert!(allowed("client_half_close = \"allow\""));
}

#[test]
fn an_admin_side_off_loopback_is_accepted_with_a_token_file() {
    let admin = accept("[admin]\naddress = \"0.0.0.0:9901\"\ntoken_file = \"/etc/token\"").admin;
    assert_eq!(admin.address.to_string(), "0.0.0.0:9901");
    assert_eq!(admin.token_file.as_deref(), Some("/etc/token".as_ref()));
}

#[test]
fn headers_health_and_the_access_log_are_set_by_their_keys() {
    let settings = accept(
        "[headers]\nforwarded = \"off\"\nforwarded_client_cert = \"set\"\nvia = \"\"\nnode_id = \"edge-1\"\n\
         request_id = \"X-Trace\"\ntrusted_proxies = [\"192.0.2.1\", \"2001:db8::/32\"]\n\
         [health]\npath = \"/up/\"\nuser_agents = [\"kube-probe\"]\n\
         [access_log]\npath = \"log\"\nformat = \"common\"\n[errors]\nexpose_endpoints = true",
    );
    let network = |ip: &str, prefix| Network::new(ip.parse().unwrap(), prefix).unwrap();
    let headers = HeaderSettings {
        forwarded: Forwarded::Off,
        trusted_proxies: vec![network("192.0.2.1", 32), network("2001:db8::", 32)],
        forwarded_client_cert: ForwardedClientCert::Set,
        request_id: "x-trace".parse().unwrap(),
        via: None,
        node_id: Some("edge-1".into()),
    };
    assert_eq!(settings.headers, headers);
    assert_eq!(settings.health.path, "/up/");
    assert_eq!(settings.health.user_agents, ["kube-probe"]);
    let (target, format) = (AccessLogTarget::File("log".into()), AccessLogFormat::Common);
    assert_eq!(settings.access_log, AccessLogSettings { target, format });
    assert!(settings.errors.expose_endpoints);
    let off = accept("[access_log]\npath = \"\"").access_log.target;
    assert_eq!(off, AccessLogTarget::Off);
}

#[test]
fn a_network_contains_its_addresses_mapped_ones_too() {
    let contains = |network: (&str, u8), ip: &str| {
        let network = Network::new(network.0.parse().unwrap(), network.1).unwrap();
        network.contains(ip.parse::<IpAddr>().unwrap())
    };
    assert!(contains(("10.1.2.3", 8), "10.255.0.1"));
    assert!(!contains(("10.0.0.0", 8), "11.0.0.1"));
    assert!(contains(("10.0.0.0", 8), "::ffff:10.0.0.1"));
    assert!(contains(("::ffff:10.0.0.0", 104), "10.9.9.9"));
    assert!(!contains(("::ffff:10.0.0.0", 104), "11.0.0.1"));
    assert!(contains(("0.0.0.0", 0), "203.0.113.9"));
    assert!(!contains(("::", 0), "203.0.113.9"));
    assert!(contains(("::", 0), "2001:db8::1"));
    assert!(contains(("2001:db8::", 32), "2001:db8:ffff::1"));
    assert!(!contains(("2001:db8::", 32), "2001:db9::1"));
    assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), None);
    assert_eq!(Network::new("::ffff:10.0.0.0".parse().unwrap(), 129), None);
}

#[test]
fn an_endpoints_limit_is_its_own_or_its_routes_and_zero_is_none() {
    let settings = accept(
        "[limits]\nqueue_requests = 5\n[[route]]\nhost = \"a.test\"\nmax_requests = 3\nendpoints = \
         [\"10.0.0.1:80\", { address = \"10.0.0.2:80\", max_requests = 7 }, \
         { address = \"10.0.0.3:80\", max_requests = 0 }]\n\
         [[route]]\nhost = \"b.test\"\nqueue_requests = 0\nendpoints = [\"10.0.0.1:80\"]",
    );
    let limits = |route: usize| -> Vec<_> {
        settings.routes[route].endpoints.iter().map(|endpoint| endpoint.max_requests).collect()
    };
    assert_eq!(limits(0), [Some(3), Some(7), None]);
    assert_eq!(limits(1), [None]);
    assert_eq!((settings.routes[0].queue_requests, settings.routes[1].queue_requests), (5, 0));
}
