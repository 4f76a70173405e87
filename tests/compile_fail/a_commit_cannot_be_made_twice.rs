use pointsman::respond::commit::{Fresh, InterimGate};

fn answer_and_error(fresh: Fresh, gate: &mut InterimGate) {
    let _answer = fresh.commit(gate);
    let _error = fresh.commit(gate);
}

fn main() {}
