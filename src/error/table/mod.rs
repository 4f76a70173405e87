//! The table: what stands beside each code, one row a code.
//!
//! The rows are written in groups, a file each, and put in the order of the
//! codes while compiling. A code with no row, or with two, does not compile.

mod endpoint;
mod exchange;
mod refusal;
mod request;

use super::{Answer, Blame, Code, RetryClass, Stage};

/// A row. What the members mean is said at the methods of [`Code`].
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) code: Code,
    pub(super) answer: Answer,
    pub(super) proxy_error_type: Option<&'static str>,
    pub(super) retry_after_s: Option<u32>,
    pub(super) stage: Stage,
    pub(super) blame: Blame,
    pub(super) retry_class: Option<RetryClass>,
    pub(super) title: &'static str,
    pub(super) cause: &'static str,
    pub(super) advice: &'static str,
}

/// The row of a code.
pub(super) fn entry(code: Code) -> &'static Entry {
    &TABLE[code as usize]
}

const COUNT: usize = Code::ALL.len();

static TABLE: [Entry; COUNT] =
    in_order(&[request::ROWS, refusal::ROWS, endpoint::ROWS, exchange::ROWS]);

const fn in_order(groups: &[&[Entry]]) -> [Entry; COUNT] {
    let mut table = [groups[0][0]; COUNT];
    let mut filled = [false; COUNT];
    let mut group = 0;
    while group < groups.len() {
        let mut row = 0;
        while row < groups[group].len() {
            let entry = groups[group][row];
            assert!(!filled[entry.code as usize], "a code has two rows");
            table[entry.code as usize] = entry;
            filled[entry.code as usize] = true;
            row += 1;
        }
        group += 1;
    }
    let mut code = 0;
    while code < COUNT {
        assert!(filled[code], "a code has no row");
        code += 1;
    }
    table
}
