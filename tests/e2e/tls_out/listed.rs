//! Endpoints whose certificate signs itself, as `openssl req -x509` makes it:
//! an authority's, and the endpoint's own. Seen with a dozen servers that were
//! set up that way in a minute each, and answered `tls-untrusted` for all of
//! them, whatever `ca` said.

use std::fs;

use rcgen::CertificateParams;

use super::{App, config_with, entry, router};
use crate::harness::servers::{Nginx, TlsNginx};
use crate::harness::tls::{Authority, Pair};
use crate::harness::{Router, get};

fn past(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}

fn to_come(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2200, 1, 1);
    params.not_after = rcgen::date_time_ymd(2201, 1, 1);
}

/// What an endpoint that shows `own` is asked for, and by whom it is vouched
/// for.
fn asked(name: &str, ca: &Pair) -> String {
    format!("server_name = {name:?}, ca = {:?}", ca.chain)
}

#[test]
fn an_endpoint_may_show_the_certificate_that_is_listed_as_its_authority() {
    let elsewhere = Authority::new();
    let own = elsewhere.self_signed(&["app.test"], |_| ());
    let app = App::new(&own);
    let listed = router(&[app.toml(&asked("app.test", &own))]);
    assert_eq!(get(listed.address(), "a.test", "/").status, 200);
    // Among others, and not the first.
    let (all, one) = (elsewhere.issue(&["all"]), fs::read_to_string(&own.chain).unwrap());
    let another = fs::read_to_string(elsewhere.ca()).unwrap();
    fs::write(&all.chain, another + &one).unwrap();
    let among = router(&[app.toml(&asked("app.test", &all))]);
    assert_eq!(get(among.address(), "a.test", "/").status, 200);
}

#[test]
fn a_certificate_that_is_listed_itself_is_held_to_its_name_and_its_time() {
    let elsewhere = Authority::new();
    let own = elsewhere.self_signed(&["app.test"], |_| ());
    let (old, early) = ([past, to_come] as [fn(&mut CertificateParams); 2])
        .map(|special| elsewhere.self_signed(&["app.test"], special))
        .into();
    for (shown, name) in [(&own, "other.test"), (&old, "app.test"), (&early, "app.test")] {
        let app = App::new(shown);
        let router = router(&[app.toml(&asked(name, shown))]);
        let answer = get(router.address(), "a.test", "/");
        assert_eq!((answer.status, answer.code()), (502, Some("tls-untrusted")), "{name}");
        assert_eq!(app.endpoint.count(), 0);
    }
}

#[test]
fn a_certificate_of_an_authority_that_is_not_listed_is_not_trusted_and_why_is_said_in_words() {
    let elsewhere = Authority::new();
    let own = elsewhere.self_signed(&["app.test"], |_| ());
    // Alike in all but the key.
    let twin = elsewhere.self_signed(&["app.test"], |_| ());
    let app = App::new(&own);
    for (ca, exposed) in [(&twin, false), (&twin, true), (&elsewhere.issue(&["app.test"]), true)] {
        let config = config_with(&[app.toml(&asked("app.test", ca))], "")
            .set("errors.expose_endpoints", exposed);
        let router = Router::start(&config);
        let answer = get(router.address(), "a.test", "/");
        assert_eq!((answer.status, answer.code()), (502, Some("tls-untrusted")));
        assert!(answer.text().contains("an authority's own"), "{}", answer.text());
        assert!(!answer.text().contains("CaUsedAsEndEntity"), "{}", answer.text());
    }
    assert_eq!(app.endpoint.count(), 0);
}

#[test]
fn nginx_with_a_certificate_that_signs_itself_is_an_endpoint() {
    let elsewhere = Authority::new();
    let own = elsewhere.self_signed(&["app.test"], |_| ());
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for directory in [&root, &state] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory.path(), open).unwrap();
    }
    fs::write(root.path().join("hello.txt"), "hello").unwrap();
    let tls = TlsNginx { pair: &own, client_ca: &own.chain };
    let nginx = Nginx::start_with(root.path(), state.path(), Some(&tls));
    // And the router shows the same to it, which nginx takes likewise.
    let mutual = format!(", client_cert = {:?}, client_key = {:?}", own.chain, own.key);
    let named = asked("app.test", &own) + &mutual;
    let router = router(&[entry(nginx.address(), &named)]);
    assert_eq!(get(router.address(), "a.test", "/hello.txt").text(), "hello");
}
