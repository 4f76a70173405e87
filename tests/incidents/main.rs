//! Outages that other routers had, replayed in small: each in a file named
//! after it, which says what happened there and what prevents it here.
//!
//! Every scenario gives what is left of it as a value. It runs against the
//! router, where that has to be nothing, and against a build in which the one
//! guard it is about can be taken out (`src/guard.rs`), where it has to be the
//! outage: a test that cannot fail shows nothing.
//!
//! A few hundred connections at a time, thousands in all, so that the
//! descriptor limit of an ordinary login is enough.
#![cfg(feature = "router")]

#[path = "../e2e/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
mod harness;

/// Whether routers get TLS on both sides; see `tests/e2e_over_tls`.
const OVER_TLS: bool = false;

mod builds;
mod concurrent_header_write;
mod director_saturation;
mod endless_probes;
mod orphaned_upstreams;
mod server_without_timeouts;
mod undrained_body;
