//! The HTTP/1 codec beside hyper's, over generated messages.
//!
//! What both accept they must read alike: method, target, fields, content,
//! trailers, and where the message ends (a plain second message stands behind
//! each request). Where only one accepts, the reason must be a listed
//! [`Difference`]; each of them is shown by an example, so the list can
//! neither fall behind nor keep what is no longer true.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic, its helpers too")]

mod differences;
mod examples;
mod ours;
mod reading;
mod theirs;

#[path = "../http1_messages/mod.rs"]
mod messages;

use bytes::Bytes;
use differences::{Difference, compare};
use http::Method;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::Runtime;

/// The plain request behind each generated one.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nhost: next.example\r\n\r\n";

/// Cases for each direction, the same ones on each run.
fn runner() -> TestRunner {
    let config = Config { cases: 4000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// How the request is read differently, if so; an error if that is not listed.
fn compare_request(runtime: &Runtime, bytes: &[u8]) -> Result<Option<Difference>, String> {
    let bytes = Bytes::from([bytes, NEXT].concat());
    let theirs = runtime.block_on(theirs::read_requests(&bytes));
    compare(&ours::read_requests(&bytes), &theirs)
}

/// As [`compare_request`], for the answer to a request with `method`.
fn compare_response(
    runtime: &Runtime,
    bytes: &[u8],
    method: &Method,
) -> Result<Option<Difference>, String> {
    let theirs = runtime.block_on(theirs::read_response(bytes, method));
    compare(&ours::read_response(bytes, method), &theirs)
}

#[test]
fn requests_are_read_as_hyper_reads_them_or_differ_as_listed() {
    let runtime = theirs::runtime();
    let run = runner().run(&messages::mutated(messages::request()), |bytes| {
        compare_request(&runtime, &bytes).map_err(TestCaseError::fail)?;
        Ok(())
    });
    run.unwrap();
}

#[test]
fn responses_are_read_as_hyper_reads_them_or_differ_as_listed() {
    let runtime = theirs::runtime();
    let method = select(vec![Method::GET, Method::GET, Method::HEAD]);
    let run =
        runner().run(&(messages::mutated(messages::response()), method), |(bytes, method)| {
            compare_response(&runtime, &bytes, &method).map_err(TestCaseError::fail)?;
            Ok(())
        });
    run.unwrap();
}
