//! `health_check`.

use super::super::parse;
use super::{LISTENER, ROUTE, refuse_in_route};
use crate::endpoint::HealthCheck;

fn check(text: &str) -> HealthCheck {
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:8080\"\n[[route]]\nhost = \"a.example\"\n\
         endpoints = [\"10.0.0.1:80\"]\nhealth_check = {text}\n"
    );
    let settings = crate::config::parse(&text, "p").unwrap();
    settings.routes[0].health_check.clone().unwrap()
}

#[test]
fn a_check_without_keys_is_the_default_one() {
    assert_eq!(check("{}"), HealthCheck::default());
}

#[test]
fn statuses_can_be_written_as_numbers_ranges_and_lists() {
    for (written, read) in [
        ("204", "204"),
        ("\"200\"", "200"),
        ("\"200-399\"", "200-399"),
        ("\"200-299, 404\"", "200-299,404"),
        ("[200, \"201-204\", \"301\"]", "200-204,301"),
    ] {
        assert_eq!(check(&format!("{{ expect = {written} }}")).expect.to_string(), read);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_could() {
    refuse_in_route(&[
        (
            "health_check = \"/up\"",
            r#"p:5:16: route[0].health_check: must be a table, not a string; write { path = "/up" }"#,
        ),
        ("health_check = \"on\"", "p:5:16: route[0].health_check: must be a table, not a string"),
        (
            "health_check = { path = \"up\" }",
            r#"p:5:25: route[0].health_check.path: "up" does not start with "/"; write "/up""#,
        ),
        (
            "health_check = { path = \"/a b\" }",
            r#"p:5:25: route[0].health_check.path: "/a b" contains ' '; percent-encode it"#,
        ),
        (
            "health_check = { host = \"a b\" }",
            r#"p:5:25: route[0].health_check.host: "a b" is no host to ask for; write "app.example.com", for example; a port may follow"#,
        ),
        (
            "health_check = { interval = \"1ms\" }",
            "p:5:29: route[0].health_check.interval: must be at least 10ms",
        ),
        (
            "health_check = { rise = 0 }",
            "p:5:25: route[0].health_check.rise: must be between 1 and 1000, not 0",
        ),
        (
            "health_check = { expect = 700 }",
            "p:5:27: route[0].health_check.expect: must be between 200 and 599, not 700",
        ),
        (
            "health_check = { expect = \"399-200\" }",
            r#"p:5:27: route[0].health_check.expect: "399-200" goes backwards; write "200-399""#,
        ),
        (
            "health_check = { expect = [\"2xx\"] }",
            r#"p:5:28: route[0].health_check.expect[0]: "2xx" is no final status or range of them; write "200", "200-399" or [200, "300-399"]"#,
        ),
        (
            "health_check = { expect = [] }",
            r#"p:5:27: route[0].health_check.expect: no status passes; write expect = ["200-399"], for example"#,
        ),
        (
            "health_check = { expect_body = \"\" }",
            r#"p:5:32: route[0].health_check.expect_body: every content contains ""; leave the key out"#,
        ),
    ]);
}

#[test]
fn what_a_probe_asks_and_looks_for_is_bounded() {
    for (key, start, most) in [("path", "/", 8_192), ("expect_body", "", 1_024)] {
        let check = |bytes: usize| {
            let text = format!("{start}{}", "x".repeat(bytes - start.len()));
            format!("{LISTENER}{ROUTE}health_check = {{ {key} = \"{text}\" }}\n")
        };
        assert!(parse(&check(most), "p").is_ok(), "{key}");
        let refused = parse(&check(most + 1), "p").unwrap_err().to_string();
        assert!(refused.contains(&format!("longer than {most} bytes")), "{refused}");
    }
}
