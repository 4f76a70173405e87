//! Which certificate and protocol a client gets for what it asks.

use super::{Site, certificate_shown, s_client, text};
use crate::harness::tls::{Authority, Pair};
use crate::harness::tls_peer::TlsClient;
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint};

/// The certificate in a file, as `certificate_shown` gives those that are shown.
fn in_file(pair: &Pair) -> String {
    let text = std::fs::read_to_string(&pair.chain).expect("it can be read");
    text.lines().take_while(|line| !line.contains("END CERTIFICATE")).collect()
}

#[test]
fn the_name_decides_exact_before_wildcard_in_any_case_and_without_one_the_first() {
    let authority = Authority::new();
    let first = authority.issue(&["first.test"]);
    let wildcard = authority.issue(&["*.a.test"]);
    let exact = authority.issue(&["Shop.A.test"]);
    let all = [&first, &wildcard, &exact].map(Pair::toml).join(", ");
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .listener_with(&format!("tls = {{ certificates = [{all}] }}"))
        .route("*", &[endpoint.address()]);
    let site = Site { router: Router::start(&config), authority, endpoint };
    for (name, pair) in [
        ("first.test", &first),
        ("other.test", &first),
        ("a.test", &first),
        ("x.y.a.test", &first),
        ("x.a.test", &wildcard),
        ("X.A.TEST", &wildcard),
        ("shop.a.test", &exact),
        ("SHOP.a.TEST", &exact),
    ] {
        assert_eq!(certificate_shown(&site, &["-servername", name]), in_file(pair), "{name}");
    }
    assert_eq!(certificate_shown(&site, &["-noservername"]), in_file(&first));
}

#[test]
fn a_trailing_dot_in_a_server_name_is_no_other_name() {
    let site = Site::new();
    // RFC 6066 section 3 forbids it; whoever sends it gets the same answer as
    // without, or an alert, and never another host's.
    let said = text(&site.s_client(&["-servername", "a.test."]));
    assert!(said.contains("200 OK") || said.contains("alert"), "{said}");
}

#[test]
fn a_request_may_say_its_host_in_any_case_and_with_a_dot() {
    let site = Site::new();
    let mut client = TlsClient::open(site.router.address(), &site.authority, "a.test");
    for host in ["a.test", "A.Test", "a.test.", "a.test:8443"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect("it reads");
        let (came, end) = client.read_until(|came| came.ends_with(b"\r\n\r\n"));
        let came = String::from_utf8_lossy(&came);
        assert!(came.starts_with("HTTP/1.1 200 ") && end.is_none(), "{host}: {came}");
    }
}

#[test]
fn only_a_protocol_that_is_offered_is_agreed_on() {
    let site = Site::new();
    let name = ["-servername", "a.test"];
    let said = text(&site.s_client(&[&name[..], &["-alpn", "h2,http/1.1"]].concat()));
    assert!(said.contains("ALPN protocol: http/1.1") && said.contains("200 OK"), "{said}");
    let said = text(&site.s_client(&name));
    assert!(said.contains("No ALPN negotiated") && said.contains("200 OK"), "{said}");
    // RFC 7301 section 3.2: with none in common there is no connection.
    let refused = site.s_client(&[&name[..], &["-alpn", "spdy/3"]].concat());
    assert!(!refused.status.success(), "{}", text(&refused));
    assert!(text(&refused).contains("no application protocol"), "{}", text(&refused));
    eventually("the refusal to be counted", || {
        (site.count("tls-handshake-failed") == 1).then_some(())
    });
}

#[test]
fn a_certificate_of_a_stranger_is_refused_even_where_none_is_required() {
    let asking = |authority: &Authority| {
        let (a, ca) = (authority.issue(&["a.test"]).toml(), authority.ca());
        format!("tls = {{ certificates = [{a}], client_auth = \"request\", client_ca = {ca:?} }}")
    };
    let site = Site::with(asking, Config::new());
    let other = Authority::new();
    let stranger = other.issue(&["client"]);
    let own = |pair: &Pair| {
        let file = |path: &std::path::Path| path.to_str().expect("it is text").to_owned();
        [
            "-servername".into(),
            "a.test".into(),
            "-cert".into(),
            file(&pair.chain),
            "-key".into(),
            file(&pair.key),
        ]
    };
    let with = |pair: &Pair| {
        let arguments = own(pair);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        text(&s_client(site.router.address(), &site.authority, &arguments))
    };
    let known = site.authority.issue(&["client"]);
    assert!(with(&known).contains("200 OK"));
    assert!(!with(&stranger).contains("200 OK"));
    assert!(text(&site.s_client(&["-servername", "a.test"])).contains("200 OK"));
    eventually("the refusal to be counted", || {
        (site.count("tls-handshake-failed") == 1).then_some(())
    });
}
