//! The commands.

pub mod admin_client;
pub mod tables;
