#![doc = "Pointsman"]
#![forbid(unsafe_code)]

pub mod cli;
pub mod error;
pub mod http1;
pub mod respond;
