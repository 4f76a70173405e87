//! Sessions that are resumed: by a ticket of any worker, after a reload, and
//! never as somebody or somewhere else.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{Site, s_client, text};
use crate::harness::tls::{Authority, Pair, listener_tls};
use crate::harness::tls_peer::{TlsClient, client_config, client_config_as};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint};

/// Comes to `a.test` and asks for `host`: whether the session was resumed, and
/// the status. With the answer the tickets have come.
#[track_caller]
fn visit(router: &Router, config: &Arc<ClientConfig>, host: &str) -> (bool, u16) {
    let client = TlsClient::connect(router.address(), config, "a.test");
    let mut client = client.expect("it listens");
    client.shake_hands().expect("a handshake");
    client.send(format!("HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect("it reads");
    let (came, _) = client.read_until(|came| came.ends_with(b"\r\n\r\n"));
    let came = String::from_utf8_lossy(&came).into_owned();
    let status = came.split(' ').nth(1).and_then(|status| status.parse().ok());
    (client.resumed(), status.unwrap_or_else(|| panic!("no answer: {came}")))
}

/// Whether tickets of sessions with `before` are good for anything after a
/// reload to `after`.
fn resumed_after(before: impl Fn(&Pair) -> String, after: impl Fn(&Pair) -> String) -> bool {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let endpoint = ScriptedEndpoint::echo("app");
    let with = |tls: String, host: &str| {
        Config::new().listener_with(&tls).route(host, &[endpoint.address()])
    };
    let router = Router::start(&with(before(&pair), "a.test"));
    let config = client_config(&authority);
    assert_eq!(visit(&router, &config, "a.test"), (false, 200));
    assert_eq!(visit(&router, &config, "a.test"), (true, 200));
    // The new route tells when the new settings are in force.
    router.reload(&with(after(&pair), "*"));
    eventually("the reload", || {
        let routes = crate::harness::held::ask(&router, "/routes");
        routes.contains("\"host\":\"*\"").then_some(())
    });
    let (resumed, status) = visit(&router, &config, "a.test");
    assert_eq!(status, 200);
    resumed
}

#[test]
fn tickets_outlive_a_reload_but_no_change_of_what_clients_are_asked() {
    let plain = |pair: &Pair| format!("tls = {{ certificates = [{}] }}", pair.toml());
    assert!(resumed_after(plain, plain));
    let other = Authority::new();
    let asking = |pair: &Pair| {
        let ca = other.ca();
        let certificates = pair.toml();
        format!(
            "tls = {{ certificates = [{certificates}], client_auth = \"request\", client_ca = {ca:?} }}"
        )
    };
    assert!(!resumed_after(plain, asking));
    assert!(!resumed_after(asking, plain));
}

#[test]
fn a_renewed_certificate_leaves_tickets_good() {
    let authority = Authority::new();
    let renew = |pair: &Pair| {
        authority.reissue(pair, &["a.test"]);
        listener_tls(pair)
    };
    // The client trusts its own authority only: a whole handshake would fail.
    assert!(resumed_after(listener_tls, renew));
}

#[test]
fn a_ticket_of_one_worker_is_good_at_every_other() {
    let site = Site::with(
        |authority| listener_tls(&authority.issue(&["a.test"])),
        Config::new().set("workers.threads", 4),
    );
    let config = client_config(&site.authority);
    assert_eq!(visit(&site.router, &config, "a.test"), (false, 200));
    // Which worker takes a connection is the system's choice; that 40 of them
    // all come to the one whose ticket they have is not to be expected.
    for _ in 0..40 {
        assert_eq!(visit(&site.router, &config, "a.test"), (true, 200));
    }
}

/// Three names under the same policy and one, `secret.test`, that wants
/// certificates.
fn several(authority: &Authority) -> String {
    let auth = format!(", client_auth = \"require\", client_ca = {:?}", authority.ca());
    let [a, b] = [["a.test"], ["b.test"]].map(|names| authority.issue(&names).toml());
    let secret = authority.issue(&["secret.test"]).toml_with(&auth);
    format!("tls = {{ certificates = [{a}, {b}, {secret}] }}")
}

#[test]
fn a_session_is_resumed_under_the_name_it_began_with_and_no_other() {
    let site = Site::with(several, Config::new());
    let directory = tempfile::tempdir().expect("a directory can be made");
    let ticket = directory.path().join("ticket");
    let ticket = ticket.to_str().expect("temporary paths are text");
    for version in ["-tls1_3", "-tls1_2"] {
        let out = ["-servername", "a.test", version, "-sess_out", ticket];
        assert!(text(&site.s_client(&out)).contains("200 OK"));
        let back = |name| text(&site.s_client(&["-servername", name, version, "-sess_in", ticket]));
        let same = back("a.test");
        assert!(same.contains("Reused, TLS") && same.contains("200 OK"), "{version}: {same}");
        // `openssl` asks for `a.test` whatever it is told to call the server.
        let other = back("b.test");
        assert!(other.contains("New, TLS") && other.contains(" 421 "), "{version}: {other}");
        let secret = back("secret.test");
        assert!(!secret.contains("Reused, TLS"), "{version}: {secret}");
        assert!(!secret.contains("HTTP/1.1 "), "{version}: {secret}");
    }
}

#[test]
fn a_resumed_session_reaches_no_host_that_wants_certificates() {
    let site = Site::with(several, Config::new());
    let config = client_config(&site.authority);
    assert_eq!(visit(&site.router, &config, "a.test"), (false, 200));
    assert_eq!(visit(&site.router, &config, "secret.test"), (true, 421));
    assert_eq!(visit(&site.router, &config, "b.test"), (true, 421));
    assert_eq!(visit(&site.router, &config, "a.test"), (true, 200));
}

#[test]
fn who_showed_a_certificate_is_known_by_it_when_the_session_is_resumed() {
    let asking = |authority: &Authority| {
        let (pair, ca) = (authority.issue(&["a.test"]).toml(), authority.ca());
        format!(
            "tls = {{ certificates = [{pair}], client_auth = \"request\", client_ca = {ca:?} }}"
        )
    };
    let set = Config::new().set("headers.forwarded_client_cert", "set");
    let site = Site::with(asking, set);
    let own = site.authority.issue(&["client"]);
    let (known, unknown) =
        (client_config_as(&site.authority, &own), client_config(&site.authority));
    for resumed in [false, true] {
        for config in [&known, &unknown] {
            assert_eq!(visit(&site.router, config, "a.test"), (resumed, 200));
        }
    }
    let heard = |n| {
        let fields = site.endpoint.request(n).fields;
        fields.all("x-forwarded-client-cert").join("\n")
    };
    assert!(!heard(0).is_empty());
    assert_eq!(heard(2), heard(0));
    assert_eq!(heard(1) + &heard(3), "");
}

#[test]
fn a_ticket_saves_a_handshake_on_its_own_listener_and_opens_no_stricter_one() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::echo("app");
    let pair = authority.issue(&["a.test"]).toml();
    let ca = authority.ca();
    let config = Config::new()
        .listener_with(&format!("tls = {{ certificates = [{pair}] }}"))
        .route("*", &[endpoint.address()])
        .and(&format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificates = [{pair}], \
             client_auth = \"require\", client_ca = {ca:?} }}"
        ));
    let router = Router::start(&config.set("workers.threads", 2));
    let [open, strict] = router.addresses() else { panic!("there are two") };
    let directory = tempfile::tempdir().expect("a directory can be made");
    let ticket = directory.path().join("ticket");
    let ticket = ticket.to_str().expect("temporary paths are text");
    for version in ["-tls1_3", "-tls1_2"] {
        let name = ["-servername", "a.test", version];
        let out = [&name[..], &["-sess_out", ticket]].concat();
        assert!(text(&s_client(*open, &authority, &out)).contains("200 OK"));
        let back = [&name[..], &["-sess_in", ticket]].concat();
        // Any worker may take it.
        for _ in 0..4 {
            let said = text(&s_client(*open, &authority, &back));
            assert!(said.contains("Reused, TLS"), "{version}: {said}");
        }
        let said = text(&s_client(*strict, &authority, &back));
        assert!(!said.contains("200 OK"), "{version}: {said}");
    }
}
