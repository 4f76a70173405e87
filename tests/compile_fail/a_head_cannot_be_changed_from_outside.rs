use http::header::{HeaderValue, SERVER};
use pointsman::attempt::AttemptHead;

fn late_writer(head: &mut AttemptHead) {
    head.parts.fields.append(SERVER, HeaderValue::from_static("late"));
}

fn main() {}
