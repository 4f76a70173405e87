use pointsman::attempt::{AttemptHead, AttemptParts};

fn written_by_one_who_does_not_own_it(head: &AttemptHead) -> AttemptParts {
    head.into_parts()
}

fn main() {}
