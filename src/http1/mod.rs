//! HTTP/1 without I/O.

mod fields;

pub use fields::FieldLines;
