//! The commands, run as a user runs them: what they print and how they end.

use std::process::Output;

use crate::harness::router::{binary, run, write_config};
use crate::harness::{Config, Router, ScriptedEndpoint};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `check` on a file with this text.
fn check(text: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("pointsman.toml");
    std::fs::write(&file, text).expect("a temporary directory takes files");
    binary().arg("check").arg("-c").arg(&file).output().expect("the binary can be run")
}

#[test]
fn check_accepts_a_good_file() {
    let address = ([127, 0, 0, 1], 8080).into();
    let output = check(&Config::new().route("a.test", &[address]).text());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn check_names_the_line_and_the_nearest_key() {
    let output = check("[[listener]]\naddress = \"127.0.0.1:0\"\n\n[timeouts]\nconect = \"3s\"\n");
    let said = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("conect") && said.contains("connect"), "{said}");
    assert!(said.contains(":5"), "the line is not named: {said}");
}

#[test]
fn check_refuses_the_same_route_twice() {
    let address = ([127, 0, 0, 1], 8080).into();
    let text = Config::new().route("a.test", &[address]).route("A.test", &[address]).text();
    let output = check(&text);
    let said = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.to_lowercase().contains("a.test"), "{said}");
}

#[test]
fn check_refuses_values_that_are_none() {
    for text in [
        "[timeouts]\nconnect = \"3 parsecs\"\n",
        "[limits]\nrequest_head_bytes = \"64 elephants\"\n",
        "[retry]\nattempts = 0\n",
        "[[listener]]\naddress = \"nowhere\"\n",
        "[[route]]\nhost = \"a..test\"\nendpoints = []\n",
        "[[route]]\nhost = \"a.test\"\nendpoints = [\"app.example:80\"]\n",
        "[[route]]\nhost = \"a.test\"\nbalance = \"random\"\nendpoints = []\n",
        "this is not TOML",
    ] {
        let output = check(text);
        assert_eq!(output.status.code(), Some(1), "{text}: {}", stdout(&output));
        assert!(!(stdout(&output) + &stderr(&output)).trim().is_empty(), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for command in ["check", "run"] {
        let output = run([command, "-c", "/nonexistent/pointsman.toml"]);
        assert_eq!(output.status.code(), Some(1));
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("/nonexistent/pointsman.toml"), "{said}");
    }
}

#[test]
fn run_refuses_what_check_refuses() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let config = Config::new().set("timeouts.conect", "3s");
    let file = write_config(directory.path(), &config);
    let output = binary().arg("run").arg("-c").arg(&file).output().expect("the binary can be run");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("conect"), "{}", stderr(&output));
    assert!(stdout(&output).is_empty());
}

#[test]
fn explain_says_what_a_code_means() {
    let output = run(["explain", "connect-refused"]);
    assert_eq!(output.status.code(), Some(0));
    let said = stdout(&output);
    assert!(said.contains("connect-refused") && said.contains("502"), "{said}");
}

#[test]
fn explain_lists_every_code() {
    let output = run(["explain"]);
    assert_eq!(output.status.code(), Some(0));
    let said = stdout(&output);
    for code in pointsman::error::Code::ALL {
        assert!(said.contains(code.as_str()), "{}", code.as_str());
    }
}

#[test]
fn explain_suggests_the_nearest_code() {
    let output = run(["explain", "conect-refused"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("connect-refused"), "{}", stderr(&output));
}

#[test]
fn wrong_command_lines_end_with_2() {
    for arguments in [vec!["nonsense"], vec!["run", "--nonsense"], vec!["completions", "nonsense"]]
    {
        let output = binary().args(&arguments).output().expect("the binary can be run");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty());
    }
}

#[test]
fn help_and_version_are_told() {
    let help = run(["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for command in ["demo", "run", "check", "routes", "requests", "drain", "explain", "completions"]
    {
        assert!(stdout(&help).contains(command), "{command} in {}", stdout(&help));
    }
    let version = run(["--version"]);
    assert_eq!(stdout(&version).trim(), concat!("pointsman ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_written_for_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("pointsman"), "{shell}");
    }
}

#[test]
fn a_running_router_can_be_asked_and_drained() {
    let endpoint = ScriptedEndpoint::echo("one");
    let mut router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let url = format!("http://{}", router.admin());
    let routes = run(["routes", "--admin", &url]);
    assert_eq!(routes.status.code(), Some(0), "{}", stderr(&routes));
    let said = stdout(&routes);
    assert!(said.contains("a.test") && said.contains(&endpoint.address().to_string()), "{said}");
    let requests = run(["requests", "--admin", &url]);
    assert_eq!(requests.status.code(), Some(0), "{}", stderr(&requests));
    let drain = run(["drain", "--admin", &url]);
    assert_eq!(drain.status.code(), Some(0), "{}", stderr(&drain));
    assert_eq!(router.exit().code(), Some(0));
}

#[test]
fn a_router_that_does_not_run_cannot_be_asked() {
    let nobody = crate::harness::RefusingEndpoint::start();
    let url = format!("http://{}", nobody.address());
    let output = run(["routes", "--admin", &url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&nobody.address().to_string()), "{}", stderr(&output));
}
