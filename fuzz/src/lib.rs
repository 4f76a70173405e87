//! What the fuzz targets run, apart from the fuzzer: one function a target,
//! from bytes to a panic if something is wrong. `fuzz_targets/` hands them to
//! libFuzzer; `tests/corpora.rs` of the router includes this file and replays
//! every stored input on a stable compiler.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

pub mod admission;
pub mod attempt_isolation;
pub mod config;
pub mod error_answer;
pub mod http1_body;
pub mod http1_request;
pub mod http1_response;
pub mod proxy_protocol;
pub mod registration_message;
pub mod registry_snapshot;
pub mod route_table;
pub mod whole_wire;

#[path = "../../tests/http1_wire/mod.rs"]
mod http1_wire;
mod input;
mod oracle;
mod strict;

/// A target's name, which is also its corpus's, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 12] = [
    ("admission", admission::run),
    ("attempt_isolation", attempt_isolation::run),
    ("config", config::run),
    ("error_answer", error_answer::run),
    ("http1_body", http1_body::run),
    ("http1_request", http1_request::run),
    ("http1_response", http1_response::run),
    ("proxy_protocol", proxy_protocol::run),
    ("registration_message", registration_message::run),
    ("registry_snapshot", registry_snapshot::run),
    ("route_table", route_table::run),
    ("whole_wire", whole_wire::run),
];
