//! End-to-end tests: the real binary between a client and endpoints that can
//! do anything, by topic. One crate, because each one more would be linked
//! against everything again.
#![cfg(feature = "router")]

mod harness;

mod admin;
mod bodies;
mod cli;
mod clocks;
mod demo;
mod early_answers;
mod errors;
mod framing;
mod harness_itself;
mod headers;
mod leaving;
mod lifecycle;
mod limits;
mod pooling;
mod real_servers;
mod retries;
mod routing;
mod slow_clients;
