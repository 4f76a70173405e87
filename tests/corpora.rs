//! Every stored input of every fuzz target, as ordinary tests: corpora, and
//! the regressions, which are inputs that once found something.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic, its helpers too")]

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Replays a target's inputs, all of them, and names those that fail.
fn replay(name: &str) {
    let (_, run) = targets::TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let (mut replayed, mut failed) = (0, Vec::new());
    for kind in ["corpus", "regressions"] {
        let Ok(files) = fuzz.join(kind).join(name).read_dir() else { continue };
        for file in files {
            let path = file.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| run(&input)).is_err() {
                failed.push(path);
            }
            replayed += 1;
        }
    }
    assert!(replayed > 0, "{name} has no corpus");
    assert!(failed.is_empty(), "these fail: {failed:#?}");
}

macro_rules! replayed {
    ($($test:ident: $target:ident,)*) => {
        $(#[test]
        fn $test() {
            replay(stringify!($target));
        })*

        #[test]
        fn no_target_is_left_out() {
            let named = [$(stringify!($target)),*];
            assert_eq!(named.to_vec(), targets::TARGETS.map(|(name, _)| name).to_vec());
        }
    };
}

replayed! {
    stored_inputs_pass_admission: admission,
    stored_inputs_pass_attempt_isolation: attempt_isolation,
    stored_inputs_pass_config: config,
    stored_inputs_pass_error_answer: error_answer,
    stored_inputs_pass_http1_body: http1_body,
    stored_inputs_pass_http1_request: http1_request,
    stored_inputs_pass_http1_response: http1_response,
    stored_inputs_pass_proxy_protocol: proxy_protocol,
    stored_inputs_pass_registration_message: registration_message,
    stored_inputs_pass_registry_snapshot: registry_snapshot,
    stored_inputs_pass_route_table: route_table,
    stored_inputs_pass_whole_wire: whole_wire,
}

#[test]
fn every_target_is_fuzzed_at_night_and_described() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let (nightly, described) = (read(".github/workflows/nightly.yml"), read("fuzz/README.md"));
    let is_fuzzed = |name: &str| nightly.lines().any(|line| line.trim() == format!("- {name}"));
    let is_described = |name: &str| described.contains(&format!("`{name}`"));
    let names = targets::TARGETS.iter().map(|(name, _)| *name);
    let left_out: Vec<_> = names.filter(|name| !is_fuzzed(name) || !is_described(name)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}
