#![doc = "Pointsman"]
#![forbid(unsafe_code)]

pub mod attempt;
pub mod endpoint;
pub mod error;
pub mod http1;
pub mod request;
pub mod respond;
mod sync;
