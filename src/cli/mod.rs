//! The commands, one file each.

pub mod check;
mod explain;

pub use explain::explain;
