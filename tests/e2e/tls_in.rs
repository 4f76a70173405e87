//! TLS with clients: certificates, versions, client certificates, tickets, and
//! what does not get through.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::held::{ask, sum};
use crate::harness::record::Ended;
use crate::harness::servers::curl;
use crate::harness::tls::{Authority, Bridge, Pair, listener_tls};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Gate, Held, Router, ScriptedEndpoint, Step, get};

/// A connection that a client has left lasts at most this long in a test: the
/// clocks that would end it otherwise are longer.
const MOST: Duration = Duration::from_secs(15);

/// A router with one TLS listener, an app behind it, and their authority.
struct Site {
    authority: Authority,
    endpoint: ScriptedEndpoint,
    router: Router,
}

impl Site {
    /// One certificate for `a.test`; every host is routed.
    fn new() -> Self {
        Self::with(|authority| listener_tls(&authority.issue(&["a.test"])), Config::new())
    }

    fn with(listener: impl FnOnce(&Authority) -> String, config: Config) -> Self {
        let authority = Authority::new();
        let endpoint = ScriptedEndpoint::echo("app");
        let listener = listener(&authority);
        let config = config.listener_with(&listener).route("*", &[endpoint.address()]);
        let router = Router::start(&config);
        Self { authority, endpoint, router }
    }

    /// A client that asks for `name`.
    fn bridge(&self, name: &str) -> Bridge {
        Bridge::to(self.router.address(), &self.authority, name)
    }

    fn s_client(&self, arguments: &[&str]) -> Output {
        s_client(self.router.address(), &self.authority, arguments)
    }

    fn count(&self, code: &str) -> u64 {
        sum(&ask(&self.router, "/metrics"), &format!("pointsman_errors_total{{code=\"{code}\""))
    }
}

/// `openssl s_client`, which asks one question and hangs up after the answer.
fn s_client(address: SocketAddr, authority: &Authority, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-ign_eof"]);
    command.args(["-verify_return_error", "-CAfile"]).arg(authority.ca()).args(arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl can be run; it is needed by these tests");
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    // It may have given up already.
    drop(child.stdin.take().expect("stdin is a pipe").write_all(request));
    child.wait_with_output().expect("openssl ends")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    format!("{out}{err}")
}

#[test]
fn a_request_over_tls_is_served_and_the_app_hears_https() {
    let site = Site::new();
    assert!(site.router.stdout()[0].starts_with("listening https://"));
    let bridge = site.bridge("a.test");
    let mut client = Connection::open(bridge.address());
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
    }
    assert_eq!(bridge.handshakes(), 1);
    assert_eq!(site.endpoint.request(0).fields.one("x-forwarded-proto"), Some("https"));
}

#[test]
fn openssl_gets_through_with_either_version_and_post_quantum_keys() {
    let site = Site::new();
    for (arguments, expected) in [
        (["-tls1_3", "-groups", "X25519"], "TLSv1.3"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "TLSv1.2"),
    ] {
        let said = text(&site.s_client(&[&["-servername", "a.test"], &arguments[..]].concat()));
        assert!(said.contains(expected) && said.contains("HTTP/1.1 200 OK"), "{said}");
    }
    let bridge = site.bridge("a.test");
    assert_eq!(get(bridge.address(), "a.test", "/").status, 200);
}

#[test]
fn an_old_version_is_refused_where_the_listener_wants_the_new_one() {
    let only_13 = |authority: &Authority| {
        let pair = authority.issue(&["a.test"]);
        format!("tls = {{ certificates = [{}], min_version = \"1.3\" }}", pair.toml())
    };
    let site = Site::with(only_13, Config::new());
    let refused = site.s_client(&["-servername", "a.test", "-tls1_2"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    eventually("the refusal to be counted", || {
        (site.count("tls-handshake-failed") == 1).then_some(())
    });
    assert!(text(&site.s_client(&["-servername", "a.test"])).contains("200 OK"));
}

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
    let nameless = site.bridge("127.0.0.1");
    drop(nameless);
    let own = site.authority.issue(&["client"]);
    let known = Bridge::to_as(site.router.address(), &site.authority, "secret.test", Some(&own));
    assert_eq!(get(known.address(), "secret.test", "/").status, 200);
    assert_eq!(get(known.address(), "a.test", "/").status, 421);
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
fn without_a_certificate_nobody_gets_in_where_one_is_required() {
    let site = Site::with(asking("require"), Config::new());
    let stranger = Authority::new();
    let foreign = stranger.issue(&["client"]);
    for own in [None, Some(&foreign)] {
        let bridge = Bridge::to_as(site.router.address(), &site.authority, "a.test", own);
        let mut client = Connection::open(bridge.address());
        // It may be told before or after it has sent.
        drop(client.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert!(client.try_answer("GET").is_err());
    }
    eventually("both refusals to be counted", || {
        (site.count("tls-handshake-failed") == 2).then_some(())
    });
    assert_eq!(site.endpoint.count(), 0);
    let own = site.authority.issue(&["client"]);
    let bridge = Bridge::to_as(site.router.address(), &site.authority, "a.test", Some(&own));
    assert_eq!(get(bridge.address(), "a.test", "/").status, 200);
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

#[test]
fn a_client_that_speaks_plain_http_is_told_so() {
    let site = Site::new();
    let answer = get(site.router.address(), "a.test", "/");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https://"), "{}", answer.text());
    eventually("it to be counted", || (site.count("tls-handshake-failed") == 1).then_some(()));
    assert!(site.router.stderr().contains("HTTP without TLS"), "{}", site.router.stderr());
}

#[test]
fn what_is_no_tls_and_no_http_is_closed_and_counted() {
    let site = Site::new();
    for bytes in [&b"\x16\x03\x01\x00\x05hello"[..], b"\x00\x01\x02\x03", b"\x80\x2e\x01\x00\x02"] {
        let mut client = Connection::open(site.router.address());
        client.send(bytes);
        let (_, end) = client.ending();
        assert_ne!(end, Fault::Stalled);
    }
    eventually("all to be counted", || (site.count("tls-handshake-failed") == 3).then_some(()));
    // One that only looks whether the port is open is no failure.
    drop(Connection::open(site.router.address()));
    assert_eq!(get(site.bridge("a.test").address(), "a.test", "/").status, 200);
    assert_eq!(site.count("tls-handshake-failed"), 3);
}

#[test]
fn a_handshake_that_stands_still_ends_by_its_clock() {
    let config = Config::new().set("timeouts.tls_handshake", "100ms");
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = Connection::open(site.router.address());
        client.send(bytes);
        let (_, end) = client.ending();
        assert_ne!(end, Fault::Stalled);
    }
    eventually("both to be counted", || (site.count("tls-handshake-timeout") == 2).then_some(()));
}

#[test]
fn beyond_the_handshakes_that_may_be_under_way_connections_close() {
    let config = Config::new().set("limits.tls_handshakes", 2);
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    let half = |_| {
        let mut client = Connection::open(site.router.address());
        client.send(b"\x16\x03\x01");
        client
    };
    let held: Vec<_> = (0..2).map(half).collect();
    eventually("a third to be turned away", || {
        let mut third = Connection::open(site.router.address());
        drop(third.try_send(b"\x16\x03\x01"));
        (site.count("tls-handshake-failed") > 0).then_some(())
    });
    drop(held);
    let bridge = site.bridge("a.test");
    eventually("room again", || {
        let mut client = Connection::open(bridge.address());
        drop(client.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        client.try_answer("GET").is_ok().then_some(())
    });
}

/// The serial number of the certificate that is shown for `name`.
fn serial(site: &Site, name: &str) -> String {
    let said = text(&site.s_client(&["-servername", name]));
    let lines = said.lines().skip_while(|line| !line.contains("BEGIN CERTIFICATE"));
    lines.take_while(|line| !line.contains("END CERTIFICATE")).collect()
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
    let before = serial(&site, "a.test");
    site.authority.reissue(&pair, &["a.test"]);
    let after = eventually("the new certificate", || {
        Some(serial(&site, "a.test")).filter(|shown| *shown != before)
    });
    // A key that does not belong to the certificate changes nothing.
    let other = site.authority.issue(&["a.test"]);
    std::fs::copy(&other.key, &pair.key).expect("files can be copied");
    eventually("the bad pair to be reported", || {
        let said = site.router.stderr();
        let named = said.contains("listener[0].tls.certificates[0].key");
        (named && said.contains("is not the key of the certificate")).then_some(())
    });
    assert_eq!(serial(&site, "a.test"), after);
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
        let mut client = Connection::open(bridge.address());
        drop(client.try_send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n"));
        client.try_answer("GET").ok().filter(|answer| answer.status == 200)
    });
    assert!(!router.stderr().contains("needs a restart"), "{}", router.stderr());
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

#[test]
fn the_access_log_says_how_a_request_was_encrypted() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("log");
    let path = file.to_str().expect("temporary paths are text");
    let config = Config::new().set("access_log.path", path);
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), config);
    get(site.bridge("a.test").address(), "a.test", "/");
    eventually("the line", || {
        let text = std::fs::read_to_string(&file).ok()?;
        text.contains("\"tls\":\"TLSv1.3 TLS13_AES_").then_some(())
    });
}

#[test]
fn a_client_that_leaves_under_tls_has_left() {
    let gate = Gate::default();
    let held = gate.clone();
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::UntilPeerLeaves]
    });
    let config = Config::new()
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    // Closing, resetting, half-closing; then with more behind it than is read.
    let leaves: [fn(Connection) -> Option<Connection>; 3] = [
        |client| {
            drop(client);
            None
        },
        |client| {
            client.reset();
            None
        },
        |client| {
            client.finish_sending();
            Some(client)
        },
    ];
    gate.open();
    let mut number = 0;
    // More than the 64 KiB that are read ahead, less than a socket holds.
    for pipelined in [0, (100 << 10) / request.len()] {
        for leave in leaves {
            let mut client = Connection::open(bridge.address());
            client.send(request);
            endpoint.request_head(number);
            client.send(request.repeat(pipelined));
            let left_at = Instant::now();
            let left = leave(client);
            let (when, end) = endpoint.ending(number);
            assert!(when.duration_since(left_at) < MOST, "{:?}", when - left_at);
            assert!(matches!(end, Ended::ByPeer(_)), "{end:?}");
            drop(left);
            number += 1;
        }
    }
}

#[test]
fn a_cut_answer_does_not_end_as_a_whole_one() {
    let authority = Authority::new();
    let endpoint = ScriptedEndpoint::start(|_| {
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun";
        vec![Step::ReadHead, Step::Send(begun.into()), Step::Reset]
    });
    let config = Config::new()
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let broken = client.try_answer("GET").expect_err("it is cut");
    assert_eq!(broken.fault, Fault::Reset);
}

#[test]
fn large_contents_pass_both_ways_whole() {
    let site = Site::new();
    let bridge = site.bridge("a.test");
    let mut client = Connection::open(bridge.address());
    let bytes = 3 << 20;
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {bytes}\r\n\r\n"));
    client.send_pattern(bytes, false);
    let answer = client.answer("POST");
    let received = site.endpoint.request(0);
    assert!(received.is_pattern && received.content_bytes == bytes);
    assert_eq!(answer.status, 200);
}

#[test]
fn handshakes_leave_nothing_behind() {
    let site = Site::with(|a| listener_tls(&a.issue(&["a.test"])), Config::new());
    let bridge = site.bridge("a.test");
    get(bridge.address(), "a.test", "/");
    let before = Held::at_rest(&site.router);
    for round in 0..150 {
        match round % 3 {
            0 => drop(get(bridge.address(), "a.test", "/")),
            1 => {
                let mut half = TcpStream::connect(site.router.address()).expect("it listens");
                drop(half.write_all(b"\x16\x03\x01\x02\x00\x01\x00"));
            }
            _ => drop(Connection::open(bridge.address())),
        }
    }
    before.again(&site.router);
}

#[test]
fn a_client_that_takes_nothing_under_tls_is_cut_by_its_clock() {
    let authority = Authority::new();
    let bytes = 500 << 20;
    let endpoint = ScriptedEndpoint::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
        let content = Step::SendPattern { bytes, chunked: false };
        vec![Step::ReadHead, Step::Send(head.into()), content]
    });
    let config = Config::new()
        .set("timeouts.response_write_idle", "300ms")
        .listener_with(&listener_tls(&authority.issue(&["a.test"])))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    eventually("the stalled client to be cut", || {
        let stalled = "pointsman_errors_total{code=\"client-stalled\"";
        (sum(&ask(&router, "/metrics"), stalled) == 1).then_some(())
    });
}

#[test]
fn a_client_that_says_close_notify_gets_its_whole_answer_where_that_is_allowed() {
    let authority = Authority::new();
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell";
        let rest = Step::Send(b"o all".to_vec());
        vec![Step::ReadHead, Step::Send(begun.into()), Step::WaitFor(held.clone()), rest]
    });
    let tls = listener_tls(&authority.issue(&["a.test"]));
    let config = Config::new()
        .listener_with(&format!("{tls}\nclient_half_close = \"allow\""))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.finish_sending();
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"hell");
    gate.open();
    assert_eq!(client.bytes(5), b"o all");
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
}

#[test]
fn an_upgrade_is_tunnelled_under_tls_on_both_sides() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(move |_| {
        let answer = Step::Send(b"pong".to_vec());
        vec![Step::ReadHead, Step::Send(switched.into()), Step::ReadBytes(4), answer, Step::Close]
    });
    let app = Bridge::before(endpoint.address(), &pair, None);
    let config = Config::new().listener_with(&listener_tls(&pair)).and(&format!(
        "[[route]]\nhost = \"a.test\"\nendpoints = [{{ address = \"{}\", tls = {{ server_name = \
         \"a.test\", ca = {:?} }} }}]",
        app.address(),
        authority.ca()
    ));
    let router = Router::start(&config);
    let bridge = Bridge::to(router.address(), &authority, "a.test");
    let mut client = Connection::open(bridge.address());
    client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping");
    let (came, end) = client.ending();
    let came = String::from_utf8_lossy(&came).into_owned();
    assert!(came.starts_with("HTTP/1.1 101 ") && came.ends_with("\r\n\r\npong"), "{came}");
    assert_eq!(end, Fault::Closed);
}
