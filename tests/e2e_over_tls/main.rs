//! What `tests/e2e` asks of plain connections, asked once more with TLS on both
//! sides of the router: the very same tests, behind bridges that they know
//! nothing of (`tests/e2e/harness/encrypted.rs`). A suite more is a line more;
//! not `pooling`, which is about what the router's own socket has heard already:
//! `tls_out` asks that of encrypted connections.
#![cfg(feature = "router")]
#![allow(dead_code, unused_imports, reason = "the harness has more in it than these suites use")]

#[path = "../e2e/harness/mod.rs"]
mod harness;

/// Whether routers get TLS on both sides.
const OVER_TLS: bool = true;

#[path = "../e2e/bodies.rs"]
mod bodies;
#[path = "../e2e/cancellation.rs"]
mod cancellation;
#[path = "../e2e/clocks/mod.rs"]
mod clocks;
#[path = "../e2e/early_answers.rs"]
mod early_answers;
#[path = "../e2e/errors.rs"]
mod errors;
mod framing;
#[path = "../e2e/half_close.rs"]
mod half_close;
#[path = "../e2e/informational.rs"]
mod informational;
#[path = "../e2e/limits.rs"]
mod limits;
#[path = "../e2e/retries.rs"]
mod retries;
#[path = "../e2e/tunnels/mod.rs"]
mod tunnels;
