#![doc = "Pointsman"]
#![forbid(unsafe_code)]

#[cfg(feature = "router")]
mod admin;
pub mod attempt;
#[cfg(feature = "router")]
pub mod cli;
#[cfg(feature = "router")]
mod clock;
#[cfg(feature = "router")]
pub mod config;
pub mod endpoint;
pub mod error;
pub mod http1;
#[cfg(feature = "router")]
mod lifecycle;
#[cfg(feature = "router")]
mod listen;
pub mod request;
pub mod respond;
pub mod route;
#[cfg(feature = "router")]
pub mod router;
mod sync;
#[cfg(feature = "router")]
mod telemetry;
#[cfg(feature = "router")]
mod transport;
#[cfg(feature = "router")]
mod upstream;
