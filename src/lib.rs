#![doc = "Pointsman"]
#![forbid(unsafe_code)]

pub mod error;
pub mod http1;
