//! Where lines go, and sinks that take none.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::router::{binary, write_config};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, get, script};
use crate::metrics::{scrape, sum};

use super::{assert_says, lines, log_file, logging_to};

const DROPPED: &str = "pointsman_access_log_lines_dropped_total";

#[test]
fn lines_on_stdout_come_after_the_ready_lines() {
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new().set("access_log.path", "-");
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    get(router.address(), "a.test", "/x");
    let line = eventually("a line on stdout", || router.stdout().into_iter().nth(2));
    let line: Value = serde_json::from_str(&line).expect("the line is JSON");
    assert_says(&line, &[("path", "/x".into()), ("status", 200.into())]);
}

#[test]
fn a_file_moved_away_is_opened_again_at_sigusr1_and_no_line_is_lost() {
    const ROUNDS: usize = 5;
    const EACH: usize = 40;
    let (directory, file) = log_file();
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&logging_to(&file).route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    let mut ask = |path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(client.answer("GET").status, 200);
    };
    let mut moved = Vec::new();
    for round in 0..ROUNDS {
        (0..EACH).for_each(|_| ask("/before"));
        let old = directory.path().join(format!("access.log.{round}"));
        fs::rename(&file, &old).expect("a file can be moved");
        moved.push(old);
        router.signal("USR1");
        // Between the signal and the opening lines still go to the old file.
        (0..EACH).for_each(|_| ask("/between"));
        eventually("the file to be there again", || file.exists().then_some(()));
        ask("/after");
        eventually("the line in the new file", || {
            lines(&file).iter().any(|line| line.contains("/after")).then_some(())
        });
    }
    assert!(router.stop().success());
    moved.push(file);
    let written: usize = moved.iter().map(|file| lines(file).len()).sum();
    assert_eq!(written, ROUNDS * (2 * EACH + 1));
}

#[test]
fn what_waits_is_written_before_the_process_ends() {
    let (_directory, file) = log_file();
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&logging_to(&file).route("a.test", &[endpoint.address()]));
    for _ in 0..20 {
        get(router.address(), "a.test", "/");
    }
    assert!(router.stop().success());
    assert_eq!(lines(&file).len(), 20);
}

/// Requests whose lines fill any buffer between the router and a sink that
/// takes nothing.
const FILLING: usize = 700;

/// Sends them one after another, on one connection; each must be answered.
fn fill(address: SocketAddr) {
    let path = "x".repeat(4_000);
    let mut client = Connection::open(address);
    for _ in 0..FILLING {
        client.send(format!("GET /{path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(client.answer("GET").status, 200);
    }
}

#[test]
fn a_pipe_nobody_reads_loses_lines_and_counts_them_and_delays_no_request() {
    let (_directory, fifo) = log_file();
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo can be run");
    assert!(made.success());
    // Open, so that the router finds a reader; not blocking, so that this
    // does not wait for the router.
    const O_NONBLOCK: i32 = 0o4000;
    let mut options = OpenOptions::new();
    let reader = options.read(true).custom_flags(O_NONBLOCK).open(&fifo);
    let mut reader = reader.expect("a FIFO can be opened");
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("hi")));
    let router = Router::start(&logging_to(&fifo).route("a.test", &[endpoint.address()]));
    assert_eq!(sum(&scrape(&router), DROPPED, &[]), 0.0);
    fill(router.address());
    let dropped = || sum(&scrape(&router), DROPPED, &[]) as usize;
    assert!((1..FILLING).contains(&dropped()), "{}", dropped());
    // Once somebody reads, what was kept comes, whole, and nothing else. The
    // last line is written, or dropped, after its client has its answer.
    let mut text = String::new();
    eventually("each line to be kept or counted as dropped", || {
        let mut piece = [0; 64 << 10];
        while let Ok(read @ 1..) = reader.read(&mut piece) {
            text.push_str(std::str::from_utf8(&piece[..read]).expect("lines are UTF-8"));
        }
        (text.matches('\n').count() + dropped() >= FILLING).then_some(())
    });
    let parsed = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok());
    assert_eq!(parsed.count() + dropped(), FILLING, "every line kept is whole");
}

#[test]
fn a_fifo_without_a_reader_holds_up_no_start_and_has_lines_once_it_is_read() {
    let (_directory, fifo) = log_file();
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo can be run");
    assert!(made.success());
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("hi")));
    let router = Router::start(&logging_to(&fifo).route("a.test", &[endpoint.address()]));
    eventually("the log to say so", || router.stderr().contains("nobody reads").then_some(()));
    assert_eq!(get(router.address(), "a.test", "/").status, 200);
    eventually("the line to be counted", || {
        (sum(&scrape(&router), DROPPED, &[]) >= 1.0).then_some(())
    });
    const O_NONBLOCK: i32 = 0o4000;
    let mut options = OpenOptions::new();
    let reader = options.read(true).custom_flags(O_NONBLOCK).open(&fifo);
    let mut reader = reader.expect("a FIFO can be opened");
    assert_eq!(get(router.address(), "a.test", "/heard").status, 200);
    let mut text = String::new();
    eventually("the line of the second request", || {
        let mut piece = [0; 4 << 10];
        while let Ok(read @ 1..) = reader.read(&mut piece) {
            text.push_str(std::str::from_utf8(&piece[..read]).expect("lines are UTF-8"));
        }
        text.contains("/heard").then_some(())
    });
    // What waits is still written whole before the end.
    get(router.address(), "a.test", "/last");
    assert!(router.stop().success());
    drop(reader.read_to_string(&mut text));
    assert!(text.contains("/last"), "{text}");
}

/// A child whose output nobody reads, killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_stdout_nobody_reads_holds_up_neither_a_request_nor_the_end() {
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("hi")));
    let config = Config::new().set("access_log.path", "-").route("a.test", &[endpoint.address()]);
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &config);
    let mut command = binary();
    command.arg("run").arg("-c").arg(&file).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Killed(command.spawn().expect("the binary can be run"));
    let mut stdout = BufReader::new(child.0.stdout.take().expect("stdout is a pipe"));
    let mut ready = String::new();
    stdout.read_line(&mut ready).expect("the ready line comes");
    let address = ready.trim().strip_prefix("listening http://").expect("it is the ready line");
    fill(address.parse().expect("it ends in an address"));
    let id = child.0.id().to_string();
    assert!(Command::new("kill").arg(&id).status().expect("kill can be run").success());
    let status = eventually("the process to end, its last lines unread", || {
        child.0.try_wait().expect("a child can be asked")
    });
    assert!(status.success(), "{status}");
}
