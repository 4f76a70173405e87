use pointsman::respond::commit::{Fresh, InterimGate};

fn commit_without_an_exchange(gate: &mut InterimGate) {
    let _content = Fresh(()).commit(gate);
}

fn main() {}
