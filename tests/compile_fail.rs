//! Misuse of an attempt's head does not compile.

#[test]
fn an_attempts_head_has_one_owner() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
