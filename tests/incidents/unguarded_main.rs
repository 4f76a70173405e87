//! The `pointsman` command built with guards that can be taken out, for the
//! tests beside this file and for nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    pointsman::cli::main(std::env::args_os())
}
