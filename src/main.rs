//! The `pointsman` command.

use std::process::ExitCode;

/// Measured against the system's allocator on the request path; see
/// `docs/performance.md`. Sanitizers know the system's only.
#[cfg(not(pointsman_system_allocator))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    pointsman::cli::main(std::env::args_os())
}
