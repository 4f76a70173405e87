//! The router under test: the real binary, in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;

use super::config::Config;
use super::encrypted::Encrypted;
use super::held;
use super::tls::Bridge;
use super::wait::{PATIENCE, eventually};

/// The binary cargo built for these tests.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run<const N: usize>(arguments: [&str; N]) -> Output {
    binary().args(arguments).output().expect("the binary can be run")
}

/// A running router; killed when dropped. What it said on stderr is shown
/// when the test that owns it fails.
pub(crate) struct Router {
    process: Process,
    /// Where clients connect to.
    listeners: Vec<SocketAddr>,
    /// Where it listens itself; the same, unless all is to be under TLS.
    doors: Vec<SocketAddr>,
    admin: SocketAddr,
    directory: TempDir,
    /// How, where all is to be under TLS.
    encrypted: Option<Encrypted>,
    /// And the ways to the listeners.
    _ways: Vec<Bridge>,
}

impl Router {
    /// Starts one and waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_as(binary(), config)
    }

    /// Starts one as this command.
    #[track_caller]
    pub(crate) fn start_as(mut command: Command, config: &Config) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let encrypted = crate::OVER_TLS.then(Encrypted::new);
        let file = match &encrypted {
            None => write_config(directory.path(), config),
            Some(encrypted) => write_config(directory.path(), &encrypted.config(config)),
        };
        command.arg("run").arg("-c").arg(&file).current_dir(directory.path());
        let (process, doors, admin) = spawn(&mut command);
        let (listeners, ways) = leading_to(&doors, encrypted.as_ref());
        Self { process, listeners, doors, admin, directory, encrypted, _ways: ways }
    }

    /// Ends it at once, in the middle of whatever it does.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        self.exit();
    }

    /// Starts it again after its end, in the same directory and with the same
    /// configuration; where it listens may be another place.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        let mut command = binary();
        command.arg("run").arg("-c").arg(self.config_file()).current_dir(self.directory.path());
        (self.process, self.doors, self.admin) = spawn(&mut command);
        (self.listeners, self._ways) = leading_to(&self.doors, self.encrypted.as_ref());
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// Replaces its configuration, and tells it to read the new one.
    pub(crate) fn reload(&self, config: &Config) {
        match &self.encrypted {
            None => write_config(self.directory.path(), config),
            Some(encrypted) => write_config(self.directory.path(), &encrypted.config(config)),
        };
        self.process.signal("HUP");
    }

    /// Waits until nothing listens where its first listener was.
    #[track_caller]
    pub(crate) fn closes_its_door(&self) {
        let door = self.doors[0];
        eventually("the listener to be closed", || {
            TcpStream::connect_timeout(&door, PATIENCE).err()
        });
    }

    /// Where its first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listeners[0]
    }

    /// Where its listeners are, in the order of its ready lines.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.listeners
    }

    /// Where its admin side is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it wrote to stdout so far, line by line.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.process.stdout()
    }

    /// What it wrote to stderr so far, as one text.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Its configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.directory.path().join(CONFIG_FILE)
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Holds it still: what is sent meanwhile waits in the system.
    pub(crate) fn suspend(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Sends it SIGTERM and waits until it is gone.
    #[track_caller]
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.exit()
    }

    /// Waits until it is gone.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> ExitStatus {
        self.process.exit()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.child.try_wait().expect("a child can be asked").is_none()
    }

    /// The number of sockets it has open.
    #[track_caller]
    pub(crate) fn sockets(&self) -> usize {
        held::sockets(self.process.child.id())
    }

    /// The names of its threads.
    #[track_caller]
    pub(crate) fn threads(&self) -> Vec<String> {
        let path = format!("/proc/{}/task", self.process.child.id());
        let threads = fs::read_dir(path).expect("a running process has threads");
        // A thread may end between the listing and the reading.
        let name = |thread: std::io::Result<fs::DirEntry>| {
            let name = fs::read_to_string(thread.ok()?.path().join("comm")).ok()?;
            Some(name.trim().to_owned())
        };
        threads.filter_map(name).collect()
    }

    /// The memory it has asked for and has, in KiB. Pages of its program are
    /// not in it: the system takes those away and brings them back as it likes,
    /// most of all when it has much else to do.
    #[track_caller]
    pub(crate) fn own_memory_kib(&self) -> u64 {
        self.memory_kib("RssAnon") + self.memory_kib("VmSwap")
    }

    /// A line of `/proc/PID/status` that counts KiB, such as `VmRSS`.
    #[track_caller]
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.child.id());
        let status = fs::read_to_string(path).expect("a running process has a status");
        let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
        let digits = value.and_then(|v| v.trim().strip_suffix(" kB"));
        digits.and_then(|d| d.parse().ok()).unwrap_or_else(|| panic!("no {line} in {status}"))
    }
}

/// Starts a router and waits until it says that it is ready: the process, its
/// listeners and its admin side.
#[track_caller]
fn spawn(command: &mut Command) -> (Process, Vec<SocketAddr>, SocketAddr) {
    let mut process = Process::spawn(command);
    let admin = process.address_after("admin http://");
    let lines = process.stdout();
    let listeners = lines.iter().filter_map(|line| line.strip_prefix("listening "));
    let addresses = listeners.filter_map(|url| url.split_once("://")).map(|(_, a)| a);
    let listeners: Vec<_> =
        addresses.map(|a| a.parse().expect("a ready line ends in an address")).collect();
    assert!(!listeners.is_empty(), "no ready line before the admin line: {lines:?}");
    (process, listeners, admin)
}

/// Where clients connect to for these listeners, and what leads there.
fn leading_to(
    doors: &[SocketAddr],
    encrypted: Option<&Encrypted>,
) -> (Vec<SocketAddr>, Vec<Bridge>) {
    let Some(encrypted) = encrypted else { return (doors.to_vec(), Vec::new()) };
    let ways: Vec<_> = doors.iter().map(|door| encrypted.listener(*door)).collect();
    (ways.iter().map(Bridge::address).collect(), ways)
}

/// What its file is called.
const CONFIG_FILE: &str = "pointsman.toml";

/// Writes `config` into `directory` and says where.
pub(crate) fn write_config(directory: &Path, config: &Config) -> PathBuf {
    // In one step, so that a router that watches the file never reads half.
    let (file, new) = (directory.join(CONFIG_FILE), directory.join("pointsman.toml.new"));
    fs::write(&new, config.text()).expect("a temporary directory takes files");
    fs::rename(&new, &file).expect("a file can be renamed");
    file
}

/// A child process whose output is read as it comes, killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `command`, which reads nothing.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::spawn_reading(command.stdin(Stdio::null()))
    }

    /// Starts `command` with the stdin it was given.
    pub(crate) fn spawn_reading(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
        let stdout = collect(child.stdout.take().expect("stdout is a pipe"));
        let stderr = collect(child.stderr.take().expect("stderr is a pipe"));
        Self { child, stdout, stderr }
    }

    /// The lines of stdout so far.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lock().clone()
    }

    /// What it wrote to stderr so far, as one text.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().join("\n")
    }

    /// Waits for a line of stdout that starts with `prefix` and for the
    /// address that follows.
    #[track_caller]
    pub(crate) fn address_after(&mut self, prefix: &str) -> SocketAddr {
        eventually(&format!("a line {prefix:?} on stdout"), || {
            let found = self.stdout().into_iter().find_map(|line| {
                let address = line.strip_prefix(prefix)?.to_owned();
                Some(address.parse().unwrap_or_else(|_| panic!("not an address: {line}")))
            });
            if found.is_none() {
                let gone = self.child.try_wait().expect("a child can be asked");
                assert!(gone.is_none(), "it ended with {gone:?} and without {prefix:?}");
            }
            found
        })
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill can be run").success(), "cannot send {name} to {id}");
    }

    /// Waits until it is gone.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> ExitStatus {
        eventually("the process to end", || {
            self.child.try_wait().expect("a child can be waited for")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let said = self.stderr.lock().join("\n");
            // The lock of stderr may be held by the panic message; a failed
            // write must not become a second panic.
            drop(writeln!(std::io::stderr(), "--- stderr of the process:\n{said}\n---"));
        }
    }
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            into.lock().push(line);
        }
    });
    lines
}

/// A free address with a port the system gives to nobody who asks for any: no
/// other test gets it while nobody listens, and no client meets itself on it.
pub(crate) fn never_given_away() -> SocketAddr {
    const PORTS: u16 = 20_000;
    // Each test is a process, so that two of them begin at different ports.
    let first = std::process::id().wrapping_mul(101) % u32::from(PORTS);
    let ports = (first..).map(|nth| 10_000 + (nth % u32::from(PORTS)) as u16).take(PORTS.into());
    let mut addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let free = addresses.find(|address| TcpListener::bind(address).is_ok());
    free.expect("a port below the ephemeral ones is free")
}
