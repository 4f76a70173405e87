//! Client certificates: who is let in, what apps hear of it, and the tickets
//! that must not get round it.

use std::io::Write;

use super::{Site, s_client_command, text};
use crate::harness::held::ask;
use crate::harness::tls::{Authority, Bridge, Pair};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{
    Config, Connection, Gate, Router, ScriptedEndpoint, Step, get, script, try_get,
};

/// A policy of its own for `b.test`, which the listener does not have.
fn only_b_asks(authority: &Authority) -> String {
    let a = authority.issue(&["a.test", "b.test"]).toml();
    let auth = format!(", client_auth = \"require\", client_ca = {:?}", authority.ca());
    let b = authority.issue(&["secret.test"]).toml_with(&auth);
    format!("tls = {{ certificates = [{a}, {b}] }}")
}

#[test]
fn a_host_that_wants_certificates_is_not_reached_by_a_connection_without() {
    let site = Site::with(only_b_asks, Config::new());
    assert_eq!(get(site.bridge("a.test").address(), "b.test", "/").status, 200);
    assert_eq!(get(site.bridge("a.test").address(), "secret.test", "/").status, 421);
    // A name is not all: who named none took the default, and was not asked.
    let nameless = s_client_asking(&site, "secret.test", &["-noservername"]);
    assert!(nameless.contains("HTTP/1.1 421 "), "{nameless}");
    let nameless = s_client_asking(&site, "b.test", &["-noservername"]);
    assert!(nameless.contains("HTTP/1.1 200 "), "{nameless}");
    let own = site.authority.issue(&["client"]);
    let known = Bridge::to_as(site.router.address(), &site.authority, "secret.test", Some(&own));
    assert_eq!(get(known.address(), "secret.test", "/").status, 200);
    assert_eq!(get(known.address(), "a.test", "/").status, 421);
}

/// What `openssl s_client` gets for a request with this host.
fn s_client_asking(site: &Site, host: &str, arguments: &[&str]) -> String {
    let mut command = s_client_command(site.router.address(), &site.authority, arguments);
    let mut child = command.spawn().expect("openssl can be run; it is needed by these tests");
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    drop(child.stdin.take().expect("stdin is a pipe").write_all(request.as_bytes()));
    text(&child.wait_with_output().expect("openssl ends"))
}

#[test]
fn a_connection_from_before_clients_had_to_show_certificates_is_misdirected() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]).toml();
    let endpoint = ScriptedEndpoint::echo("app");
    let with = |more: &str| {
        Config::new()
            .listener_with(&format!("tls = {{ certificates = [{pair}]{more} }}"))
            .route("*", &[endpoint.address()])
    };
    let router = Router::start(&with(""));
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    let mut ask = || {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.answer("GET")
    };
    assert_eq!(ask().status, 200);
    let ca = authority.ca();
    router.reload(&with(&format!(", client_auth = \"require\", client_ca = {ca:?}")));
    let refused = eventually("the reload", || Some(ask()).filter(|answer| answer.status == 421));
    assert_eq!(refused.field("connection"), "close", "it is good for nothing any more");
    assert_eq!(client.ending().1, Fault::Closed);
}

#[test]
fn a_connection_that_is_asked_for_another_host_goes_on_with_its_own() {
    let site = Site::with(only_b_asks, Config::new());
    let bridge = site.bridge("a.test");
    let mut client = Connection::open(bridge.address());
    for (host, status) in
        [("a.test", 200), ("secret.test", 421), ("other.test", 421), ("b.test", 200)]
    {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer("GET").status, status, "{host}");
    }
}

#[test]
fn who_waits_while_its_host_comes_to_want_certificates_is_not_sent_on() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]).toml();
    let gate = Gate::default();
    let shut = gate.clone();
    let full = ScriptedEndpoint::start(move |_| {
        let answer = Step::Send(script::ok("full").into_bytes());
        vec![Step::ReadHead, Step::WaitFor(shut.clone()), answer]
    });
    let other = ScriptedEndpoint::echo("other");
    let with = |more: &str, endpoint: &ScriptedEndpoint| {
        Config::new()
            .set("timeouts.queue", "1m")
            .listener_with(&format!("tls = {{ certificates = [{pair}]{more} }}"))
            .route_with("a.test", &[endpoint.address()], "max_requests = 1")
    };
    let router = Router::start(&with("", &full));
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let asking = || {
        let mut client = Connection::open(bridge.address());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client
    };
    let mut first = asking();
    full.request_head(0);
    let mut second = asking();
    eventually("the second to wait", || {
        ask(&router, "/requests").contains("\"queued\"").then_some(())
    });
    let ca = authority.ca();
    router.reload(&with(&format!(", client_auth = \"require\", client_ca = {ca:?}"), &other));
    assert_eq!(second.answer("GET").status, 421);
    // Who was with its endpoint by then is answered.
    gate.open();
    assert_eq!(first.answer("GET").text(), "full");
    assert_eq!((full.count(), other.count()), (1, 0));
}

/// `client_auth = mode` with the authority's own certificates.
fn asking(mode: &'static str) -> impl FnOnce(&Authority) -> String {
    move |authority| {
        let (a, ca) = (authority.issue(&["a.test"]).toml(), authority.ca());
        format!("tls = {{ certificates = [{a}], client_auth = \"{mode}\", client_ca = {ca:?} }}")
    }
}

fn forwarding(mode: &str) -> Config {
    Config::new().set("headers.forwarded_client_cert", mode)
}

/// What the app hears in `X-Forwarded-Client-Cert`, when the client says
/// `forged` there.
fn heard(site: &Site, own: Option<&Pair>) -> Option<String> {
    let bridge = Bridge::to_as(site.router.address(), &site.authority, "a.test", own);
    let mut client = Connection::open(bridge.address());
    client.send(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Client-Cert: forged\r\n\
         X_Forwarded_Client_Cert: forged\r\nConnection: x-forwarded-client-cert\r\n\r\n",
    );
    assert_eq!(client.answer("GET").status, 200);
    let requests = site.endpoint.requests();
    let fields = &requests.last().expect("it was asked").fields;
    assert!(fields.all("x_forwarded_client_cert").is_empty());
    fields.one("x-forwarded-client-cert").map(str::to_owned)
}

#[test]
fn what_an_app_hears_of_client_certificates_is_the_operators_choice() {
    for (mode, with, without) in [
        ("strip", None, None),
        ("set", Some("MII"), None),
        ("forward_if_mtls", Some("forged"), None),
        ("pass", Some("forged"), Some("forged")),
    ] {
        let site = Site::with(asking("request"), forwarding(mode));
        let own = site.authority.issue(&["client"]);
        let starts = |heard: Option<String>, expected: Option<&str>| {
            let same = match (&heard, expected) {
                (Some(heard), Some(expected)) => heard.starts_with(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(same, "{mode}: {heard:?} is not {expected:?}");
        };
        starts(heard(&site, Some(&own)), with);
        starts(heard(&site, None), without);
    }
}

#[test]
fn a_trusted_proxy_says_no_more_of_certificates_than_the_mode_lets_it() {
    for (mode, passed) in [("strip", 0), ("set", 0), ("forward_if_mtls", 0), ("pass", 2)] {
        let endpoint = ScriptedEndpoint::echo("app");
        let config = forwarding(mode).set("headers.trusted_proxies", vec!["127.0.0.0/8"]);
        let router = Router::start(&config.route("*", &[endpoint.address()]));
        let mut client = Connection::open(router.address());
        client.send(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX_Forwarded_Client_Cert: forged\r\n\
             X-Forwarded_Client-Cert: forged\r\n\r\n",
        );
        assert_eq!(client.answer("GET").status, 200);
        let fields = endpoint.request(0).fields;
        let folded = ["x_forwarded_client_cert", "x-forwarded_client-cert"];
        let heard: usize = folded.iter().map(|name| fields.all(name).len()).sum();
        assert_eq!(heard, passed, "{mode}");
    }
}

#[test]
fn a_client_may_show_the_certificate_that_is_listed_as_its_authority_while_it_is_good() {
    let elsewhere = Authority::new();
    let own = elsewhere.self_signed(&["client"], |_| ());
    let twin = elsewhere.self_signed(&["client"], |_| ());
    let old = elsewhere.self_signed(&["client"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let listed = elsewhere.issue(&["listed"]);
    let both = [&own, &old].map(|pair| std::fs::read_to_string(&pair.chain).unwrap());
    std::fs::write(&listed.chain, both.concat()).unwrap();
    let site = Site::with(
        |authority| {
            let pair = authority.issue(&["a.test"]).toml();
            let ca = &listed.chain;
            let auth = format!("client_auth = \"require\", client_ca = {ca:?}");
            format!("tls = {{ certificates = [{pair}], {auth} }}")
        },
        Config::new(),
    );
    for (shown, status) in [(&own, Some(200)), (&twin, None), (&old, None)] {
        let bridge = Bridge::to_as(site.router.address(), &site.authority, "a.test", Some(shown));
        let answer = try_get(bridge.address(), "a.test", "/");
        assert_eq!(answer.map(|answer| answer.status), status);
    }
}

#[test]
fn without_a_certificate_nobody_gets_in_where_one_is_required() {
    let site = Site::with(asking("require"), Config::new());
    let stranger = Authority::new();
    let foreign = stranger.issue(&["client"]);
    for own in [None, Some(&foreign)] {
        let bridge = Bridge::to_as(site.router.address(), &site.authority, "a.test", own);
        assert_eq!(try_get(bridge.address(), "a.test", "/"), None);
    }
    eventually("both refusals to be counted", || {
        (site.count("tls-handshake-failed") == 2).then_some(())
    });
    assert_eq!(site.endpoint.count(), 0);
    let own = site.authority.issue(&["client"]);
    let bridge = Bridge::to_as(site.router.address(), &site.authority, "a.test", Some(&own));
    assert_eq!(get(bridge.address(), "a.test", "/").status, 200);
}
