//! End-to-end tests: the real binary between a client and endpoints that can
//! do anything, by topic. One crate, because each one more would be linked
//! against everything again.
#![cfg(feature = "router")]

mod harness;

mod accounting;
mod admin;
mod bodies;
mod cancellation;
mod cli;
mod connection_limit;
mod demo;
mod errors;
mod framing;
mod half_close;
mod harness_itself;
mod headers;
mod leaks;
mod lifecycle;
mod pooling;
mod real_servers;
mod retries;
mod routing;
