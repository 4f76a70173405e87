//! `pointsman demo`: what its greeting promises is what happens.

use std::net::SocketAddr;
use std::process::Command;

use crate::harness::router::{Process, binary};
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Connection, get};

struct Demo {
    process: Process,
    router: SocketAddr,
}

impl Demo {
    fn start() -> Self {
        let mut command = binary();
        command.args(["demo", "--port", "0", "--admin-port", "0"]);
        let mut process = Process::spawn(&mut command);
        process.address_after("admin http://");
        let router = process.address_after("listening http://");
        Self { process, router }
    }
}

#[test]
fn each_app_answers_behind_its_hostname() {
    let demo = Demo::start();
    // On one connection, so that one worker chooses: each has a turn of its own.
    let mut client = Connection::open(demo.router);
    let greeters = [0, 1].map(|_| {
        client.send("GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!(answer.status, 200);
        answer.field("x-app").to_owned()
    });
    assert_ne!(greeters[0], greeters[1], "they take turns");
    let echo = get(demo.router, "echo.localhost", "/any/path");
    assert!(echo.text().contains("/any/path"), "{}", echo.text());
    assert!(echo.text().contains("x-request-id"), "{}", echo.text());
    assert_eq!(get(demo.router, "moody.localhost", "/").status, 200);
}

#[test]
fn each_mood_has_its_answer() {
    let demo = Demo::start();
    for (path, status, code) in [
        ("/reset", 502, Some("upstream-reset")),
        ("/close", 502, Some("upstream-reset")),
        ("/half", 502, Some("upstream-reset")),
        ("/garbage", 502, Some("upstream-protocol-error")),
        ("/slow?s=0", 200, None),
        ("/status/503", 503, None),
        ("/status/204", 204, None),
        ("/hints", 200, None),
        ("/early", 200, None),
    ] {
        let answer = get(demo.router, "moody.localhost", path);
        let told = format!("{path}: {}{}", answer.head, answer.text());
        assert_eq!((answer.status, answer.code()), (status, code), "{told}");
    }
    assert_eq!(get(demo.router, "moody.localhost", "/hints").interim.len(), 1);
    for path in ["/truncate", "/stray"] {
        let mut client = Connection::open(demo.router);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: moody.localhost\r\n\r\n"));
        let broken = client.try_answer("GET").expect_err("it breaks off");
        assert_eq!(broken.fault, Fault::Reset, "{path}");
    }
}

#[test]
fn a_flaky_greeting_is_retried_for_get_and_not_for_post() {
    let demo = Demo::start();
    for _ in 0..5 {
        assert_eq!(get(demo.router, "hello.localhost", "/flaky").status, 200);
    }
    let mut client = Connection::open(demo.router);
    client.send("POST /flaky HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 1\r\n\r\nx");
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-reset")));
}

#[test]
fn the_commands_it_prints_work_as_printed() {
    let demo = Demo::start();
    // The greeting ends with how to stop it.
    let lines = eventually("the greeting", || {
        let lines = demo.process.stdout();
        lines.iter().any(|line| line.contains("Ctrl-C")).then_some(lines)
    });
    let commands: Vec<_> = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("curl "))
        .map(|line| line.split("  ").next().unwrap_or_default().trim().to_owned())
        .collect();
    assert!(commands.len() >= 8, "{lines:#?}");
    for command in commands {
        // `*.localhost` is loopback to curl itself; what may break off is 18
        // or 56 (RFC 9112 section 8 is why), everything else must work.
        let shell = format!("curl --silent --show-error --noproxy '*' --max-time 60 {command}");
        let output = Command::new("sh").arg("-c").arg(&shell).output().expect("sh can be run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ended = output.status.code();
        assert!(matches!(ended, Some(0 | 18 | 56)), "{shell}: {ended:?} {said}");
    }
}

#[test]
fn an_interrupt_ends_it() {
    let mut demo = Demo::start();
    demo.process.signal("INT");
    assert_eq!(demo.process.exit().code(), Some(0));
}

#[test]
fn a_port_asked_for_and_taken_is_named() {
    let demo = Demo::start();
    let port = demo.router.port().to_string();
    let output = binary().args(["demo", "--port", &port]).output().expect("the binary can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&port), "{said}");
}
