//! Hot reload: what makes it happen, and what a bad file does.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::harness::router::{Process, binary, write_config};
use crate::harness::tls::Authority;
use crate::harness::wait::eventually;
use crate::harness::{Answer, Config, Connection, Gate, Router, ScriptedEndpoint, Step, get};

/// Two apps, to tell which configuration is in force.
fn apps() -> (ScriptedEndpoint, ScriptedEndpoint) {
    (ScriptedEndpoint::echo("old"), ScriptedEndpoint::echo("new"))
}

fn routed_to(app: &ScriptedEndpoint) -> Config {
    Config::new().route("a.test", &[app.address()])
}

fn until_answered_by(address: std::net::SocketAddr, name: &str) {
    eventually(&format!("an answer by {name}"), || {
        let answer = get(address, "a.test", "/");
        (answer.fields.one("x-endpoint") == Some(name)).then_some(())
    });
}

fn ask_admin(router: &Router, path: &str) -> Answer {
    get(router.admin(), &router.admin().to_string(), path)
}

fn json(router: &Router, path: &str) -> Value {
    serde_json::from_slice(&ask_admin(router, path).body).expect("JSON")
}

fn reloads(router: &Router, result: &str) -> u32 {
    let metrics = ask_admin(router, "/metrics").text();
    let sample = format!("pointsman_reloads_total{{result=\"{result}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&sample));
    value.map_or(0, |value| value.parse().expect("a count"))
}

/// What `/health/ready` says of the file.
fn source(router: &Router) -> Value {
    json(router, "/health/ready")["sources"][0].clone()
}

#[test]
fn a_file_written_over_is_in_force_without_being_asked_for() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    until_answered_by(router.address(), "old");
    fs::write(router.config_file(), routed_to(&new).text()).expect("it can be written");
    until_answered_by(router.address(), "new");
    assert_eq!((reloads(&router, "applied"), reloads(&router, "refused")), (1, 0));
}

#[test]
fn a_file_renamed_into_its_place_is_in_force() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    let next = router.config_file().with_extension("next");
    fs::write(&next, routed_to(&new).text()).expect("it can be written");
    fs::rename(&next, router.config_file()).expect("it can be renamed");
    until_answered_by(router.address(), "new");
}

#[test]
fn a_swapped_config_map_is_in_force() {
    let (old, new) = apps();
    let volume = tempfile::tempdir().expect("a directory can be made");
    let at = |name: &str| volume.path().join(name);
    let version = |name: &str, config: &Config| {
        fs::create_dir(at(name)).expect("a directory can be made");
        write_config(&at(name), config);
    };
    // As the kubelet lays out a volume: only the link `..data` ever changes.
    version("..one", &routed_to(&old));
    symlink("..one", at("..data")).expect("a link can be made");
    symlink("..data/pointsman.toml", at("pointsman.toml")).expect("a link can be made");
    let mut process = Process::spawn(binary().arg("run").arg("-c").arg(at("pointsman.toml")));
    let address = process.address_after("listening http://");
    until_answered_by(address, "old");
    version("..two", &routed_to(&new));
    symlink("..two", at("..data_tmp")).expect("a link can be made");
    fs::rename(at("..data_tmp"), at("..data")).expect("a link can be renamed");
    fs::remove_dir_all(at("..one")).expect("it can be removed");
    until_answered_by(address, "new");
}

#[test]
fn changes_are_seen_without_what_a_process_would_have_to_wait_for_at_its_end() {
    let (old, _) = apps();
    let router = Router::start(&routed_to(&old));
    let descriptors = fs::read_dir(format!("/proc/{}/fd", router.id())).expect("it runs");
    let links: Vec<_> = descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    assert!(links.iter().any(|link| link.contains("eventpoll")), "{links:?}");
    assert!(!links.iter().any(|link| link.contains("inotify")), "{links:?}");
}

#[test]
fn a_hangup_reloads_a_file_that_has_not_changed() {
    let (old, _) = apps();
    let router = Router::start(&routed_to(&old));
    router.signal("HUP");
    eventually("a reload", || (reloads(&router, "applied") == 1).then_some(()));
    router.signal("HUP");
    eventually("another", || (reloads(&router, "applied") == 2).then_some(()));
}

#[test]
fn of_many_quick_changes_the_last_is_in_force() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    for _ in 0..50 {
        fs::write(router.config_file(), routed_to(&old).text()).expect("it can be written");
        fs::write(router.config_file(), routed_to(&new).text()).expect("it can be written");
        router.signal("HUP");
    }
    until_answered_by(router.address(), "new");
    eventually("a reload of the last version", || {
        (source(&router)["state"] == "current" && router.stderr().contains("reloaded"))
            .then_some(())
    });
    until_answered_by(router.address(), "new");
}

#[test]
fn a_bad_file_changes_nothing_and_is_reported_with_line_and_suggestion() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    let good = routed_to(&new).text();
    let bad = format!("[timeouts]\nconect = \"3s\"\n{}", good.replace("workers.threads", "#"));
    fs::write(router.config_file(), bad).expect("it can be written");
    eventually("a refusal", || (reloads(&router, "refused") > 0).then_some(()));
    until_answered_by(router.address(), "old");
    let said = eventually("a report", || Some(router.stderr()).filter(|s| s.contains("help")));
    assert!(said.contains("timeouts.conect: unknown key"), "{said}");
    assert!(said.contains("pointsman.toml:2:1"), "{said}");
    assert!(said.contains("did you mean \"connect\"?"), "{said}");
    assert_eq!(source(&router)["state"], "stale");
    let error = source(&router)["error"].clone();
    let first = "line 2: timeouts.conect: unknown key";
    assert!(error.as_str().is_some_and(|error| error.starts_with(first)), "{error}");
    assert_eq!(ask_admin(&router, "/health").status, 200, "routing works");
    let metrics = ask_admin(&router, "/metrics").text();
    assert!(metrics.contains("pointsman_source_age_seconds{source=\"file\"} "), "{metrics}");
    fs::write(router.config_file(), good).expect("it can be written");
    until_answered_by(router.address(), "new");
    eventually("a current source", || (source(&router)["state"] == "current").then_some(()));
    assert_eq!((reloads(&router, "applied"), reloads(&router, "refused")), (1, 1));
}

#[test]
fn a_drain_by_the_admin_side_is_logged_and_so_is_each_reload_it_refuses() {
    let gate = Gate::default();
    let held = gate.clone();
    let app = ScriptedEndpoint::start(move |_| vec![Step::ReadHead, Step::WaitFor(held.clone())]);
    let router = Router::start(&routed_to(&app));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    app.request_head(0);
    let mut admin = Connection::open(router.admin());
    admin.send(format!(
        "POST /drain HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n",
        router.admin()
    ));
    assert!(admin.answer("POST").status < 300);
    eventually("the drain to be logged", || router.stderr().contains("draining").then_some(()));
    let refusals = || router.stderr().matches("not reloaded: the router is draining").count();
    router.signal("HUP");
    eventually("the reload asked for to be refused", || (refusals() == 1).then_some(()));
    assert_eq!(source(&router)["state"], "current", "the file is what it was");
    fs::write(router.config_file(), "wrong").expect("it can be written");
    eventually("the change to be refused", || (refusals() == 2).then_some(()));
    let error = source(&router)["error"].clone();
    assert!(error.as_str().is_some_and(|error| error.contains("draining")), "{error}");
    assert_eq!((reloads(&router, "applied"), reloads(&router, "refused")), (0, 0));
    gate.open();
}

#[test]
fn a_file_that_has_gone_changes_nothing() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    fs::remove_file(router.config_file()).expect("it can be removed");
    eventually("a refusal", || (reloads(&router, "refused") > 0).then_some(()));
    until_answered_by(router.address(), "old");
    eventually("it to be logged", || router.stderr().contains("no such file").then_some(()));
    fs::write(router.config_file(), routed_to(&new).text()).expect("it can be written");
    until_answered_by(router.address(), "new");
}

#[test]
fn a_fifo_in_the_files_place_holds_nobody_up() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    let fifo = router.config_file().with_extension("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo can be run").success());
    fs::rename(&fifo, router.config_file()).expect("it can be renamed");
    eventually("a refusal", || (reloads(&router, "refused") > 0).then_some(()));
    until_answered_by(router.address(), "old");
    let next = router.config_file().with_extension("next");
    fs::write(&next, routed_to(&new).text()).expect("it can be written");
    fs::rename(&next, router.config_file()).expect("it can be renamed");
    until_answered_by(router.address(), "new");
}

#[test]
fn a_refused_version_is_in_force_once_the_file_it_lacked_has_come() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    let authority = Authority::new();
    let late = router.config_file().with_file_name("late.pem");
    let lacking = format!(
        "[[route]]\nhost = \"tls.test\"\nendpoints = [{{ address = \"127.0.0.1:1\", \
         tls = {{ ca = {late:?} }} }}]\n"
    );
    let next = routed_to(&new).and(&lacking);
    fs::write(router.config_file(), next.text()).expect("it can be written");
    eventually("a refusal", || (reloads(&router, "refused") > 0).then_some(()));
    fs::copy(authority.ca(), late).expect("it can be copied");
    until_answered_by(router.address(), "new");
    eventually("a current source", || (source(&router)["state"] == "current").then_some(()));
    let said = router.stderr();
    assert_eq!(said.matches("the new configuration is not used").count(), 1, "{said}");
    assert_eq!((reloads(&router, "applied"), reloads(&router, "refused")), (1, 1));
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_in_force() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    let config = routed_to(&new).listen(&["127.0.0.2:0"]).set("workers.threads", 3);
    fs::write(router.config_file(), config.text()).expect("it can be written");
    until_answered_by(router.address(), "new");
    let said = eventually("a report", || Some(router.stderr()).filter(|s| s.contains("workers")));
    for key in ["listener", "workers"] {
        assert!(said.contains(&format!("{key} has changed and needs a restart")), "{said}");
    }
    assert!(!said.contains("admin has changed"), "{said}");
    let shown = json(&router, "/config");
    assert_eq!(shown["workers"]["threads"], 1, "what is in force is shown");
    assert_eq!(shown["needs_restart"][0], "listener");
    assert_eq!(shown["needs_restart_except"]["listener"], "what its tls says");
}

#[test]
fn a_file_with_an_address_that_is_taken_is_refused_whole_until_it_is_free() {
    let (old, new) = apps();
    let router = Router::start(&routed_to(&old));
    // Nobody else's address, who would take the port once it is free.
    let other = std::net::TcpListener::bind("127.0.0.77:0").expect("a port is free");
    let taken = other.local_addr().expect("it is bound").to_string();
    let config = routed_to(&new).listen(&["127.0.0.1:0", &taken]);
    fs::write(router.config_file(), config.text()).expect("it can be written");
    eventually("a refusal", || (reloads(&router, "refused") > 0).then_some(()));
    let why = format!("{taken} is in use by another process");
    eventually("the reason", || router.stderr().contains(&why).then_some(()));
    assert_eq!(get(router.address(), "a.test", "/").field("x-endpoint"), "old");
    drop(other);
    until_answered_by(router.address(), "new");
    let key = "listener has changed and needs a restart";
    eventually("a report", || router.stderr().contains(key).then_some(()));
}

#[test]
fn a_reload_does_not_touch_a_response_under_way() {
    let gate = Gate::default();
    let held = gate.clone();
    let old = ScriptedEndpoint::start(move |_| {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        vec![
            Step::ReadHead,
            Step::Send(half.into()),
            Step::WaitFor(held.clone()),
            Step::Send(b"more".to_vec()),
        ]
    });
    let new = ScriptedEndpoint::echo("new");
    let router = Router::start(&routed_to(&old));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_head().expect("the head comes").status, 200);
    assert_eq!(client.bytes(4), b"half");
    fs::write(router.config_file(), routed_to(&new).text()).expect("it can be written");
    eventually("a reload", || (reloads(&router, "applied") == 1).then_some(()));
    until_answered_by(router.address(), "new");
    gate.open();
    assert_eq!(client.bytes(4), b"more");
}

#[test]
fn a_limit_of_connections_holds_from_the_reload_on() {
    let endpoint = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let config = routed_to(&endpoint);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    assert_eq!(get(router.address(), "b.test", "/").status, 404);
    let config = config.set("limits.connections", 1);
    fs::write(router.config_file(), config.text()).expect("it can be written");
    eventually("a reload", || (reloads(&router, "applied") == 1).then_some(()));
    let crowded = Connection::open(router.address()).answer("GET");
    assert_eq!((crowded.status, crowded.code()), (503, Some("overloaded")));
}
