//! What systemd hears of a router, and its sockets in a router's hands.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::router::{Process, binary, write_config};
use crate::harness::wait::{PATIENCE, eventually};
use crate::harness::{Config, ScriptedEndpoint, get};

/// A router's command line as systemd starts it, with `socket` as its third
/// descriptor.
pub(crate) fn start_with_socket(socket: &TcpListener, file: &Path) -> Process {
    let socket = socket.try_clone().expect("a socket can be duplicated");
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(binary().get_program()).arg("run").arg("-c").arg(file);
    command.env_remove("RUST_LOG").stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)));
    Process::spawn_reading(&mut command)
}

#[test]
fn systemd_hears_of_readiness_reloads_life_and_the_end() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("notify");
    let systemd = UnixDatagram::bind(&path).expect("a socket can be made");
    systemd.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let next = || {
        let mut message = [0; 200];
        let length = systemd.recv(&mut message).expect("a message comes");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let until = |wanted: &str| {
        eventually(wanted, || Some(next()).filter(|message| message.starts_with(wanted)))
    };
    let file = write_config(directory.path(), &Config::new());
    let mut command = binary();
    command.arg("run").arg("-c").arg(&file);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let mut process = Process::spawn(&mut command);
    assert_eq!(next(), "READY=1\n");
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    process.signal("HUP");
    let reloading = until("RELOADING=1");
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    until("READY=1");
    process.signal("TERM");
    until("STOPPING=1");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn a_passed_socket_serves_all_workers() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    let endpoint = ScriptedEndpoint::echo("one");
    let config = Config::new()
        .listen(&[&address.to_string(), "127.0.0.1:0"])
        .set("workers.threads", 2)
        .route("a.test", &[endpoint.address()]);
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut process = start_with_socket(&socket, &write_config(directory.path(), &config));
    assert_eq!(process.address_after("listening http://"), address);
    for _ in 0..20 {
        assert_eq!(get(address, "a.test", "/").status, 200);
    }
    let line = process.stdout()[1].clone();
    let own = line.strip_prefix("listening http://").expect("a ready line");
    let own = own.parse().expect("an address");
    assert_eq!(get(own, "a.test", "/").status, 200, "and it binds what was not passed");
}

#[test]
fn a_passed_socket_that_no_listener_names_is_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut process = start_with_socket(&socket, &write_config(directory.path(), &Config::new()));
    assert_eq!(process.exit().code(), Some(1));
    let said = eventually("an error", || Some(process.stderr()).filter(|said| !said.is_empty()));
    assert!(said.contains(&address.to_string()) && said.contains("ListenStream"), "{said}");
}

#[test]
fn sockets_meant_for_another_process_are_left_alone() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &Config::new());
    let mut command = binary();
    command.arg("run").arg("-c").arg(&file).env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    Process::spawn(&mut command).address_after("admin http://");
}

#[test]
fn the_unit_files_are_valid() {
    let Ok(there) = Command::new("systemd-analyze").arg("--version").output() else { return };
    assert!(there.status.success(), "{there:?}");
    let root = tempfile::tempdir().expect("a directory can be made");
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for unit in ["pointsman.service", "pointsman.socket"] {
        let text = std::fs::read_to_string(deploy.join(unit)).expect("it is there");
        // It wants the programs it names to exist.
        let program = binary().get_program().to_string_lossy().into_owned();
        let text = text.replace("/usr/local/bin/pointsman", &program);
        std::fs::write(root.path().join(unit), text).expect("it can be written");
    }
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(root.path().join("pointsman.service"))
        .arg(root.path().join("pointsman.socket"))
        .output()
        .expect("it can be run");
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_socket_unit_fits_the_configuration_beside_it() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let read = |name| std::fs::read_to_string(deploy.join(name)).expect("it is there");
    let (unit, config) = (read("pointsman.socket"), read("pointsman.toml"));
    let passed: Vec<_> =
        unit.lines().filter_map(|line| line.strip_prefix("ListenStream=")).collect();
    assert!(!passed.is_empty());
    for address in passed {
        assert!(config.contains(&format!("[[listener]]\naddress = \"{address}\"")), "{address}");
    }
}
