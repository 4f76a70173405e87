use pointsman::attempt::{AttemptHead, AttemptParts};

fn kept_for_later(head: AttemptHead) -> (AttemptParts, AttemptParts) {
    let parts = head.into_parts();
    (parts.clone(), parts)
}

fn main() {}
