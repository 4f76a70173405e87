//! The commands that ask a running router: tables that people read.

use std::process::Output;

use crate::harness::router::run;
use crate::harness::wait::eventually;
use crate::harness::{
    Config, Connection, Gate, RefusingEndpoint, Router, ScriptedEndpoint, Step, get, script,
};

/// What a command that went well printed.
#[track_caller]
fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout.clone()).expect("tables are UTF-8")
}

/// The cells of a table, columns found by its title line: each cell starts
/// where its title does.
fn cells(table: &str) -> Vec<Vec<String>> {
    let title = table.lines().next().unwrap_or_default();
    let mut starts = vec![0];
    let starts_here = |at: &usize| title[at - 2..*at] == *"  " && !title[*at..].starts_with(' ');
    starts.extend((2..title.len()).filter(starts_here));
    let rows = table.lines().map(|line| {
        let chars: Vec<char> = line.chars().collect();
        let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
        let cell = |(start, end): (&usize, usize)| {
            let cell = chars.iter().take(end).skip(*start).collect::<String>();
            cell.trim_end().to_owned()
        };
        starts.iter().zip(ends).map(cell).collect()
    });
    rows.collect()
}

#[test]
fn routes_shows_every_endpoint_with_its_state() {
    let (bad, good) = (RefusingEndpoint::start(), ScriptedEndpoint::echo("good"));
    let config = Config::new()
        .route_with("a.test", &[good.address()], "path = \"/api\"")
        .route("bad.test", &[bad.address()])
        .route("empty.test", &[]);
    let router = Router::start(&config);
    get(router.address(), "bad.test", "/");
    let url = format!("http://{}", router.admin());
    let table = said(&run(["routes", "--admin", &url]));
    let rows = cells(&table);
    let titles = ["HOST", "PATH", "SOURCE", "ENDPOINT", "WEIGHT", "STATE", "IN FLIGHT", "QUEUED"];
    assert_eq!(rows[0][..8], titles, "{table}");
    let good = good.address().to_string();
    assert_eq!(
        rows[1][..8],
        ["a.test", "/api", "file", &good, "1", "available", "0", "0"],
        "{table}"
    );
    assert_eq!(rows[2][3], bad.address().to_string(), "{table}");
    assert!(rows[2][5].starts_with("passed-over ("), "{table}");
    assert_eq!(rows[3][..4], ["empty.test", "/", "file", "none"], "{table}");
    let one = said(&run(["routes", "--admin", &url, "--host", "bad.test"]));
    assert_eq!(one.lines().count(), 2, "{one}");
    let none = said(&run(["routes", "--admin", &url, "--host", "other.test"]));
    assert_eq!(none, "no routes\n");
}

#[test]
fn requests_shows_what_is_in_flight_oldest_first() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("hi").into())]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let url = format!("http://{}", router.admin());
    assert_eq!(said(&run(["requests", "--admin", &url])), "no requests in flight\n");
    let mut first = Connection::open(router.address());
    first.send("GET /\x1b[2J?token=secret HTTP/1.1\r\nHost: a.test\r\n\r\n".replace('\x1b', "%1B"));
    endpoint.request_head(0);
    // The order is by milliseconds.
    eventually("the first to be older than the second will be", || {
        let rows = cells(&said(&run(["requests", "--admin", &url])));
        (rows.len() == 2 && rows[1][0] != "0ms").then_some(())
    });
    let mut second = Connection::open(router.address());
    second.send("PUT /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000\r\n\r\n");
    second.send(vec![b'x'; 2048]);
    endpoint.request_head(1);
    let rows = eventually("the content to show", || {
        let rows = cells(&said(&run(["requests", "--admin", &url])));
        (rows.len() == 3 && rows[2][8] == "2.0KiB").then_some(rows)
    });
    let titles =
        ["AGE", "PHASE", "CLIENT", "METHOD", "HOST", "PATH", "ATTEMPT", "ENDPOINT", "IN", "OUT"];
    assert_eq!(rows[0][..10], titles);
    let (client, at) = (first.local().to_string(), endpoint.address().to_string());
    let expected = ["waiting", &client, "GET", "a.test", "/%1B[2J?***", "1", &at, "0B", "0B"];
    assert_eq!(rows[1][1..10], expected);
    assert_eq!(rows[2][3..6], ["PUT", "a.test", "/up"]);
    let shown = said(&run(["requests", "--admin", &url, "--queries"]));
    assert!(shown.contains("?token=secret"), "{shown}");
    let old = said(&run(["requests", "--admin", &url, "--older-than", "1h"]));
    assert_eq!(old, "no requests in flight\n");
    let wrong = run(["requests", "--admin", &url, "--older-than", "soon"]);
    assert_eq!(wrong.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&wrong.stderr);
    assert!(stderr.contains("older_than"), "{stderr}");
    gate.open();
}

#[test]
fn the_commands_bear_a_token_and_say_when_one_is_missing() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret\n").expect("a temporary directory takes files");
    let file = file.to_str().expect("temporary paths are text");
    let config = Config::new().set("admin.address", "0.0.0.0:0").set("admin.token_file", file);
    let mut router = Router::start(&config);
    let url = format!("http://127.0.0.1:{}", router.admin().port());
    let refused = run(["drain", "--admin", &url]);
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("401") && stderr.contains("token"), "{stderr}");
    assert!(router.runs());
    assert_eq!(said(&run(["routes", "--admin", &url, "--token-file", file])), "no routes\n");
    said(&run(["drain", "--admin", &url, "--token-file", file]));
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn completions_are_scripts_that_their_shell_can_read() {
    let script = said(&run(["completions", "bash"]));
    assert!(script.contains("explain") && script.contains("older-than"), "{script}");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("pointsman.bash");
    std::fs::write(&file, script).expect("a temporary directory takes files");
    let read = std::process::Command::new("bash").arg("-n").arg(&file).output();
    let read = read.expect("bash can be run");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
