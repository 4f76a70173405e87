//! The diagnostics log, and a standard error that nobody reads.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;

use crate::harness::router::{binary, write_config};
use crate::harness::wait::eventually;
use crate::harness::{Config, ScriptedEndpoint, get};

/// A router whose stderr is a pipe that is not read; killed when dropped.
struct Unheard {
    child: Child,
    stderr: Option<ChildStderr>,
    address: SocketAddr,
    admin: SocketAddr,
    directory: TempDir,
}

impl Unheard {
    #[track_caller]
    fn start(config: &Config) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let file = write_config(directory.path(), config);
        let mut command = binary();
        command.arg("run").arg("-c").arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut address_after = |prefix: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("the ready line comes");
            let address = line.trim().strip_prefix(prefix).expect("it is the ready line");
            address.parse().expect("it ends in an address")
        };
        let address = address_after("listening http://");
        let admin = address_after("admin http://");
        let stderr = child.stderr.take();
        Self { child, stderr, address, admin, directory }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill can be run").success());
    }

    fn sample(&self, name: &str) -> u64 {
        let metrics = get(self.admin, &self.admin.to_string(), "/metrics").text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// Has it complain, at length, until lines are lost.
    #[track_caller]
    fn until_lines_are_lost(&self) {
        let wrong: String = (0..2_000).map(|n| format!("no_such_key_{n:070} = 1\n")).collect();
        fs::write(self.directory.path().join("pointsman.toml"), wrong).expect("it can be written");
        eventually("lines to be lost", || {
            self.signal("HUP");
            (self.sample("pointsman_log_lines_dropped_total") > 0).then_some(())
        });
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_stderr_nobody_reads_holds_up_neither_a_request_nor_the_end() {
    let app = ScriptedEndpoint::echo("app");
    let mut router = Unheard::start(&Config::new().route("a.test", &[app.address()]));
    router.until_lines_are_lost();
    assert_eq!(get(router.address, "a.test", "/").status, 200);
    router.signal("TERM");
    let status = eventually("the process to end, its last lines unread", || {
        router.child.try_wait().expect("a child can be asked")
    });
    assert!(status.success(), "{status}");
}

#[test]
fn once_stderr_is_read_again_a_line_says_how_many_were_lost() {
    let mut router = Unheard::start(&Config::new());
    router.until_lines_are_lost();
    let stderr = BufReader::new(router.stderr.take().expect("it was not read yet"));
    let said = stderr.lines().map_while(Result::ok);
    let line = said.into_iter().find(|line| line.contains("log lines were lost"));
    assert!(line.expect("it says so").contains("lines="));
}

#[test]
fn why_it_does_not_start_stands_behind_what_was_logged_and_is_whole() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let wrong = Config::new().set("access_log.path", "/no/such/directory/log");
    let file = write_config(directory.path(), &wrong);
    let mut child = binary()
        .args(["run", "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be run");
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("stderr is a pipe");
    stderr.read_to_string(&mut said).expect("it is text");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("access_log.path: "), "{said}");
}
