//! The `pointsman` command.

use std::process::ExitCode;

/// Measured against the system's allocator on the request path; see
/// `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    pointsman::cli::main(std::env::args_os())
}
