//! Models of the concurrency cores: loom runs each through every order its
//! threads can be scheduled in.
//!
//! The cores are compiled in from `src/` file by file, with loom's types in the
//! place of theirs (`src/sync/mod.rs`), or driven through the crate where their
//! door is public. Beside each stands a mutant, a plausible
//! wrong version of it, that the same model must catch: a check that cannot fail
//! is no check. `docs/testing.md` lists what is modelled and what stands in.
//!
//! ```text
//! RUSTFLAGS="--cfg pointsman_loom" cargo test --no-default-features --profile loom \
//!     --target-dir target/loom --test loom
//! ```
#![cfg(pointsman_loom)]
#![allow(dead_code, reason = "a model need not use all of a core")]

mod adaptive;
mod budget;
mod drain_gate;
mod ejection;
mod gate;
mod idle;
mod in_flight;
mod leases;
mod pass_over;
mod publisher;
mod response_head;
mod term;

#[path = "../../src/sync/mod.rs"]
mod sync;

use std::process::Command;

/// Scheduler preemptions per run. Bugs that need more are rare, and each one
/// more multiplies the number of runs.
const PREEMPTIONS: usize = 4;

/// Set in the process that runs a mutant.
const MUTANT: &str = "POINTSMAN_MUTANT";

/// Runs `body` in every order of its threads.
fn model(body: impl Fn() + Sync + Send + 'static) {
    model_within(PREEMPTIONS, body);
}

/// The same with another bound, where there are many steps to be taken in turn.
fn model_within(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(body);
}

/// Runs a model of a mutant and expects a failure that says `complaint`. In a
/// process of its own: loom cannot unwind from a deadlock, it aborts.
fn must_fail(complaint: &str, body: impl Fn() + Sync + Send + 'static) {
    if std::env::var_os(MUTANT).is_some() {
        model(body);
        return;
    }
    let thread = std::thread::current();
    let test = thread.name().filter(|name| name.contains("mutant_"));
    let test = test.expect("tests run in threads of their names: not with --test-threads=1");
    let binary = std::env::current_exe().unwrap();
    let run = Command::new(binary)
        .args([test, "--exact", "--nocapture"])
        .env(MUTANT, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "the mutant survived every order");
    assert!(said.contains(complaint), "it failed for another reason: {said}");
}
