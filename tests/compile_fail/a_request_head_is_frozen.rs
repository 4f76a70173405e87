use http::header::{HeaderValue, SERVER};
use pointsman::request::RequestHead;

fn changed_between_attempts(head: &mut RequestHead) {
    head.fields().append(SERVER, HeaderValue::from_static("late"));
}

fn main() {}
