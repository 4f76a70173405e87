//! End-to-end tests: the real binary between a client and endpoints that can
//! do anything, by topic. One crate, because each one more would be linked
//! against everything again.
#![cfg(feature = "router")]

mod framing;
mod harness;

mod harness_itself;
