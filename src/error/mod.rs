//! The taxonomy of what can go wrong.

mod code;

pub use code::Code;
