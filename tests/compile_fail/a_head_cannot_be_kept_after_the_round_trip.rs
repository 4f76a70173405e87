use pointsman::attempt::{AttemptHead, AttemptParts, Failure};

fn round_trip(head: AttemptHead) -> Result<AttemptParts, Failure> {
    Ok(head.into_parts())
}

fn retried_with_the_same_head(head: AttemptHead) {
    if round_trip(head).is_err() {
        let _ = round_trip(head);
    }
}

fn main() {}
