//! What the router adds to, keeps and drops from heads, both ways: RFC 9110
//! section 7.6, and the design's header rules.

use std::net::SocketAddr;

use crate::harness::script;
use crate::harness::wire::Fields;
use crate::harness::{Answer, Config, Connection, Router, ScriptedEndpoint};

/// A router with `config` in front of an echo, and what that saw and said.
struct Exchange {
    seen: Fields,
    answer: Answer,
    client: SocketAddr,
}

fn exchange(config: Config, lines: &str) -> Exchange {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(format!("GET /p HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n"));
    let answer = client.answer("GET");
    assert_eq!(answer.status, 200, "{}", answer.head);
    Exchange { seen: endpoint.request(0).fields, answer, client: client.local() }
}

/// What comes from loopback is from a trusted proxy.
fn trusting() -> Config {
    Config::new().set("headers.trusted_proxies", vec!["127.0.0.0/8"])
}

#[test]
fn a_request_says_where_it_came_from() {
    let Exchange { seen, client, .. } = exchange(Config::new(), "");
    assert_eq!(seen.one("x-forwarded-for"), Some(client.ip().to_string().as_str()));
    assert_eq!(seen.one("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.one("x-forwarded-host"), Some("a.test"));
    assert_eq!(seen.one("host"), Some("a.test"));
}

#[test]
fn what_an_untrusted_client_says_of_itself_is_replaced() {
    let lines = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: evil.test\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n";
    let seen = exchange(Config::new(), lines).seen;
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["a.test"]);
    assert!(seen.all("forwarded").is_empty());
}

#[test]
fn what_a_trusted_proxy_says_is_kept_and_appended_to() {
    let lines = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n\
                 X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\nForwarded: for=1.2.3.4\r\n";
    let seen = exchange(trusting(), lines).seen;
    assert_eq!(seen.all("x-forwarded-for"), ["1.2.3.4, 5.6.7.8, 127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["shop.test"]);
    assert_eq!(seen.all("forwarded"), ["for=1.2.3.4"]);
}

#[test]
fn replace_replaces_what_a_trusted_proxy_says_too() {
    let lines = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n";
    let seen = exchange(trusting().set("headers.forwarded", "replace"), lines).seen;
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
}

#[test]
fn off_neither_sets_nor_removes() {
    let off = || Config::new().set("headers.forwarded", "off");
    let seen = exchange(off(), "X-Forwarded-For: 1.2.3.4\r\n").seen;
    assert_eq!(seen.all("x-forwarded-for"), ["1.2.3.4"]);
    assert!(seen.all("x-forwarded-proto").is_empty());
    assert!(exchange(off(), "").seen.all("x-forwarded-for").is_empty());
}

#[test]
fn only_the_networks_listed_are_trusted() {
    let config = Config::new().set("headers.trusted_proxies", vec!["10.0.0.0/8"]);
    let seen = exchange(config, "X-Forwarded-For: 1.2.3.4\r\nX-Request-Id: mine\r\n").seen;
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_ne!(seen.one("x-request-id"), Some("mine"));
}

#[test]
fn names_that_cgi_servers_fold_cannot_forge_what_the_router_says() {
    let lines = "X_Forwarded_For: 1.2.3.4\r\nX.Forwarded.For: 1.2.3.4\r\nX_Request_Id: forged\r\n\
                 X-Forwarded_Proto: https\r\nX_Other: kept\r\n";
    let seen = exchange(Config::new(), lines).seen;
    for (name, value) in &seen.0 {
        assert!(value != "1.2.3.4" && value != "forged" && value != "https", "{name}: {value}");
    }
    assert_eq!(seen.one("x_other"), Some("kept"));
}

#[test]
fn connection_cannot_name_away_what_the_router_sets() {
    let lines = "Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host, \
                 x-request-id, host, via, x-mine\r\nX-Mine: 1\r\n";
    let seen = exchange(Config::new(), lines).seen;
    for name in
        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "host", "via"]
    {
        assert_eq!(seen.all(name).len(), 1, "{name}");
    }
    assert!(seen.all("x-mine").is_empty());
}

#[test]
fn every_request_gets_an_id_of_its_own_and_the_answer_names_it() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    let mut ids = Vec::new();
    for number in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: forged\r\n\r\n");
        let answer = client.answer("GET");
        let id = endpoint.request(number).fields.one("x-request-id").map(str::to_owned);
        assert_eq!(id.as_deref(), Some(answer.field("x-request-id")));
        ids.push(id.expect("it was just compared"));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    // RFC 9562 section 5.7: the version stands in the 13th digit.
    assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'7'), "{ids:?}");
}

#[test]
fn the_id_a_trusted_proxy_gave_is_kept() {
    let Exchange { seen, answer, .. } = exchange(trusting(), "X-Request-Id: from-the-edge\r\n");
    assert_eq!(seen.all("x-request-id"), ["from-the-edge"]);
    assert_eq!(answer.field("x-request-id"), "from-the-edge");
}

#[test]
fn the_request_id_can_have_another_name() {
    let config = Config::new().set("headers.request_id", "x-trace");
    let Exchange { seen, answer, .. } = exchange(config, "X-Request-Id: the client's\r\n");
    assert_eq!(seen.one("x-trace"), Some(answer.field("x-trace")));
    assert_eq!(seen.one("x-request-id"), Some("the client's"));
}

#[test]
fn via_names_this_node_towards_the_endpoint_alone() {
    let config = Config::new().set("headers.node_id", "n1");
    let Exchange { seen, answer, .. } = exchange(config, "Via: 1.0 edge\r\n");
    assert_eq!(seen.all("via"), ["1.0 edge", "1.1 pointsman-n1"]);
    assert!(answer.fields.all("via").is_empty());
}

#[test]
fn answers_that_no_app_gave_say_whose_they_are_and_are_not_kept() {
    let config = Config::new().set("headers.node_id", "seven");
    let router = Router::start(&config);
    let health = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", router.address());
    let options = "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned();
    for (request, status) in [(health, 200), (options, 204)] {
        let mut client = Connection::open(router.address());
        client.send(&request);
        let answer = client.answer("GET");
        assert_eq!(answer.status, status, "{}", answer.head);
        assert_eq!(answer.field("server"), "pointsman");
        assert_eq!(answer.field("via"), "1.1 pointsman-seven");
        assert_eq!(answer.field("x-request-id").len(), 36);
        assert!(httpdate::parse_http_date(answer.field("date")).is_ok());
        let kept = answer.fields.one("cache-control");
        assert!(status == 204 || kept == Some("no-store"), "{}", answer.head);
    }
}

#[test]
fn an_empty_via_sends_none() {
    let seen = exchange(Config::new().set("headers.via", ""), "").seen;
    assert!(seen.all("via").is_empty());
}

#[test]
fn a_request_that_was_here_before_is_a_loop() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new().set("headers.node_id", "n1").route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let ask = |via: &str| {
        let mut client = Connection::open(router.address());
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nVia: {via}\r\n\r\n"));
        client.answer("GET")
    };
    let answer = ask("1.0 edge, 1.1 pointsman-n1");
    assert_eq!((answer.status, answer.code()), (508, Some("loop-detected")));
    assert_eq!(endpoint.connections(), 0);
    assert_eq!(ask("1.1 pointsman-n2").status, 200);
    assert_eq!(ask("1.1 pointsman").status, 200);
}

#[test]
fn a_router_that_is_its_own_endpoint_notices_at_the_second_pass() {
    // The listener's address must be known before the route can name it.
    let address = crate::harness::router::never_given_away();
    let config = Config::new().listen(&[&address.to_string()]).route("a.test", &[address]);
    let router = Router::start(&config);
    let answer = crate::harness::get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (508, Some("loop-detected")));
}

#[test]
fn what_passes_keeps_its_order_and_repeated_fields_stay_apart() {
    let lines =
        "X-C: 1\r\nAccept: a\r\nX-A: 2\r\nX-C: 3\r\nAccept: b\r\nCookie: c=1\r\nCookie: d=2\r\n";
    let seen = exchange(Config::new(), lines).seen;
    let passed: Vec<_> = seen
        .0
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "x-a" | "x-c" | "accept" | "cookie"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        passed,
        ["x-c=1", "accept=a", "x-a=2", "x-c=3", "accept=b", "cookie=c=1", "cookie=d=2"]
    );
}

#[test]
fn traceparent_and_credentials_pass_through() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let lines = format!("traceparent: {trace}\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n");
    let seen = exchange(Config::new(), &lines).seen;
    assert_eq!(seen.one("traceparent"), Some(trace));
    assert_eq!(seen.one("authorization"), Some("Bearer x"));
    assert_eq!(seen.one("cookie"), Some("a=b"));
}

#[test]
fn an_answer_passes_untouched_but_for_this_hop() {
    let reply = "HTTP/1.1 200 OK\r\nServer: app\r\nSet-Cookie: a=1; Path=/\r\nDate: yesterday\r\n\
                 Connection: x-hop\r\nX-Hop: 1\r\nSet-Cookie: b=2\r\nX-Request-Id: the app's\r\n\
                 Via: 1.1 inner\r\nContent-Length: 2\r\n\r\nhi";
    let endpoint = ScriptedEndpoint::start(move |_| script::answering(reply));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let answer = crate::harness::get(router.address(), "a.test", "/");
    assert_eq!(answer.field("server"), "app");
    assert_eq!(answer.field("date"), "yesterday");
    assert_eq!(answer.field("via"), "1.1 inner");
    assert_eq!(answer.fields.all("set-cookie"), ["a=1; Path=/", "b=2"]);
    assert_eq!(
        answer.field("x-request-id"),
        endpoint.request(0).fields.one("x-request-id").expect("the router sets it once")
    );
    assert!(answer.fields.all("x-hop").is_empty());
    assert!(answer.fields.all("connection").is_empty());
}

#[test]
fn a_route_edits_requests_and_answers() {
    let reply = "HTTP/1.1 200 OK\r\nServer: app\r\nX-Old: 1\r\nContent-Length: 0\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(move |_| script::answering(reply));
    let edits = "request_headers = { set = { \"x-env\" = \"prod\" }, remove = [\"x-debug\"] }\n\
                 response_headers = { set = { \"x-old\" = \"2\" }, remove = [\"server\"] }";
    let config = Config::new().route_with("a.test", &[endpoint.address()], edits);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Env: dev\r\nX-Debug: 1\r\n\r\n");
    let answer = client.answer("GET");
    assert_eq!(answer.fields.all("x-old"), ["2"]);
    assert!(answer.fields.all("server").is_empty());
    let seen = endpoint.request(0).fields;
    assert_eq!(seen.all("x-env"), ["prod"]);
    assert!(seen.all("x-debug").is_empty());
}

#[test]
fn what_a_route_decides_does_not_come_by_the_trailers_either() {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\
                 X-Old: 1\r\nX-Sum: 2\r\nX-Inner: 3\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(move |_| script::answering(reply));
    let edits = "request_headers = { set = { \"x-env\" = \"prod\" }, remove = [\"x-debug\"] }\n\
                 response_headers = { set = { \"x-old\" = \"2\" }, remove = [\"x-inner\"] }";
    let config = Config::new().route_with("a.test", &[endpoint.address()], edits);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\
         X-Debug: 1\r\nX-Sum: 1\r\nX-Env: forged\r\n\r\n",
    );
    let answer = client.answer("POST");
    let sum = |value: &str| vec![("x-sum".to_owned(), value.to_owned())];
    assert_eq!((answer.fields.all("x-old"), answer.trailers.0), (vec!["2"], sum("2")));
    let seen = endpoint.request(0);
    assert_eq!((seen.fields.all("x-env"), seen.trailers.0), (vec!["prod"], sum("1")));
}

#[test]
fn an_expectation_without_content_ends_here() {
    let seen = exchange(Config::new(), "Expect: 100-continue\r\n").seen;
    assert!(seen.all("expect").is_empty(), "RFC 9110 section 10.1.1");
    let lines = "Expect: 100-continue\r\nContent-Length: 0\r\n";
    assert!(exchange(Config::new(), lines).seen.all("expect").is_empty());
}

#[test]
fn an_options_goes_as_many_hops_as_it_may_and_is_answered_where_it_ends() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    let mut ask = |method: &str, left: &str| {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: {left}\r\n\r\n"));
        client.answer(method)
    };
    let answer = ask("OPTIONS", "0");
    assert_eq!((answer.status, answer.field("allow").contains("GET")), (204, true));
    assert_eq!(endpoint.count(), 0, "RFC 9110 section 7.6.2: MUST NOT be forwarded");
    for (method, left, passed) in [("OPTIONS", "2", "1"), ("GET", "2", "2"), ("GET", "0", "0")] {
        let number = endpoint.count();
        assert_eq!(ask(method, left).status, 200);
        let seen = endpoint.request(number).fields;
        assert_eq!(seen.one("max-forwards"), Some(passed), "{method} {left}");
    }
}

#[test]
fn one_routes_edits_are_not_anothers() {
    let endpoint = ScriptedEndpoint::echo("one");
    let addresses = [endpoint.address()];
    let edits = "request_headers = { set = { \"x-env\" = \"prod\" } }";
    let config = Config::new().route_with("a.test", &addresses, edits).route("b.test", &addresses);
    let router = Router::start(&config);
    crate::harness::get(router.address(), "a.test", "/");
    crate::harness::get(router.address(), "b.test", "/");
    assert_eq!(endpoint.request(0).fields.all("x-env"), ["prod"]);
    assert!(endpoint.request(1).fields.all("x-env").is_empty());
}
