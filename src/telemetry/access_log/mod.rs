//! The access log: one line for every request, written off the data path.
//!
//! A worker formats the line into a buffer of its own, because the fields are
//! borrowed from the request and hot in its cache; a channel of owned records
//! would pin read buffers and make all workers write one cache line. One
//! thread swaps the buffers for empty ones, 100 times a second under load and
//! never when nothing happens, and writes what it took in one call. A buffer
//! that is full because the sink is slow takes no more lines: they are
//! dropped and counted. No request ever waits for the log.

mod common;
mod json;
mod lane;
mod record;
mod sink;
mod text;
mod timestamp;
mod writer;

#[cfg(test)]
mod tests;

pub use lane::AccessLogHandle;
pub use record::AccessRecord;
pub use writer::{AccessLog, Flush};
