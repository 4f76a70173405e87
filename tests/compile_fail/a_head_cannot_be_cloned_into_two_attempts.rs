use pointsman::attempt::AttemptHead;

fn two_attempts(head: AttemptHead) -> (AttemptHead, AttemptHead) {
    (head.clone(), head)
}

fn main() {}
