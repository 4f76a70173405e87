//! `received-status` of RFC 9209: what an endpoint had answered when it came to
//! nothing after all.

use crate::harness::{Config, Router, ScriptedEndpoint, Step, get};

#[test]
fn a_status_that_was_received_is_told() {
    let told = |answer: &'static str| {
        let endpoint = ScriptedEndpoint::start(move |_| {
            vec![Step::ReadHead, Step::Send(answer.into()), Step::Close]
        });
        let config = Config::new().set("retry.attempts", 1).route("a.test", &[endpoint.address()]);
        let router = Router::start(&config);
        let answer = get(router.address(), "a.test", "/");
        let proxy_status = answer.field("proxy-status");
        let status = proxy_status.split_once("; received-status=").map(|(_, status)| status);
        (answer.code().map(str::to_owned), status.map(str::to_owned))
    };
    let unasked = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    for (answer, code, status) in [
        (unasked, "upgrade-failed", Some("101")),
        ("HTTP/1.1 404 Not Found\r\nContent-Le", "upstream-reset", Some("404")),
        ("HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n", "upstream-protocol-error", Some("200")),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", "upstream-reset", None),
        ("HTTP/1.1 20", "upstream-reset", None),
    ] {
        assert_eq!(told(answer), (Some(code.to_owned()), status.map(str::to_owned)), "{answer:?}");
    }
}

#[test]
fn a_status_that_the_deadline_cut_off_is_told() {
    let endpoint = ScriptedEndpoint::start(|_| {
        vec![Step::ReadHead, Step::Send("HTTP/1.1 200 OK\r\nX-".into()), Step::ReadToEnd]
    });
    let config = Config::new().set("timeouts.request", "2s");
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    let answer = get(router.address(), "a.test", "/");
    assert_eq!(answer.code(), Some("deadline-exceeded"));
    let told = answer.field("proxy-status");
    assert!(told.ends_with("; received-status=200"), "{told}");
}
