#![doc = "Pointsman"]
#![forbid(unsafe_code)]

pub mod error;
pub mod http1;
pub mod request;
pub mod route;

#[cfg(feature = "router")]
mod sync;
