#![doc = "Pointsman"]
#![forbid(unsafe_code)]

#[cfg(feature = "router")]
pub mod admin;
#[cfg(feature = "router")]
pub mod cli;
#[cfg(feature = "router")]
pub mod config;
pub mod error;
pub mod http1;
#[cfg(feature = "router")]
pub mod lifecycle;
#[cfg(feature = "router")]
mod sync;
#[cfg(feature = "router")]
pub mod telemetry;
