//! The lines of the documentation, as they stand there.

use std::process::Command;

use serde_json::Value;

use crate::admin_routes::send;
use crate::harness::{Config, Router};

/// The shell lines of a page, block by block, for this router.
fn blocks(page: &str, router: &Router) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| block.replace("127.0.0.1:9901", &router.admin().to_string())).collect()
}

/// Runs lines in a shell that stops at the first that fails; what they print.
fn run(lines: &str) -> String {
    let output = Command::new("sh").args(["-euc", lines]).output().expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{lines}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The statuses of the answers that curl printed.
fn statuses(said: &str) -> Vec<&str> {
    // A content need not end its line.
    said.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.split(' ').next()).collect()
}

#[test]
fn the_lines_about_live_routes_do_what_is_said_of_them() {
    let router = Router::start(&Config::new());
    let blocks = blocks(include_str!("../../docs/live-routes.md"), &router);
    let [give, change, register] = &blocks[..] else { panic!("other blocks: {blocks:#?}") };
    let said = run(give);
    assert_eq!(statuses(&said), ["201", "200", "204"], "{said}");
    let said = run(change);
    assert_eq!(statuses(&said), ["201", "200"], "{said}");
    let shown = send(router.admin(), "GET /routes/shop.example.com", "", "").text();
    assert!(shown.contains("10.0.0.3:8080"), "{shown}");
    // Of the route that was given before, the instance is one endpoint more.
    let said: Value = serde_json::from_str(&run(register)).expect("it answers JSON");
    let outcomes: Vec<_> = said["changes"].as_array().expect("a list").iter().collect();
    assert_eq!(outcomes.len(), 2, "{said}");
    for outcome in outcomes {
        assert_eq!((&outcome["outcome"], &outcome["in_force"]), (&"added".into(), &"admin".into()));
    }
    let statuses_of = |what: &str| {
        let address = router.admin();
        statuses(&run(&format!("curl -si http://{address}{what}"))).join(" ")
    };
    assert_eq!(statuses_of("/openapi.json"), "200");
    assert_eq!(statuses_of("/routes/%5B::1%5D"), "404");
    assert_eq!(statuses_of("/routes/*/status"), "404");
}
