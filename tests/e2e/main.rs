//! End-to-end tests: the real binary between a client and endpoints that can
//! do anything, by topic. One crate, because each one more would be linked
//! against everything again.
#![cfg(feature = "router")]

mod harness;

/// Whether routers get TLS on both sides; see `tests/e2e_over_tls`.
const OVER_TLS: bool = false;

mod access_log;
mod accounting;
mod adaptive;
mod admin;
mod admin_long;
mod admin_register;
mod admin_routes;
mod affinity;
mod bodies;
mod cancellation;
mod cli;
mod clocks;
mod commands;
mod connection_limit;
mod crowds;
mod debug;
mod demo;
mod descriptors;
mod documented;
mod drain;
mod early_answers;
mod errors;
mod failing;
mod framing;
mod given_back;
mod half_close;
mod hanging;
mod harness_itself;
mod headers;
mod health;
mod impatient;
mod informational;
mod late_words;
mod leaks;
mod lifecycle;
mod limits;
mod live_options;
mod log;
mod many_routers;
mod metrics;
mod names;
mod nats;
mod nats_flood;
mod nats_hanging;
mod nats_secured;
mod openapi;
mod outliers;
mod pooling;
mod probes;
mod proxy_protocol;
mod queue;
mod real_servers;
mod received_status;
mod registered;
mod reload;
mod restart;
mod retries;
mod returning;
mod routing;
mod slow_clients;
mod slow_readers;
mod snapshot_limits;
mod standing_still;
mod sticky;
mod systemd;
mod tls_in;
mod tls_out;
mod tunnels;
mod warm_start;
