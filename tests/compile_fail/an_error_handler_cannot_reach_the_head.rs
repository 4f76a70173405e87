use pointsman::attempt::{AttemptHead, AttemptParts, Failure};

fn round_trip(head: AttemptHead, on_error: impl FnOnce(Failure)) {
    let _parts: AttemptParts = head.into_parts();
    on_error(Failure::connect_refused());
}

fn error_handler_writes_into_the_attempt(head: AttemptHead) {
    round_trip(head, |_failure| {
        let _late: AttemptParts = head.into_parts();
    });
}

fn main() {}
