//! What is said again: from the bytes of a message to a time that is set.

use std::time::Instant;

use pointsman::registry::{Intake, LiveRoutes, Subject};

use crate::Plan;
use crate::machine::processor_ns;
use crate::platform::{BATCH, TTL, message, scattered};

pub(crate) fn measure(plan: &Plan, live: &LiveRoutes) {
    let mut scattered = scattered(plan.routes);
    let said: Vec<String> = (0..200_000.min(plan.routes))
        .map(|at| {
            let number = scattered();
            message(number, at % 2)
        })
        .collect();
    let mut intake = Intake::of(live.clone());
    let (start, start_ns, mut count) = (Instant::now(), processor_ns(), 0);
    let version = live.version();
    while start.elapsed() < plan.time {
        for said in said.iter().cycle().skip(count % said.len()).take(BATCH) {
            intake.take(Subject::Register, said.as_bytes(), TTL, Instant::now());
        }
        intake.flush(Instant::now());
        count += BATCH;
    }
    let seconds = (processor_ns() - start_ns) / 1e9;
    assert_eq!(live.version(), version, "a refresh made a table");
    println!(
        "refreshes from messages of {} bytes: {:.0}/s of processor time",
        said[0].len(),
        count as f64 / seconds
    );
}
