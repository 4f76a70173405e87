//! Which certificate is shown, for which hosts, and how it is replaced.

use super::{Site, certificate_shown, s_client, text};
use crate::harness::servers::curl;
use crate::harness::tls::{Authority, Bridge, Pair, listener_tls};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, get, try_get};

#[test]
fn curl_is_served_over_a_certificate_chosen_by_name() {
    let two = |authority: &Authority| {
        let [a, b] = [&["a.test"][..], &["*.b.test"]].map(|names| authority.issue(names).toml());
        format!("tls = {{ certificates = [{a}, {b}] }}")
    };
    let site = Site::with(two, Config::new());
    let ca = site.authority.ca();
    let ca = ca.to_str().expect("temporary paths are text");
    for host in ["a.test", "x.b.test"] {
        let url = format!("https://{host}:{}/", site.router.address().port());
        let resolve = format!("{host}:{}:127.0.0.1", site.router.address().port());
        let arguments = ["--cacert", ca, "--resolve", &resolve, "--output", "/dev/null", &url];
        let output = curl(site.router.address(), host, &arguments, &[]);
        assert!(output.status.success(), "{host}: {}", text(&output));
    }
    // Nobody's name: the first certificate, which is not for it.
    let refused = site.s_client(&["-servername", "other.test", "-verify_hostname", "other.test"]);
    assert!(!refused.status.success());
}

#[test]
fn a_connection_serves_the_hosts_of_its_certificate_and_no_others() {
    let two = |authority: &Authority| {
        let a = authority.issue(&["a.test", "b.test", "*.a.test"]).toml();
        format!("tls = {{ certificates = [{a}, {}] }}", authority.issue(&["c.test"]).toml())
    };
    let site = Site::with(two, Config::new());
    let named = site.bridge("a.test");
    for (host, status) in
        [("a.test", 200), ("b.test", 200), ("x.a.test", 200), ("c.test", 421), ("d.test", 421)]
    {
        let answer = get(named.address(), host, "/");
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(answer.code(), (status == 421).then_some("misdirected"));
    }
    let refused = get(named.address(), "c.test", "/");
    assert!(refused.text().contains("misdirected") || refused.code() == Some("misdirected"));
    // Without a name the default was taken as it is, whatever the host.
    let said = text(&site.s_client(&["-noservername"]));
    assert!(said.contains("200 OK"), "{said}");
}

fn shown(site: &Site) -> String {
    certificate_shown(site, &["-servername", "a.test"])
}

#[test]
fn a_replaced_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let endpoint = ScriptedEndpoint::echo("app");
    let config =
        Config::new().listener_with(&listener_tls(&pair)).route("*", &[endpoint.address()]);
    let site = Site { router: Router::start(&config), authority, endpoint };
    let bridge = site.bridge("a.test");
    let mut old = Connection::open(bridge.address());
    old.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(old.answer("GET").status, 200);
    let before = shown(&site);
    site.authority.reissue(&pair, &["a.test"]);
    let after =
        eventually("the new certificate", || Some(shown(&site)).filter(|shown| *shown != before));
    // A key that does not belong to the certificate changes nothing.
    let other = site.authority.issue(&["a.test"]);
    std::fs::copy(&other.key, &pair.key).expect("files can be copied");
    eventually("the bad pair to be reported", || {
        let said = site.router.stderr();
        let named = said.contains("listener[0].tls.certificates[0].key");
        (named && said.contains("is not the key of the certificate")).then_some(())
    });
    assert_eq!(shown(&site), after);
    old.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(old.answer("GET").status, 200, "the old connection was not touched");
    assert_eq!(bridge.handshakes(), 1);
}

#[test]
fn a_certificate_is_added_without_a_restart() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::echo("app");
    let first = authority.issue(&["a.test"]).toml();
    let with = |certificates: &str| {
        Config::new()
            .listener_with(&format!("tls = {{ certificates = [{certificates}] }}"))
            .route("*", &[endpoint.address()])
    };
    let router = Router::start(&with(&first));
    let second = authority.issue(&["b.test"]).toml();
    router.reload(&with(&format!("{first}, {second}")));
    let bridge = Bridge::to(router.address(), &authority, "b.test");
    eventually("the new name to be served", || {
        try_get(bridge.address(), "b.test", "/").filter(|answer| answer.status == 200)
    });
    assert!(!router.stderr().contains("needs a restart"), "{}", router.stderr());
}

#[test]
fn a_file_that_is_replaced_as_soon_as_it_was_read_is_noticed() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::echo("app");
    let with = |pair: &Pair| {
        Config::new().listener_with(&listener_tls(pair)).route("*", &[endpoint.address()])
    };
    let router = Router::start(&with(&authority.issue(&["a.test"])));
    let bridge = |name: &str| Bridge::to(router.address(), &authority, name);
    let second = authority.issue(&["b.test"]);
    // Without a word to reload, which could have them read twice.
    std::fs::write(router.config_file(), with(&second).text()).expect("it can be written");
    let (b, c) = (bridge("b.test"), bridge("c.test"));
    eventually("the other files to be read", || try_get(b.address(), "b.test", "/"));
    // Before anyone has looked at them again.
    authority.reissue(&second, &["c.test"]);
    eventually("what stands in them now", || try_get(c.address(), "c.test", "/"));
}

#[test]
fn check_reads_the_files_and_shows_the_line_that_names_a_bad_one() {
    let authority = Authority::new();
    let [one, other] = [authority.issue(&["a.test"]), authority.issue(&["b.test"])];
    let mixed = Pair { chain: one.chain.clone(), key: other.key };
    let missing = Pair { chain: "/nowhere/cert.pem".into(), key: one.key.clone() };
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (pair, reason) in [
        (&one, None),
        (&mixed, Some("is not the key of the certificate in")),
        (&missing, Some("cannot be read")),
    ] {
        let config = Config::new().listener_with(&listener_tls(pair));
        let file = crate::harness::router::write_config(directory.path(), &config);
        let file = file.to_str().expect("temporary paths are text");
        let output = crate::harness::router::run(["check", "-c", file]);
        let said = text(&output);
        assert_eq!(output.status.success(), reason.is_none(), "{said}");
        if let Some(reason) = reason {
            assert!(said.contains(reason) && said.contains("listener[0].tls.cert"), "{said}");
        }
    }
}

#[test]
fn a_stapled_answer_of_the_authority_is_shown() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("ocsp.der");
    // OCSPResponse with responseStatus successful and nothing more.
    std::fs::write(&file, [0x30, 0x03, 0x0a, 0x01, 0x00]).expect("it can be written");
    let pair = authority.issue(&["a.test"]).toml_with(&format!(", ocsp = {file:?}"));
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .listener_with(&format!("tls = {{ certificates = [{pair}] }}"))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let said = text(&s_client(router.address(), &authority, &["-servername", "a.test", "-status"]));
    assert!(said.contains("OCSP Response Status: successful"), "{said}");
}
