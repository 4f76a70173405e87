//! Who an endpoint must be, who the router is, and that a connection is only
//! ever used for what both were when it was made.

use rustls::NamedGroup;

use super::{App, config_with, router, trusting};
use crate::harness::held::{ask, sum};
use crate::harness::servers::{Nginx, TlsNginx};
use crate::harness::tls::Authority;
use crate::harness::tls_endpoint::{Agreed, TlsEndpoint};
use crate::harness::tls_peer::TlsEnd;
use crate::harness::wait::eventually;
use crate::harness::{Config, Gate, Router, ScriptedEndpoint, Step, get, script};

#[test]
fn a_wildcard_stands_for_one_label_of_an_endpoints_name() {
    let authority = Authority::new();
    let app = App::new(&authority.issue(&["*.apps.test"]));
    let ca = trusting(&authority);
    let named = |name: &str| router(&[app.toml(&format!("server_name = \"{name}\", {ca}"))]);
    assert_eq!(get(named("one.apps.test").address(), "a.test", "/").status, 200);
    for other in ["apps.test", "a.one.apps.test"] {
        let answer = get(named(other).address(), "a.test", "/");
        assert_eq!(answer.code(), Some("tls-untrusted"), "{other}");
    }
}

#[test]
fn the_name_that_is_asked_for_need_not_be_the_one_that_is_verified() {
    let authority = Authority::new();
    let app = App::new(&authority.issue(&["instance-1"]));
    let ca = trusting(&authority);
    let names = |san: &str| format!("server_name = \"app.test\", verify_san = \"{san}\", {ca}");
    let good = router(&[app.toml(&names("instance-1"))]);
    assert_eq!(get(good.address(), "a.test", "/").status, 200);
    let other = router(&[app.toml(&names("instance-2"))]);
    let answer = get(other.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("tls-untrusted")));
}

#[test]
fn who_an_endpoint_is_and_should_be_is_said_to_the_operator_alone() {
    let authority = Authority::new();
    let app = App::new(&authority.issue(&["ep.internal"]));
    for exposed in [false, true] {
        let config = config_with(&[app.toml(&trusting(&authority))], "")
            .set("errors.expose_endpoints", exposed);
        let router = Router::start(&config);
        let answer = get(router.address(), "a.test", "/");
        assert_eq!(answer.code(), Some("tls-untrusted"));
        let told = format!("{:?} {}", answer.fields.all("proxy-status"), answer.text());
        for hidden in ["ep.internal", "127.0.0.1"] {
            assert_eq!(told.contains(hidden), exposed, "{told}");
        }
        assert_eq!(told.contains("not for the name that is expected"), !exposed, "{told}");
        eventually("the whole of it under /errors", || {
            ask(&router, "/errors").contains("ep.internal").then_some(())
        });
    }
}

#[test]
fn a_connection_verified_as_one_is_never_used_as_another() {
    let authority = Authority::new();
    let app = App::new(&authority.issue(&["one.test", "two.test"]));
    let ca = trusting(&authority);
    let of = |host: &str, san: &str| {
        let endpoint = app.toml(&format!("server_name = \"{san}\", {ca}"));
        format!("[[route]]\nhost = \"{host}\"\nendpoints = [{endpoint}]\n")
    };
    let three = of("wrong.test", "three.test");
    let config =
        Config::new().and(&of("one.test", "one.test")).and(&of("two.test", "two.test")).and(&three);
    let router = Router::start(&config);
    for _ in 0..3 {
        assert_eq!(get(router.address(), "one.test", "/").status, 200);
        assert_eq!(get(router.address(), "two.test", "/").status, 200);
        let wrong = get(router.address(), "wrong.test", "/");
        assert_eq!(wrong.code(), Some("tls-untrusted"));
    }
    assert_eq!(app.bridge.handshakes(), 2, "one connection for each identity");
}

#[test]
fn a_reload_that_changes_nothing_keeps_connections_and_a_new_authority_does_not() {
    let authority = Authority::new();
    let app = App::new(&authority.issue(&["app.test"]));
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let of = |path: &str, tls: &str| config_with(&[app.toml(tls)], &format!("path = \"{path}\""));
    let router = Router::start(&of("/", &named));
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    router.reload(&of("/new", &named));
    eventually("the reload", || (get(router.address(), "a.test", "/").status == 404).then_some(()));
    assert_eq!(get(router.address(), "a.test", "/new").status, 200);
    assert_eq!(app.bridge.handshakes(), 1);
    let stranger = Authority::new();
    let distrusting = format!("server_name = \"app.test\", {}", trusting(&stranger));
    router.reload(&of("/newer", &distrusting));
    eventually("the reload", || {
        (get(router.address(), "a.test", "/new").status == 404).then_some(())
    });
    assert_eq!(get(router.address(), "a.test", "/newer").code(), Some("tls-untrusted"));
}

#[test]
fn a_connection_made_with_one_certificate_is_never_used_with_another_or_none() {
    let authority = Authority::new();
    let app =
        App::of(ScriptedEndpoint::echo("app"), &authority.issue(&["app.test"]), Some(&authority));
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let (one, two) = (authority.issue(&["one"]), authority.issue(&["two"]));
    let of = |host: &str, own: Option<&crate::harness::tls::Pair>| {
        let own =
            own.map(|own| format!(", client_cert = {:?}, client_key = {:?}", own.chain, own.key));
        let endpoint = app.toml(&format!("{named}{}", own.unwrap_or_default()));
        format!("[[route]]\nhost = \"{host}\"\nendpoints = [{endpoint}]\n")
    };
    // Nobody's comes first: a refusal makes the address suspect, not the rest.
    let config = Config::new()
        .and(&of("one.test", Some(&one)))
        .and(&of("two.test", Some(&two)))
        .and(&of("nobody.test", None));
    let router = Router::start(&config);
    for _ in 0..3 {
        assert_eq!(get(router.address(), "one.test", "/").status, 200);
        assert_eq!(get(router.address(), "two.test", "/").status, 200);
        assert_eq!(get(router.address(), "nobody.test", "/").code(), Some("tls-rejected"));
    }
    assert_eq!(app.bridge.handshakes(), 2, "one connection for each that was let in");
}

#[test]
fn a_connection_verified_by_one_authority_is_never_used_under_another() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let app = App::new(&authority.issue(&["app.test"]));
    let of = |host: &str, ca: &Authority| {
        let endpoint = app.toml(&format!("server_name = \"app.test\", {}", trusting(ca)));
        format!("[[route]]\nhost = \"{host}\"\nendpoints = [{endpoint}]\n")
    };
    let config = Config::new().and(&of("good.test", &authority)).and(&of("bad.test", &stranger));
    let router = Router::start(&config);
    for _ in 0..3 {
        assert_eq!(get(router.address(), "good.test", "/").status, 200);
        assert_eq!(get(router.address(), "bad.test", "/").code(), Some("tls-untrusted"));
    }
    assert_eq!(app.bridge.handshakes(), 1);
}

#[test]
fn every_new_connection_is_verified_and_an_expired_certificate_is_not_accepted() {
    let authority = Authority::new();
    let pair = authority.issue(&["app.test"]);
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for directory in [&root, &state] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
    }
    std::fs::write(root.path().join("hello.txt"), "hello").unwrap();
    authority.reissue_as(&pair, &["app.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let ca = authority.ca();
    let tls = TlsNginx { pair: &pair, client_ca: &ca };
    let nginx = Nginx::start_with(root.path(), state.path(), Some(&tls));
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let router = router(&[super::entry(nginx.address(), &named)]);
    for _ in 0..2 {
        let answer = get(router.address(), "a.test", "/hello.txt");
        assert_eq!((answer.status, answer.code()), (502, Some("tls-untrusted")));
        assert!(!answer.text().contains("2021"), "the reason is for the operator");
    }
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_not_accepted() {
    let authority = Authority::new();
    let pair = authority.issue(&["app.test"]);
    authority.reissue_as(&pair, &["app.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2200, 1, 1);
        params.not_after = rcgen::date_time_ymd(2201, 1, 1);
    });
    let app = App::new(&pair);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let router = router(&[app.toml(&named)]);
    assert_eq!(get(router.address(), "a.test", "/").code(), Some("tls-untrusted"));
    assert_eq!(app.endpoint.count(), 0);
}

#[test]
fn no_session_is_resumed_the_protocol_is_the_one_that_is_spoken_and_keys_are_post_quantum() {
    let authority = Authority::new();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwhole";
    let endpoint = TlsEndpoint::start(&authority.issue(&["app.test"]), answer, TlsEnd::Said);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let router = router(&[super::entry(endpoint.address(), &named)]);
    for _ in 0..3 {
        assert_eq!(get(router.address(), "a.test", "/").text(), "whole");
    }
    let key_exchange = Some(NamedGroup::X25519MLKEM768);
    let full = Agreed { resumed: false, alpn: Some(b"http/1.1".to_vec()), key_exchange };
    assert_eq!(endpoint.agreed(), [full.clone(), full.clone(), full]);
}

#[test]
fn a_kept_connection_that_its_endpoint_ended_or_spoilt_is_closed_and_not_used() {
    let authority = Authority::new();
    let pair = authority.issue(&["app.test"]);
    let named = format!("server_name = \"app.test\", {}", trusting(&authority));
    let unasked = script::ok("not asked for");
    for spoil in [Step::Close, Step::Send(unasked.into())] {
        let gate = Gate::default();
        let opened = gate.clone();
        let endpoint = ScriptedEndpoint::start(move |visit| {
            let mut script = script::answering(script::ok("mine"));
            if visit.connection == 0 {
                script.extend([Step::WaitFor(opened.clone()), spoil.clone()]);
            }
            script
        });
        let app = App::of(endpoint, &pair, None);
        let router = router(&[app.toml(&named)]);
        assert_eq!(get(router.address(), "a.test", "/").text(), "mine");
        let kept = || sum(&ask(&router, "/metrics"), "pointsman_connections{side=\"endpoint\"");
        assert_eq!(kept(), 1);
        gate.open();
        eventually("it to be closed", || (kept() == 0).then_some(()));
        assert_eq!(get(router.address(), "a.test", "/").text(), "mine");
        assert_eq!(app.bridge.handshakes(), 2);
    }
}
