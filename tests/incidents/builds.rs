//! The router as it is, and the build whose guards can be taken out.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::wait::{PACE, PATIENCE};
use crate::harness::{Config, Held, Router};

/// How long a scenario waits for a router without its guard to recover: long
/// for what takes milliseconds with it, and what then is left is the outage.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// A router, and how long it has to let go of what a scenario left on it.
pub(crate) struct Build {
    pub(crate) router: Router,
    pub(crate) patience: Duration,
}

impl Build {
    /// The router as it is.
    #[track_caller]
    pub(crate) fn guarded(config: &Config) -> Self {
        Self { router: Router::start(config), patience: PATIENCE }
    }

    /// The router without `guard`, by its name in `src/guard.rs`.
    #[track_caller]
    pub(crate) fn without(guard: &str, config: &Config) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_pointsman")).with_file_name(PROGRAM);
        assert!(
            program.exists(),
            "{} is missing; scripts/test.sh builds it, and so does: \
             cargo build --features unguarded --bin {PROGRAM}",
            program.display()
        );
        let mut command = Command::new(program);
        command.env("POINTSMAN_UNGUARDED", guard).env_remove("RUST_LOG").stdin(Stdio::null());
        Self { router: Router::start_as(command, config), patience: LONG_ENOUGH }
    }

    /// What is left once it is no more than `rest`, or once patience has
    /// ended.
    #[track_caller]
    pub(crate) fn left(&self, rest: &Held) -> Held {
        let deadline = Instant::now() + self.patience;
        loop {
            let held = Held::by(&self.router);
            if held.fits(rest) || Instant::now() >= deadline {
                return held;
            }
            std::thread::sleep(PACE);
        }
    }
}

/// The program with guards that can be taken out.
const PROGRAM: &str = "pointsman-unguarded";
