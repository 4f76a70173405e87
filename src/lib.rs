#![doc = "Pointsman"]
#![forbid(unsafe_code)]

#[cfg(feature = "router")]
pub mod cli;
#[cfg(feature = "router")]
pub mod config;
pub mod error;
pub mod http1;
