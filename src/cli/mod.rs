//! The commands, one file each.

#[cfg(feature = "router")]
pub mod check;
pub mod explain;
