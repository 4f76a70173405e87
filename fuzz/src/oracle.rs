//! hyper beside the router's codec: the comparison of the differential test,
//! on the fuzzer's bytes.
#![allow(dead_code, reason = "the differential test uses the rest of it")]

#[path = "../../tests/http1_against_hyper/both.rs"]
mod both;
#[path = "../../tests/http1_against_hyper/differences.rs"]
mod differences;
#[path = "../../tests/http1_against_hyper/ours.rs"]
mod ours;
#[path = "../../tests/http1_against_hyper/reading.rs"]
mod reading;
#[path = "../../tests/http1_against_hyper/theirs.rs"]
mod theirs;

use http::Method;
use tokio::runtime::Runtime;

thread_local! {
    static RUNTIME: Runtime = theirs::runtime();
}

/// Both read these requests alike, or differ as listed.
pub(crate) fn agree_on_requests(bytes: &[u8]) {
    RUNTIME.with(|runtime| {
        if let Err(difference) = both::compare_request(runtime, bytes) {
            panic!("not a listed difference: {difference}");
        }
    });
}

/// Both read this answer to `method` alike, or differ as listed.
pub(crate) fn agree_on_response(bytes: &[u8], method: &Method) {
    RUNTIME.with(|runtime| {
        if let Err(difference) = both::compare_response(runtime, bytes, method) {
            panic!("not a listed difference: {difference}");
        }
    });
}
