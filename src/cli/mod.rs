//! The commands, one a file.

mod explain;

pub use explain::explain;
