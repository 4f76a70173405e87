use pointsman::attempt::{AttemptHead, AttemptParts};
use std::sync::{Arc, Mutex};

fn round_trip(head: AttemptHead) -> AttemptParts {
    head.into_parts()
}

fn transport_keeps_the_incidents_cell(head: AttemptHead) -> AttemptParts {
    let cell = Arc::new(Mutex::new(head));
    let late_writer = Arc::clone(&cell);
    let parts = round_trip(*cell.lock().unwrap());
    drop(late_writer);
    parts
}

fn main() {}
