use pointsman::respond::commit::{Content, InterimGate};
use pointsman::http1::Version;

fn content_of_an_answer_not_begun(gate: &mut InterimGate) -> Content {
    gate.open(Version::Http11)
}

fn main() {}
