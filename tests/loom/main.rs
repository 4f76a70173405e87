//! Models of the concurrency cores: loom runs each through every order its
//! threads can be scheduled in.
//!
//! The cores are compiled in from `src/` file by file, with loom's types in the
//! place of theirs (`src/sync/mod.rs`). Beside each stands a mutant, a plausible
//! wrong version of it, that the same model must catch: a check that cannot fail
//! is no check. `docs/testing.md` lists what is modelled and what stands in.
//!
//! ```text
//! RUSTFLAGS="--cfg pointsman_loom" cargo test --no-default-features --test loom
//! ```
#![cfg(pointsman_loom)]

mod budget;
mod drain_gate;
mod idle;
mod in_flight;
mod leases;
mod pass_over;
mod publisher;
mod response_head;

#[path = "../../src/sync/mod.rs"]
#[allow(dead_code, reason = "not every model uses all of it")]
mod sync;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Scheduler preemptions per run. Bugs that need more than two are rare, and
/// each one more multiplies the number of runs.
const PREEMPTIONS: usize = 3;

/// Runs `body` in every order of its threads.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(body);
}

/// Runs a model of a mutant and expects a failure that says `complaint`.
#[track_caller]
fn must_fail(complaint: &str, body: impl Fn() + Sync + Send + 'static) {
    let caught = catch_unwind(AssertUnwindSafe(|| model(body)));
    let Err(panic) = caught else { panic!("the mutant survived every order") };
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(said.contains(complaint), "it failed for another reason: {said}");
}
