//! Misuse of an attempt's head, or of the right to commit a response, does not
//! compile.
//!
//! Only with the cores alone (`--no-default-features`): each case is compiled
//! as a crate of its own, with all that the features bring.
#![cfg(not(feature = "router"))]

#[test]
fn an_attempts_head_and_the_right_to_commit_have_one_owner() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
