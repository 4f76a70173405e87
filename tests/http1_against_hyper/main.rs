//! The HTTP/1 codec beside hyper's, over generated messages.
//!
//! What both accept they must read alike: method, target, fields, content,
//! trailers, and where the message ends (a plain second message stands behind
//! each request). Where only one accepts, the reason must be a listed
//! [`differences::Difference`]; each of them is shown by an example, so the list can
//! neither fall behind nor keep what is no longer true.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic, its helpers too")]

mod both;
mod differences;
mod examples;
mod ours;
mod reading;
mod theirs;

#[path = "../http1_messages/mod.rs"]
mod messages;

use both::{compare_request, compare_response};
use http::Method;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Cases for each direction, the same ones on each run.
fn runner() -> TestRunner {
    let config = Config { cases: 4000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
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
